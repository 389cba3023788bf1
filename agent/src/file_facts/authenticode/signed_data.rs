//! Signed data as PKCS #7 and CMS write it: what is signed, by whom, with which certificates. Verifies that a signer's key
//! signed the content; what the content means is said by whoever asks.

use der::Tag;
use der::asn1::ObjectIdentifier;

use super::super::digests::Algorithm;
use super::certificate::{self, Certificate, DistinguishedName, Scheme, Signed, Verification};
use epm_proto::asn1::{Damaged, Element, Fields, context};

/// Certificates of a signature: chains have up to five, and time stamps bring some.
const MAX_CERTIFICATES: usize = 64;
/// Attributes of a signer.
const MAX_ATTRIBUTES: usize = 64;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// Something that was signed.
#[derive(Debug)]
pub(super) struct SignedData<'a> {
    pub(super) content_type: ObjectIdentifier,
    /// The content; its value is what is hashed.
    pub(super) content: Element<'a>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) signer: Signer<'a>,
}

/// Who signed, and what was said with it.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    id: SignerId<'a>,
    pub(super) digest: Option<Algorithm>,
    signed_attributes: Attributes<'a>,
    pub(super) signature: Signed,
    pub(super) unsigned_attributes: Attributes<'a>,
}

#[derive(Debug)]
enum SignerId<'a> {
    IssuerAndSerial(DistinguishedName, &'a [u8]),
    /// By the id of a key, which signers of programs do not use.
    Other,
}

/// Attributes with their encoding.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    raw: &'a [u8],
    entries: Vec<(ObjectIdentifier, Element<'a>)>,
}

impl<'a> SignedData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut outer = Element::first(bytes)?.is(Tag::Sequence)?.fields()?;
        if outer.next()?.oid()? != SIGNED_DATA {
            return Err(Damaged);
        }
        let mut fields = outer.next()?.is(context(0))?.fields()?.sequence()?;
        fields.next()?.is(Tag::Integer)?;
        fields.next()?.is(Tag::Set)?;
        let mut content = fields.sequence()?;
        let content_type = content.next()?.oid()?;
        let content = content.next()?.is(context(0))?.fields()?.next()?;
        let certificates = match fields.optional(context(0))? {
            Some(set) => certificates(set.fields()?)?,
            None => Vec::new(),
        };
        fields.optional(context(1))?;
        let signers = fields.next()?.is(Tag::Set)?.fields()?.rest(1)?;
        Ok(Self {
            content_type,
            content,
            certificates,
            signer: Signer::parse(signers.first().ok_or(Damaged)?)?,
        })
    }

    /// Whether the signer's key signed this content, and the signer's certificate where it is there.
    pub(super) fn verify(&self) -> (Verification, Option<&Certificate>) {
        self.signer.verify(
            self.content.value,
            Some(self.content_type),
            &self.certificates,
        )
    }
}

/// Other kinds of certificates than X.509 are passed over; so is one that cannot be read, which then signs nothing.
fn certificates(set: Fields<'_>) -> Result<Vec<Certificate>, Damaged> {
    let elements = set.rest(MAX_CERTIFICATES)?;
    let readable = elements
        .iter()
        .filter_map(|element| Certificate::parse(element.raw).ok());
    Ok(readable.collect())
}

impl<'a> Signer<'a> {
    pub(super) fn parse(element: &Element<'a>) -> Result<Self, Damaged> {
        let mut fields = element.is(Tag::Sequence)?.fields()?;
        fields.next()?.is(Tag::Integer)?;
        let id = fields.next()?;
        let id = match id.tag {
            Tag::Sequence => {
                let mut parts = id.fields()?;
                let issuer = DistinguishedName::parse(parts.next()?)?;
                SignerId::IssuerAndSerial(issuer, parts.next()?.is(Tag::Integer)?.value)
            }
            _ => SignerId::Other,
        };
        let digest = certificate::digest(fields.sequence()?.next()?.oid()?);
        let signed_attributes = Attributes::optional(&mut fields, 0)?;
        let scheme = Scheme::new(fields.sequence()?.next()?.oid()?, digest);
        let signature = fields.next()?.is(Tag::OctetString)?;
        Ok(Self {
            id,
            digest,
            signed_attributes,
            signature: Signed {
                scheme,
                bytes: signature.value.to_vec(),
            },
            unsigned_attributes: Attributes::optional(&mut fields, 1)?,
        })
    }

    /// The signer's certificate.
    fn certificate<'c>(&self, among: &'c [Certificate]) -> Option<&'c Certificate> {
        let SignerId::IssuerAndSerial(issuer, serial) = &self.id else {
            return None;
        };
        let is_it = |certificate: &&Certificate| {
            certificate.serial == *serial && certificate.issuer.encoding() == issuer.encoding()
        };
        among.iter().find(is_it)
    }

    /// Whether the key of one of `certificates` signed `content`. The type is signed along where there is one.
    pub(super) fn verify<'c>(
        &self,
        content: &[u8],
        content_type: Option<ObjectIdentifier>,
        certificates: &'c [Certificate],
    ) -> (Verification, Option<&'c Certificate>) {
        let Some(certificate) = self.certificate(certificates) else {
            let unknown = match self.id {
                SignerId::Other => Verification::Unsupported,
                SignerId::IssuerAndSerial(..) => Verification::Wrong,
            };
            return (unknown, None);
        };
        let Some(digest) = self.digest else {
            return (Verification::Unsupported, Some(certificate));
        };
        let attributes = &self.signed_attributes;
        let said = attributes.value(MESSAGE_DIGEST).map(|value| value.value);
        let typed = content_type.is_none_or(|expected| {
            let said = attributes.value(CONTENT_TYPE).map(|value| value.oid());
            said == Some(Ok(expected))
        });
        if !typed || said != Some(&*digest.of(content)) {
            return (Verification::Wrong, Some(certificate));
        }
        // Signed as a set, stored under another tag.
        let mut message = attributes.raw.to_vec();
        if let Some(tag) = message.first_mut() {
            *tag = 0x31;
        }
        (
            certificate.made(&self.signature, &message),
            Some(certificate),
        )
    }

    pub(super) fn signed_attribute(&self, oid: ObjectIdentifier) -> Option<Element<'a>> {
        self.signed_attributes.value(oid)
    }
}

impl<'a> Attributes<'a> {
    fn optional(fields: &mut Fields<'a>, number: u32) -> Result<Self, Damaged> {
        let Some(set) = fields.optional(context(number))? else {
            return Ok(Self::default());
        };
        let mut entries = Vec::new();
        for element in set.fields()?.rest(MAX_ATTRIBUTES)? {
            let mut parts = element.is(Tag::Sequence)?.fields()?;
            entries.push((parts.next()?.oid()?, parts.next()?.is(Tag::Set)?));
        }
        Ok(Self {
            raw: set.raw,
            entries,
        })
    }

    /// The first value of an attribute.
    pub(super) fn value(&self, oid: ObjectIdentifier) -> Option<Element<'a>> {
        self.values(oid).into_iter().next()
    }

    /// Every value of an attribute.
    pub(super) fn values(&self, oid: ObjectIdentifier) -> Vec<Element<'a>> {
        let of = self.entries.iter().filter(|(name, _)| *name == oid);
        let sets = of.filter_map(|(_, set)| set.fields().ok()?.rest(MAX_ATTRIBUTES).ok());
        sets.flatten().collect()
    }
}
