//! Values that go into the log and come out of it.

use bytes::Bytes;

/// A partition, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

/// A position in a partition. Later entries have greater ones; they need not begin at 0, and some may have no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

/// What an entry's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A record as its agent sent it.
    Record,
    /// A `v1::RejectedRecord`: what the collector refused.
    Rejected,
    /// What no collector wrote: found in a log that other programs can write to. It is read like any entry, so that it
    /// is counted and the partition goes on.
    Foreign(Foreign),
    /// A kind that a newer version wrote.
    Unknown(u8),
}

/// Why an entry is not a collector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Foreign {
    /// It has no key.
    NoKey,
    /// Its key is not an agent's id.
    WrongKey,
    /// Nothing says what kind of entry it is, or not in words that are understood.
    NoKind,
    /// It has no payload: a tombstone.
    NoPayload,
    /// Its payload is larger than the log takes.
    TooLarge,
    /// Its bytes do not verify however often they are fetched, or are compressed in a way that is not opened here: it
    /// stands for everything up to the next entry.
    Unreadable,
}

impl Foreign {
    const ALL: [Self; 6] = [
        Self::NoKey,
        Self::WrongKey,
        Self::NoKind,
        Self::NoPayload,
        Self::TooLarge,
        Self::Unreadable,
    ];

    /// What is wrong with it, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoKey => "no key",
            Self::WrongKey => "a key that is not an agent's id",
            Self::NoKind => "no header that says what kind of entry it is",
            Self::NoPayload => "no payload",
            Self::TooLarge => "a payload larger than the log takes",
            Self::Unreadable => {
                "bytes that do not verify, or that zstd hides: set compression.type=lz4 on the topic, and its broker changes what comes from now on"
            }
        }
    }

    /// Numbers of kinds from the top, so that a copy in segment files stays what it is.
    fn number(self) -> u8 {
        let at = Self::ALL.iter().position(|reason| *reason == self);
        u8::MAX - at.unwrap_or_default() as u8
    }
}

impl EntryKind {
    /// The number in the file.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Record => 0,
            Self::Rejected => 1,
            Self::Foreign(reason) => reason.number(),
            Self::Unknown(number) => number,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Record,
            1 => Self::Rejected,
            other => Foreign::ALL
                .into_iter()
                .find(|reason| reason.number() == other)
                .map_or(Self::Unknown(other), Self::Foreign),
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
    /// The entries. None where only offsets without an entry lie before `next`.
    pub entries: Vec<Entry>,
    /// Where to read on; where reading began at the end of the log.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_its_number() {
        for number in 0..=u8::MAX {
            assert_eq!(EntryKind::from_number(number).number(), number);
        }
        for reason in Foreign::ALL {
            let kind = EntryKind::Foreign(reason);
            assert_eq!(EntryKind::from_number(kind.number()), kind);
        }
    }
}
