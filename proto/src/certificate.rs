//! The certificate of an agent, as far as either side of the wire reads it: whose it is, and how long it holds. It must not
//! judge: who signed it is TLS's to verify, and whether it is still one of ours the control plane's.

use std::fmt::Write as _;

use der::Tag;
use der::asn1::ObjectIdentifier;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::asn1::{Damaged, Element, Fields, context, primitive, time_s};
use crate::ids::AgentId;

const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// Extensions and names of one certificate that are looked at: ours have five and one.
const MAX_PARTS: usize = 32;
/// Bytes of a serial number (RFC 5280, section 4.1.2.2).
const MAX_SERIAL_BYTES: usize = 20;

/// What an agent's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCertificate {
    /// Whose fleet it is in.
    pub trust_domain: String,
    /// Whose it is.
    pub agent_id: AgentId,
    /// Its number, in lower-case hexadecimal digits.
    pub serial: String,
    /// First second in which it holds, since 1970.
    pub not_before_s: i64,
    /// First second in which it no longer holds, since 1970.
    pub not_after_s: i64,
    /// SHA-256 of the public key with its algorithm (SubjectPublicKeyInfo, DER).
    pub key_sha256: [u8; 32],
}

/// The name of an agent in its certificate (SPIFFE id).
#[must_use]
pub fn spiffe_id(trust_domain: &str, agent_id: AgentId) -> String {
    format!("spiffe://{trust_domain}/agent/{agent_id}")
}

/// Whose id this is, where it is an agent's: the trust domain and the agent.
#[must_use]
pub fn agent_of(spiffe_id: &str) -> Option<(&str, AgentId)> {
    let (trust_domain, id) = spiffe_id.strip_prefix("spiffe://")?.split_once("/agent/")?;
    let agent_id = AgentId::from(Uuid::try_parse(id).ok()?);
    // One spelling only, so that two texts are never one agent.
    (!trust_domain.is_empty() && !trust_domain.contains('/') && agent_id.to_string() == id)
        .then_some((trust_domain, agent_id))
}

/// The parts of any certificate that are read here.
#[derive(Clone, Debug)]
pub struct CertificateParts<'a> {
    /// Its number, in lower-case hexadecimal digits.
    pub serial: String,
    /// First second in which it holds, since 1970.
    pub not_before_s: i64,
    /// First second in which it no longer holds, since 1970.
    pub not_after_s: i64,
    /// Whose it is, as it is written.
    pub subject: Element<'a>,
    /// The public key with its algorithm, as it is written.
    pub key: Element<'a>,
    rest: Fields<'a>,
}

impl<'a> CertificateParts<'a> {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn read(encoding: &'a [u8]) -> Result<Self, Damaged> {
        let whole = Element::first(encoding)?.is(Tag::Sequence)?;
        let mut fields = whole.fields()?.sequence()?;
        fields.optional(context(0))?;
        let serial = serial(&fields.next()?)?;
        fields.sequence()?;
        let _issuer = fields.next()?;
        let mut validity = fields.sequence()?;
        let (not_before, not_after) = (validity.next()?, validity.next()?);
        Ok(Self {
            serial,
            not_before_s: time_s(&not_before)?,
            not_after_s: time_s(&not_after)?,
            subject: fields.next()?.is(Tag::Sequence)?,
            key: fields.next()?.is(Tag::Sequence)?,
            rest: fields,
        })
    }
}

impl AgentCertificate {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    ///
    /// [`Damaged`] where it cannot be read, or is no agent's: it must have exactly one name, a SPIFFE id.
    pub fn read(encoding: &[u8]) -> Result<Self, Damaged> {
        let parts = CertificateParts::read(encoding)?;
        let (trust_domain, agent_id) = agent_of(only_name(parts.rest)?).ok_or(Damaged)?;
        Ok(Self {
            trust_domain: trust_domain.to_owned(),
            agent_id,
            serial: parts.serial,
            not_before_s: parts.not_before_s,
            not_after_s: parts.not_after_s,
            key_sha256: Sha256::digest(parts.key.raw).into(),
        })
    }
}

/// A serial number as text, without the zero that keeps it positive.
fn serial(number: &Element<'_>) -> Result<String, Damaged> {
    let bytes = number.is(Tag::Integer)?.value;
    let bytes = match bytes {
        [0, rest @ ..] if !rest.is_empty() => rest,
        bytes => bytes,
    };
    if bytes.is_empty() || bytes.len() > MAX_SERIAL_BYTES {
        return Err(Damaged);
    }
    Ok(hexadecimal(bytes))
}

/// Lower-case digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The one name that stands in the extensions, a URI.
fn only_name<'a>(mut fields: Fields<'a>) -> Result<&'a str, Damaged> {
    fields.optional(primitive(1))?;
    fields.optional(primitive(2))?;
    let extensions = fields.optional(context(3))?.ok_or(Damaged)?;
    let extensions = extensions.fields()?.sequence()?.rest(MAX_PARTS)?;
    let mut found = None;
    for extension in extensions {
        let mut parts = extension.is(Tag::Sequence)?.fields()?;
        if parts.next()?.oid()? != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        parts.optional(Tag::Boolean)?;
        let value = parts.next()?.is(Tag::OctetString)?;
        let names = value.fields()?.sequence()?.rest(MAX_PARTS)?;
        match (&names[..], found) {
            ([name], None) => found = Some(name.is(primitive(6))?.value),
            _ => return Err(Damaged),
        }
    }
    std::str::from_utf8(found.ok_or(Damaged)?).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_has_one_spelling() {
        let agent = AgentId([0xab; 16]);
        let text = spiffe_id("epm.example", agent);
        assert_eq!(agent_of(&text), Some(("epm.example", agent)));
        for wrong in [
            text.to_uppercase(),
            text.replace("spiffe", "https"),
            text.replace("/agent/", "/agent/x/"),
            text.replace("abab-", "abab"),
            text.replace("epm.example", ""),
            text.replace("epm.example", "epm/example"),
            format!("{text}/"),
            format!("{text}?x"),
        ] {
            assert_eq!(agent_of(&wrong), None, "{wrong}");
        }
    }
}
