//! A reader of protobuf's wire format over borrowed bytes. It must not allocate, and must not know a message.

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A number takes more than ten bytes.
    #[error("a varint is longer than ten bytes")]
    VarintTooLong,
    /// Field number zero, or one above the format's largest.
    #[error("field number {0} does not exist")]
    FieldNumber(u64),
    /// A wire type that proto3 does not have.
    #[error("wire type {0} is not one of proto3")]
    WireType(u8),
    /// A field of another wire type than its definition has.
    #[error("field {0} has another wire type than its definition")]
    Mismatch(u32),
    /// Text that is not UTF-8.
    #[error("field {0} is not UTF-8")]
    Utf8(u32),
}

/// Largest field number of the format.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;
/// A varint of 64 bits needs at most ten bytes.
const MAX_VARINT_BYTES: usize = 10;

/// The value of one field as the wire holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Value<'a> {
    pub(crate) fn varint(self, field: u32) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(WireError::Mismatch(field)),
        }
    }

    pub(crate) fn bytes(self, field: u32) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(value) => Ok(value),
            _ => Err(WireError::Mismatch(field)),
        }
    }

    pub(crate) fn text(self, field: u32) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| WireError::Utf8(field))
    }
}

/// The number that zigzag encoding stands for.
pub(crate) fn zigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// The fields of one message, in the order of its bytes.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field, or `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(WireError::FieldNumber(number));
        }
        let value = match (key & 7) as u8 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed64)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            other => return Err(WireError::WireType(other)),
        };
        Ok(Some((number as u32, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(MAX_VARINT_BYTES) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                // The tenth byte holds the last bit only.
                if index == MAX_VARINT_BYTES - 1 && *byte > 1 {
                    return Err(WireError::VarintTooLong);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() < MAX_VARINT_BYTES {
            Err(WireError::Truncated)
        } else {
            Err(WireError::VarintTooLong)
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        if length > self.rest.len() {
            return Err(WireError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }
}
