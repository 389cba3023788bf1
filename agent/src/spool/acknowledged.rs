//! Which sequences of an epoch need no sending any more, and the file that remembers it between runs.
//!
//! Losing the file costs records sent twice, never a record, so it is written now and then. It is checked before it is
//! believed: a damaged file that claimed too much would lose records.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Sequences that are durable at the collector, finally rejected, or known to be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    before: u64,
    // First to last, both inclusive, apart from each other and from `before`.
    ranges: BTreeMap<u64, u64>,
}

impl Acknowledged {
    /// Every sequence below this one is acknowledged.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Whether `sequence` is.
    #[must_use]
    pub fn contains(&self, sequence: u64) -> bool {
        sequence < self.before
            || self
                .ranges
                .range(..=sequence)
                .next_back()
                .is_some_and(|(_, last)| sequence <= *last)
    }

    /// Acknowledges every sequence below `before`.
    pub fn raise(&mut self, before: u64) {
        if before > self.before {
            self.before = before;
        }
        while let Some((first, last)) = self.ranges.first_key_value().map(|(a, b)| (*a, *b)) {
            if first > self.before {
                break;
            }
            self.before = self.before.max(last.saturating_add(1));
            self.ranges.remove(&first);
        }
    }

    /// Acknowledges `first` to `last`, both inclusive.
    pub fn add(&mut self, first: u64, last: u64) {
        if first > last || last < self.before {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Everything that overlaps or touches becomes one range.
        while let Some((a, b)) = self
            .ranges
            .range(..=last.saturating_add(1))
            .next_back()
            .map(|(a, b)| (*a, *b))
            .filter(|(_, b)| b.saturating_add(1) >= first)
        {
            first = first.min(a);
            last = last.max(b);
            self.ranges.remove(&a);
        }
        self.ranges.insert(first, last);
        self.raise(self.before);
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    epoch: u64,
    before: u64,
    ranges: Vec<(u64, u64)>,
}

/// The file's content for these epochs: a checksum, then JSON.
#[must_use]
pub fn encode<'a>(epochs: impl Iterator<Item = (u64, &'a Acknowledged)>) -> Vec<u8> {
    let stored: Vec<Stored> = epochs
        .map(|(epoch, acknowledged)| Stored {
            epoch,
            before: acknowledged.before,
            ranges: acknowledged.ranges.iter().map(|(a, b)| (*a, *b)).collect(),
        })
        .collect();
    let json = serde_json::to_string(&stored).unwrap_or_default();
    format!("{:08x}\n{json}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
}

/// What the file at `path` says; `None` where it is absent or damaged.
#[must_use]
pub fn load(path: &Path) -> Option<BTreeMap<u64, Acknowledged>> {
    let text = std::fs::read_to_string(path).ok()?;
    let (checksum, json) = text.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    if checksum != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
        return None;
    }
    let stored: Vec<Stored> = serde_json::from_str(json).ok()?;
    let mut epochs = BTreeMap::new();
    for part in stored {
        let mut acknowledged = Acknowledged::default();
        acknowledged.raise(part.before);
        for (first, last) in part.ranges {
            acknowledged.add(first, last);
        }
        epochs.insert(part.epoch, acknowledged);
    }
    Some(epochs)
}
