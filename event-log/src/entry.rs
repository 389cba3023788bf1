//! Values that go into the log and come out of it.

use bytes::Bytes;

/// A partition, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// A position in a partition, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

/// What an entry's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A record as its agent sent it.
    Record,
    /// A `v1::RejectedRecord`: what the collector refused.
    Rejected,
    /// A kind that a newer version wrote.
    Unknown(u8),
}

impl EntryKind {
    /// The number in the file.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Record => 0,
            Self::Rejected => 1,
            Self::Unknown(number) => number,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Record,
            1 => Self::Rejected,
            other => Self::Unknown(other),
        }
    }
}

/// An entry to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What the payload is.
    pub kind: EntryKind,
    /// Server wall clock when it was received, milliseconds since 1970.
    pub received_at_ms: i64,
    /// The agent's id: entries of one key stay in order.
    pub key: [u8; 16],
    /// Bytes as sent.
    pub payload: Bytes,
}

/// An entry read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub offset: Offset,
    /// What the payload is.
    pub kind: EntryKind,
    /// Server wall clock when it was received, milliseconds since 1970.
    pub received_at_ms: i64,
    /// The agent's id.
    pub key: [u8; 16],
    /// Bytes as sent.
    pub payload: Bytes,
}

/// Where appended entries stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendReceipt {
    /// Offset of the first.
    pub first: Offset,
    /// Offset after the last.
    pub next: Offset,
}

/// Entries read, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where to read on.
    pub next: Offset,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that is kept.
    pub start: Offset,
    /// Offset after the last durable entry.
    pub end: Offset,
}
