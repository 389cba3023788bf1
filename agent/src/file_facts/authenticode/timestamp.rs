//! When a program was signed, as a third party vouches for: a time stamp of RFC 3161, or the older countersignature. It
//! must not decide whether that party is trusted.

use der::Tag;
use der::asn1::ObjectIdentifier;

use super::certificate::{self, Certificate, Verification};
use super::signed_data::{SignedData, Signer};
use epm_proto::asn1::{Damaged, time_s};

const RFC_3161: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.3.3.1");
const COUNTERSIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.6");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const STAMP_CONTENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// A time stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub time_s: i64,
    /// Whether the stamp is for this signature.
    pub verification: Verification,
    /// Who vouches.
    pub signer: Option<Certificate>,
    pub(crate) certificates: Vec<Certificate>,
}

/// The time stamp of `signer`, where there is one.
pub(super) fn of(
    signer: &Signer<'_>,
    certificates: &[Certificate],
) -> Result<Option<Timestamp>, Damaged> {
    if let Some(stamp) = signer.unsigned_attributes.value(RFC_3161) {
        return rfc_3161(&SignedData::parse(stamp.raw)?, signer).map(Some);
    }
    let Some(countersignature) = signer.unsigned_attributes.value(COUNTERSIGNATURE) else {
        return Ok(None);
    };
    let by = Signer::parse(&countersignature)?;
    let time = by.signed_attribute(SIGNING_TIME).ok_or(Damaged)?;
    let (verification, certificate) = by.verify(&signer.signature.bytes, None, certificates);
    Ok(Some(Timestamp {
        time_s: time_s(&time)?,
        verification,
        signer: certificate.cloned(),
        certificates: certificates.to_vec(),
    }))
}

fn rfc_3161(stamp: &SignedData<'_>, stamped: &Signer<'_>) -> Result<Timestamp, Damaged> {
    if stamp.content_type != STAMP_CONTENT {
        return Err(Damaged);
    }
    let content = stamp.content.is(Tag::OctetString)?.fields()?;
    let mut fields = content.clone().sequence()?;
    fields.next()?.is(Tag::Integer)?;
    fields.next()?.oid()?;
    let mut imprint = fields.sequence()?;
    let algorithm = certificate::digest(imprint.sequence()?.next()?.oid()?);
    let imprint = imprint.next()?.is(Tag::OctetString)?.value;
    fields.next()?.is(Tag::Integer)?;
    let time_s = time_s(&fields.next()?.is(Tag::GeneralizedTime)?)?;
    let (verification, signer) = stamp.verify();
    let verification = match algorithm {
        None => Verification::Unsupported,
        Some(algorithm) if algorithm.of(&stamped.signature.bytes) == imprint => verification,
        Some(_) => Verification::Wrong,
    };
    Ok(Timestamp {
        time_s,
        verification,
        signer: signer.cloned(),
        certificates: stamp.certificates.clone(),
    })
}
