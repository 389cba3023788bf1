//! One certificate of a signature, as far as people and rules ask about it, and whether its key made a signature. Whether
//! it is to be trusted is said by [`super::super::trust`].

use std::fmt;

use der::Tag;
use der::asn1::ObjectIdentifier;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use super::super::digests::Algorithm;
use epm_proto::asn1::{Damaged, Element, Fields, context, primitive, time_s};

/// Attributes of a name: extended validation has ten.
const MAX_NAME_ATTRIBUTES: usize = 64;
/// Characters of an attribute that are kept; certificates allow 64 in most.
const MAX_ATTRIBUTE_CHARS: usize = 500;

/// Extensions of a certificate: there are about ten.
const MAX_EXTENSIONS: usize = 100;
/// Purposes of a key: there are two or three.
const MAX_PURPOSES: usize = 100;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it names.
    pub subject: DistinguishedName,
    /// Who issued it.
    pub issuer: DistinguishedName,
    /// Its serial number, as it is written.
    pub serial: Vec<u8>,
    /// First second of its validity since 1970.
    pub not_before_s: i64,
    /// Last second of its validity since 1970.
    pub not_after_s: i64,
    /// SHA-1 of its encoding: what Windows calls the thumbprint.
    pub sha1: [u8; 20],
    /// SHA-256 of its encoding.
    pub sha256: [u8; 32],
    /// What its key may be used for; empty where the certificate does not say.
    pub(crate) purposes: Vec<ObjectIdentifier>,
    pub(crate) encoding: Vec<u8>,
    signed: Vec<u8>,
    signature: Signed,
    key: Key,
}

/// A signature and what it is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) scheme: Option<Scheme>,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    kind: Option<KeyKind>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
}

/// How a signature is made; the key says the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    RsaPkcs1(Algorithm),
    Ecdsa(Algorithm),
}

/// Whether a signature was made by a key over some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It was.
    Verified,
    /// It was not, or it covers something else.
    Wrong,
    /// It is made in a way that is not known here.
    Unsupported,
}

const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

impl Scheme {
    /// The scheme that `oid` names. Plain `rsaEncryption` leaves the digest to what stands beside it.
    pub(super) fn new(oid: ObjectIdentifier, beside: Option<Algorithm>) -> Option<Self> {
        Some(match &*oid.to_string() {
            "1.2.840.113549.1.1.1" => Self::RsaPkcs1(beside?),
            "1.2.840.113549.1.1.5" => Self::RsaPkcs1(Algorithm::Sha1),
            "1.2.840.113549.1.1.11" => Self::RsaPkcs1(Algorithm::Sha256),
            "1.2.840.113549.1.1.12" => Self::RsaPkcs1(Algorithm::Sha384),
            "1.2.840.113549.1.1.13" => Self::RsaPkcs1(Algorithm::Sha512),
            "1.2.840.10045.2.1" => Self::Ecdsa(beside?),
            "1.2.840.10045.4.3.2" => Self::Ecdsa(Algorithm::Sha256),
            "1.2.840.10045.4.3.3" => Self::Ecdsa(Algorithm::Sha384),
            _ => return None,
        })
    }
}

/// The digest that `oid` names.
pub(super) fn digest(oid: ObjectIdentifier) -> Option<Algorithm> {
    Some(match &*oid.to_string() {
        "1.3.14.3.2.26" => Algorithm::Sha1,
        "2.16.840.1.101.3.4.2.1" => Algorithm::Sha256,
        "2.16.840.1.101.3.4.2.2" => Algorithm::Sha384,
        "2.16.840.1.101.3.4.2.3" => Algorithm::Sha512,
        _ => return None,
    })
}

impl Certificate {
    /// The certificate of this encoding (DER); `None` where it is none.
    pub(crate) fn read(encoding: &[u8]) -> Option<Self> {
        Self::parse(encoding).ok()
    }

    pub(super) fn parse(encoding: &[u8]) -> Result<Self, Damaged> {
        let whole = Element::first(encoding)?.is(Tag::Sequence)?;
        let mut parts = whole.fields()?;
        let signed = parts.next()?.is(Tag::Sequence)?;
        let scheme = Scheme::new(parts.sequence()?.next()?.oid()?, None);
        let signature = bits(&parts.next()?)?;
        let mut fields = signed.fields()?;
        fields.optional(context(0))?;
        let serial = fields.next()?.is(Tag::Integer)?;
        fields.sequence()?;
        let issuer = DistinguishedName::parse(fields.next()?)?;
        let mut validity = fields.sequence()?;
        let subject_and_key = |fields: &mut Fields<'_>| {
            Ok::<_, Damaged>((
                DistinguishedName::parse(fields.next()?)?,
                key(fields.sequence()?)?,
            ))
        };
        let (not_before, not_after) = (validity.next()?, validity.next()?);
        let (subject, key) = subject_and_key(&mut fields)?;
        let purposes = purposes(fields)?;
        let hash = |algorithm: Algorithm| algorithm.of(whole.raw);
        Ok(Self {
            subject,
            issuer,
            serial: serial.value.to_vec(),
            not_before_s: time_s(&not_before)?,
            not_after_s: time_s(&not_after)?,
            sha1: hash(Algorithm::Sha1).try_into().map_err(|_| Damaged)?,
            sha256: hash(Algorithm::Sha256).try_into().map_err(|_| Damaged)?,
            purposes,
            encoding: whole.raw.to_vec(),
            signed: signed.raw.to_vec(),
            signature: Signed {
                scheme,
                bytes: signature.to_vec(),
            },
            key,
        })
    }

    /// Whether this certificate's key made `signature` over `message`.
    pub(super) fn made(&self, signature: &Signed, message: &[u8]) -> Verification {
        let algorithm = match (self.key.kind, signature.scheme) {
            (Some(kind), Some(scheme)) => algorithm(kind, scheme),
            _ => None,
        };
        let Some(algorithm) = algorithm else {
            return Verification::Unsupported;
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key.bytes);
        match key.verify(message, &signature.bytes) {
            Ok(()) => Verification::Verified,
            Err(_) => Verification::Wrong,
        }
    }

    /// Whether `other` was issued by this certificate: its key made the signature of the other.
    #[must_use]
    pub fn issued(&self, other: &Self) -> bool {
        self.subject == other.issuer
            && self.made(&other.signature, &other.signed) == Verification::Verified
    }
}

fn algorithm(kind: KeyKind, scheme: Scheme) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (kind, scheme) {
        // Keys of 1024 bits were signed with for long; whether the chain above them is trusted is another question.
        (KeyKind::Rsa, Scheme::RsaPkcs1(Algorithm::Sha1)) => {
            &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY
        }
        (KeyKind::Rsa, Scheme::RsaPkcs1(Algorithm::Sha256)) => {
            &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        }
        (KeyKind::Rsa, Scheme::RsaPkcs1(Algorithm::Sha384)) => {
            &signature::RSA_PKCS1_2048_8192_SHA384
        }
        (KeyKind::Rsa, Scheme::RsaPkcs1(Algorithm::Sha512)) => {
            &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
        }
        (KeyKind::P256, Scheme::Ecdsa(Algorithm::Sha256)) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, Scheme::Ecdsa(Algorithm::Sha384)) => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P384, Scheme::Ecdsa(Algorithm::Sha256)) => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, Scheme::Ecdsa(Algorithm::Sha384)) => &signature::ECDSA_P384_SHA384_ASN1,
        _ => return None,
    })
}

/// The extended key usage among the fields behind the key.
fn purposes(mut fields: Fields<'_>) -> Result<Vec<ObjectIdentifier>, Damaged> {
    // Unique ids of issuer and subject, which nobody uses.
    for number in [1, 2] {
        fields.optional(primitive(number))?;
    }
    let Some(extensions) = fields.optional(context(3))? else {
        return Ok(Vec::new());
    };
    let extensions = extensions.fields()?.sequence()?.rest(MAX_EXTENSIONS)?;
    for extension in extensions {
        let parts = extension.is(Tag::Sequence)?.fields()?.rest(3)?;
        let oid = parts.first().ok_or(Damaged)?.oid()?;
        if oid == EXTENDED_KEY_USAGE {
            let value = parts.last().ok_or(Damaged)?.is(Tag::OctetString)?;
            let purposes = value.fields()?.sequence()?.rest(MAX_PURPOSES)?;
            return purposes.iter().map(Element::oid).collect();
        }
    }
    Ok(Vec::new())
}

fn key(mut info: Fields<'_>) -> Result<Key, Damaged> {
    let mut algorithm = info.sequence()?;
    let oid = algorithm.next()?.oid()?;
    let curve = algorithm.next().and_then(|element| element.oid());
    let kind = match (oid, curve) {
        (RSA, _) => Some(KeyKind::Rsa),
        (EC, Ok(P256)) => Some(KeyKind::P256),
        (EC, Ok(P384)) => Some(KeyKind::P384),
        _ => None,
    };
    Ok(Key {
        kind,
        bytes: bits(&info.next()?)?.to_vec(),
    })
}

/// The bytes of a bit string that has whole bytes.
fn bits<'a>(element: &Element<'a>) -> Result<&'a [u8], Damaged> {
    match element.is(Tag::BitString)?.value {
        [0, bytes @ ..] => Ok(bytes),
        _ => Err(Damaged),
    }
}

/// A name in parts, the most general first, as certificates write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    attributes: Vec<(ObjectIdentifier, String)>,
    encoding: Vec<u8>,
    text: String,
}

impl DistinguishedName {
    pub(super) fn parse(element: Element<'_>) -> Result<Self, Damaged> {
        let mut attributes = Vec::new();
        for set in element
            .is(Tag::Sequence)?
            .fields()?
            .rest(MAX_NAME_ATTRIBUTES)?
        {
            for pair in set.is(Tag::Set)?.fields()?.rest(MAX_NAME_ATTRIBUTES)? {
                let mut pair = pair.is(Tag::Sequence)?.fields()?;
                attributes.push((pair.next()?.oid()?, text(&pair.next()?)));
            }
        }
        attributes.truncate(MAX_NAME_ATTRIBUTES);
        Ok(Self {
            text: as_windows_writes(&attributes),
            attributes,
            encoding: element.raw.to_vec(),
        })
    }

    /// As Windows writes it, which is what administrators copy into rules: the most special part first, `S` for a state,
    /// and quotes where a value has a comma or the like.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn encoding(&self) -> &[u8] {
        &self.encoding
    }

    /// Object ids and values in the order of the certificate.
    pub fn attributes(&self) -> impl Iterator<Item = (String, &str)> {
        let attributes = self.attributes.iter();
        attributes.map(|(oid, value)| (oid.to_string(), &**value))
    }

    /// The name by which it is known: its last common name.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.last("2.5.4.3")
    }

    /// The organization.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.last("2.5.4.10")
    }

    fn last(&self, oid: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter().rev();
        let found = attributes.find(|(name, _)| name.to_string() == oid);
        found.map(|(_, value)| &**value)
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn as_windows_writes(attributes: &[(ObjectIdentifier, String)]) -> String {
    let part = |(oid, value): &(ObjectIdentifier, String)| {
        let oid = oid.to_string();
        let quoted = value.is_empty()
            || value.starts_with(' ')
            || value.ends_with(' ')
            || value.contains(|c| ",+=\"<>#;\n".contains(c));
        let value = match quoted {
            true => format!("\"{}\"", value.replace('"', "\"\"")),
            false => value.clone(),
        };
        match short_name(&oid) {
            Some(name) => format!("{name}={value}"),
            None => format!("OID.{oid}={value}"),
        }
    };
    let parts: Vec<String> = attributes.iter().rev().map(part).collect();
    parts.join(", ")
}

fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "S",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "T",
        "2.5.4.42" => "G",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "E",
        _ => return None,
    })
}

fn text(element: &Element<'_>) -> String {
    let whole = match element.tag {
        Tag::BmpString => {
            let units = element.value.chunks_exact(2);
            let units = units.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Tag::TeletexString => element.value.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(element.value).into_owned(),
    };
    whole.chars().take(MAX_ATTRIBUTE_CHARS).collect()
}
