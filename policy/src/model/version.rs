//! File versions: four numbers, compared from the left. It must not read a file.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not a version that a rule may demand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version has four numbers from 0 to 65535, as in 1.2.3.4, and not {0:?}")]
pub struct VersionError(pub String);

/// A file's version. Ordered as its four numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileVersion(pub [u16; 4]);

impl FileVersion {
    /// Reads `x.x.x.x`, the only form that a rule may have.
    ///
    /// # Errors
    ///
    /// [`VersionError`] with the text, where it has another form.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.to_owned());
        let mut numbers = [0; 4];
        let mut parts = text.split('.');
        for number in &mut numbers {
            *number = parts.next().and_then(number_of).ok_or_else(wrong)?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self(numbers))
    }

    /// Reads what files say about themselves: one to four numbers between points or commas, and anything after a blank
    /// (`10.0.19041.1 (WinBuild.160101.0800)`, `1, 2, 3, 4`). Missing numbers are 0. `None` where that is not it: an
    /// unreadable version satisfies no rule.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let separator = if text.contains(',') { ',' } else { '.' };
        let text = match separator {
            ',' => text,
            _ => text.split(' ').next()?,
        };
        let mut numbers = [0; 4];
        let mut parts = text.split(separator);
        for (place, number) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) => *number = number_of(part.trim())?,
                None if place > 0 => break,
                None => return None,
            }
        }
        parts.next().is_none().then_some(Self(numbers))
    }
}

fn number_of(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl JsonSchema for FileVersion {
    fn schema_name() -> Cow<'static, str> {
        "FileVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "four numbers from 0 to 65535, as in 1.2.3.4",
            "pattern": "^[0-9]{1,5}(\\.[0-9]{1,5}){3}$",
        })
    }
}

impl fmt::Display for FileVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{a}.{b}.{c}.{d}")
    }
}

impl TryFrom<String> for FileVersion {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::parse(&text)
    }
}

impl From<FileVersion> for String {
    fn from(version: FileVersion) -> Self {
        version.to_string()
    }
}
