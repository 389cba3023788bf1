//! A walk through DER, element by element, with the bytes of each as they are: what was signed must be hashed as it was
//! written and not as it would be written again. Nothing here calls itself.
//!
//! It stands here because both sides of the wire read certificates.

use der::asn1::ObjectIdentifier;
use der::{Header, Reader as _, SliceReader, Tag, TagNumber};

/// The bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is damaged")]
pub struct Damaged;

impl From<der::Error> for Damaged {
    fn from(_: der::Error) -> Self {
        Self
    }
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// What it is.
    pub tag: Tag,
    /// With tag and length.
    pub raw: &'a [u8],
    /// Without them.
    pub value: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element of `bytes`; what follows it is padding.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn first(bytes: &'a [u8]) -> Result<Self, Damaged> {
        Fields::new(bytes)?.next()
    }

    /// What is in it.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn fields(&self) -> Result<Fields<'a>, Damaged> {
        Fields::new(self.value)
    }

    /// This element, if it has this tag.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where it has another.
    pub fn is(&self, tag: Tag) -> Result<Self, Damaged> {
        (self.tag == tag).then_some(*self).ok_or(Damaged)
    }

    /// The object identifier that it is.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where it is none.
    pub fn oid(&self) -> Result<ObjectIdentifier, Damaged> {
        self.is(Tag::ObjectIdentifier)?;
        ObjectIdentifier::from_bytes(self.value).map_err(|_| Damaged)
    }
}

/// The context-specific tag with this number.
#[must_use]
pub fn context(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}

/// The context-specific tag with this number, of an element that has no others in it.
#[must_use]
pub fn primitive(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: false,
        number: TagNumber(number),
    }
}

/// Elements one after another.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    reader: SliceReader<'a>,
}

impl<'a> Fields<'a> {
    /// The elements in `bytes`.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Damaged> {
        Ok(Self {
            reader: SliceReader::new(bytes)?,
        })
    }

    /// The next element.
    ///
    /// # Errors
    ///
    /// [`Damaged`], also where there is none.
    #[allow(
        clippy::should_implement_trait,
        reason = "the end is an error and not the end of an iteration"
    )]
    pub fn next(&mut self) -> Result<Element<'a>, Damaged> {
        let header = Header::peek(&self.reader)?;
        let raw = self.reader.tlv_bytes()?;
        let length = usize::try_from(header.length())?;
        Ok(Element {
            tag: header.tag(),
            raw,
            value: raw.get(raw.len() - length..).ok_or(Damaged)?,
        })
    }

    /// The next element, where it has this tag.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, Damaged> {
        if self.reader.is_finished() || Tag::peek(&self.reader)? != tag {
            return Ok(None);
        }
        self.next().map(Some)
    }

    /// What is in the next element, a sequence.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn sequence(&mut self) -> Result<Fields<'a>, Damaged> {
        self.next()?.is(Tag::Sequence)?.fields()
    }

    /// Up to `most` elements that are left.
    ///
    /// # Errors
    ///
    /// [`Damaged`], also where there are more.
    pub fn rest(mut self, most: usize) -> Result<Vec<Element<'a>>, Damaged> {
        let mut elements = Vec::new();
        while !self.reader.is_finished() {
            if elements.len() == most {
                return Err(Damaged);
            }
            elements.push(self.next()?);
        }
        Ok(elements)
    }
}

/// Seconds since 1970 of a time as certificates and time stamps write it, in UTC.
///
/// # Errors
///
/// [`Damaged`].
pub fn time_s(element: &Element<'_>) -> Result<i64, Damaged> {
    let text = std::str::from_utf8(element.value).map_err(|_| Damaged)?;
    let text = text.strip_suffix('Z').ok_or(Damaged)?;
    let (whole, _fraction) = text.split_once('.').unwrap_or((text, ""));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Damaged);
    }
    let (years, rest) = match element.tag {
        Tag::GeneralizedTime => whole.split_at_checked(4).ok_or(Damaged)?,
        Tag::UtcTime => whole.split_at_checked(2).ok_or(Damaged)?,
        _ => return Err(Damaged),
    };
    let number = |text: &str| text.parse::<i16>().map_err(|_| Damaged);
    let year = match (number(years)?, years.len()) {
        (year, 2) if year < 50 => 2000 + year,
        (year, 2) => 1900 + year,
        (year, _) => year,
    };
    if rest.len() != 10 {
        return Err(Damaged);
    }
    let part = |at: usize| rest[at..at + 2].parse::<i8>().map_err(|_| Damaged);
    let [month, day, hour, minute, second] = [part(0)?, part(2)?, part(4)?, part(6)?, part(8)?];
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0);
    let moment = moment.and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    moment
        .map(|moment| moment.timestamp().as_second())
        .map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: Tag, text: &str) -> Result<i64, Damaged> {
        time_s(&Element {
            tag,
            raw: &[],
            value: text.as_bytes(),
        })
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time(Tag::UtcTime, "700101000001Z"), Ok(1));
        assert_eq!(time(Tag::UtcTime, "491231235959Z"), Ok(2_524_607_999));
        assert_eq!(
            time(Tag::GeneralizedTime, "20260930234523Z"),
            Ok(1_790_811_923)
        );
        assert_eq!(
            time(Tag::GeneralizedTime, "20260930234523.123Z"),
            Ok(1_790_811_923)
        );
        for wrong in [
            "",
            "Z",
            "20261332000000Z",
            "2026093023452Z",
            "2026093023452é",
            "-0260930234523Z",
        ] {
            assert_eq!(time(Tag::GeneralizedTime, wrong), Err(Damaged), "{wrong}");
        }
    }
}
