//! An organisation's authority has a subject of its own, which must stand in what it signs as it was written. What would be
//! written otherwise is refused here, or found when the authority is tried out.

use der::Tag;
use epm_proto::asn1::{Damaged, Element};
use rcgen::{DistinguishedName, DnType, DnValue};

/// Parts of a subject: real ones have about five.
const MAX_PARTS: usize = 16;

/// The subject, in the form in which it can be written again.
pub(super) fn read(subject: &Element<'_>) -> Result<DistinguishedName, Damaged> {
    let mut name = DistinguishedName::new();
    for part in subject.fields()?.rest(MAX_PARTS)? {
        let values = part.is(Tag::Set)?.fields()?.rest(1)?;
        let mut value = values.first().ok_or(Damaged)?.is(Tag::Sequence)?.fields()?;
        let kind: Vec<u64> = value.next()?.oid()?.arcs().map(u64::from).collect();
        let text = value.next()?;
        let words = std::str::from_utf8(text.value).map_err(|_| Damaged)?;
        let words = match text.tag {
            Tag::Utf8String => DnValue::Utf8String(words.to_owned()),
            Tag::PrintableString => {
                DnValue::PrintableString(words.try_into().map_err(|_| Damaged)?)
            }
            Tag::Ia5String => DnValue::Ia5String(words.try_into().map_err(|_| Damaged)?),
            _ => return Err(Damaged),
        };
        name.push(DnType::from_oid(&kind), words);
    }
    Ok(name)
}
