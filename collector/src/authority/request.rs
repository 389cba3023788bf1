//! What an agent sends to get a certificate (PKCS #10). Only its key is taken, and only when the request proves that the
//! sender has the private half; names and wishes in it are ignored.

use der::Tag;
use der::asn1::ObjectIdentifier;
use epm_proto::asn1::{Damaged, Element};
use rcgen::PublicKeyData;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::AuthorityError;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// A request is a few hundred bytes.
pub(crate) const MAX_REQUEST_BYTES: usize = 4 << 10;

/// The public key of an agent, whose private half its sender has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    point: Vec<u8>,
    /// With its algorithm (SubjectPublicKeyInfo, DER): what fingerprints are of.
    encoding: Vec<u8>,
}

impl AgentKey {
    /// Reads a signing request and verifies it.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Request`].
    pub fn read(request: &[u8]) -> Result<Self, AuthorityError> {
        if request.len() > MAX_REQUEST_BYTES {
            return Err(AuthorityError::Request);
        }
        parse(request).map_err(|Damaged| AuthorityError::Request)
    }

    /// The key with its algorithm, DER.
    #[must_use]
    pub fn encoding(&self) -> &[u8] {
        &self.encoding
    }
}

impl PublicKeyData for AgentKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

fn parse(request: &[u8]) -> Result<AgentKey, Damaged> {
    let mut parts = Element::first(request)?.is(Tag::Sequence)?.fields()?;
    let signed = parts.next()?.is(Tag::Sequence)?;
    let algorithm = parts.sequence()?.next()?.oid()?;
    let signature = bits(&parts.next()?)?;
    let mut fields = signed.fields()?;
    fields.next()?.is(Tag::Integer)?;
    fields.next()?.is(Tag::Sequence)?;
    let key = fields.next()?.is(Tag::Sequence)?;
    let mut key_parts = key.fields()?;
    let mut kind = key_parts.sequence()?;
    let point = bits(&key_parts.next()?)?;
    if kind.next()?.oid()? != EC || kind.next()?.oid()? != P256 || algorithm != ECDSA_SHA256 {
        return Err(Damaged);
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(signed.raw, signature)
        .map_err(|_| Damaged)?;
    Ok(AgentKey {
        point: point.to_vec(),
        encoding: key.raw.to_vec(),
    })
}

/// A bit string of whole bytes.
fn bits<'a>(element: &Element<'a>) -> Result<&'a [u8], Damaged> {
    match element.is(Tag::BitString)?.value {
        [0, bytes @ ..] => Ok(bytes),
        _ => Err(Damaged),
    }
}
