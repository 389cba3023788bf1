//! Digests as values, written as hexadecimal digits. It must not compute one.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Another number of digits.
    #[error("a {what} has {expected} hexadecimal digits, this text has {found} characters")]
    Length {
        /// Which digest was expected.
        what: &'static str,
        /// How many digits it has.
        expected: &'static str,
        /// How many characters there are.
        found: usize,
    },
    /// Something that is no hexadecimal digit.
    #[error("a {what} consists of the digits 0 to 9 and a to f, this text has {found:?}")]
    Digit {
        /// Which digest was expected.
        what: &'static str,
        /// The first character that does not belong.
        found: char,
    },
}

/// SHA-256 of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    ///
    /// [`DigestError`] names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        const WHAT: &str = "SHA-256 digest";
        if text.len() != 64 {
            return Err(length(WHAT, "64", text));
        }
        let mut bytes = [0; 32];
        read_hex(WHAT, text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl JsonSchema for Sha256 {
    fn schema_name() -> Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "SHA-256 as 64 hexadecimal digits",
            "pattern": "^[0-9A-Fa-f]{64}$",
        })
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

/// SHA-1 or SHA-256 of a certificate's encoding. The two kinds never equal each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Thumbprint {
    /// What Windows shows as the thumbprint.
    Sha1([u8; 20]),
    /// The longer one.
    Sha256([u8; 32]),
}

impl Thumbprint {
    /// Reads 40 or 64 hexadecimal digits of either case.
    ///
    /// # Errors
    ///
    /// [`DigestError`] names what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        const WHAT: &str = "certificate thumbprint";
        match text.len() {
            40 => {
                let mut bytes = [0; 20];
                read_hex(WHAT, text, &mut bytes)?;
                Ok(Self::Sha1(bytes))
            }
            64 => {
                let mut bytes = [0; 32];
                read_hex(WHAT, text, &mut bytes)?;
                Ok(Self::Sha256(bytes))
            }
            _ => Err(length(WHAT, "40 or 64", text)),
        }
    }

    /// The digest's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }
}

impl JsonSchema for Thumbprint {
    fn schema_name() -> Cow<'static, str> {
        "Thumbprint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "SHA-1 or SHA-256 of a certificate, as 40 or 64 hexadecimal digits",
            "pattern": "^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$",
        })
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.bytes(), f)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Thumbprint> for String {
    fn from(digest: Thumbprint) -> Self {
        digest.to_string()
    }
}

fn length(what: &'static str, expected: &'static str, text: &str) -> DigestError {
    DigestError::Length {
        what,
        expected,
        found: text.chars().count(),
    }
}

/// `text` has two bytes for each byte of `into`.
fn read_hex(what: &'static str, text: &str, into: &mut [u8]) -> Result<(), DigestError> {
    if let Some(found) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(DigestError::Digit { what, found });
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    };
    for (byte, pair) in into.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Ok(())
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
