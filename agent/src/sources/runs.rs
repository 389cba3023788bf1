//! Memory of a text log while it is read: which identical line this is, and which start an exit belongs to.
//!
//! Both are bounded, so that a log of any size needs no more.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use epm_proto::ids::SourceKey;

/// Stamps whose lines are remembered: lines of one stamp stand close together, and parallel runs interleave a few.
const RECENT_STAMPS: usize = 32;
/// Distinct lines remembered for one stamp. Beyond it identical lines of that second count once.
const LINES_PER_STAMP: usize = 4_096;
/// Starts that wait for their exit. An exit whose start is older counts as one without a start.
const OPEN_STARTS: usize = 65_536;

/// A start that an exit may belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) source_key: SourceKey,
    pub(crate) observed_at_us: i64,
    /// Whether the start was stored, so that its exit has something to add to.
    pub(crate) is_stored: bool,
}

/// Counts identical lines of one stamp.
#[derive(Debug, Default)]
pub(crate) struct Occurrences {
    stamps: VecDeque<(u64, HashMap<u64, u64>)>,
}

impl Occurrences {
    /// How many lines like this one, with the same stamp, were seen before it.
    pub(crate) fn next(&mut self, stamp: &[u8], line: &[&[u8]]) -> u64 {
        let stamp = hash(&[stamp]);
        let line = hash(line);
        let known = self.stamps.iter().rposition(|(known, _)| *known == stamp);
        let at = known.unwrap_or_else(|| {
            if self.stamps.len() == RECENT_STAMPS {
                self.stamps.pop_front();
            }
            self.stamps.push_back((stamp, HashMap::new()));
            self.stamps.len() - 1
        });
        let counts = &mut self.stamps[at].1;
        match counts.get_mut(&line) {
            Some(count) => {
                *count += 1;
                *count - 1
            }
            None => {
                if counts.len() < LINES_PER_STAMP {
                    counts.insert(line, 1);
                }
                0
            }
        }
    }
}

/// Joins exits to their starts by what both lines say.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    open: HashMap<u64, VecDeque<(u64, Start)>>,
    // Every open start in order of arrival; those already joined are passed over when it is their turn to go.
    order: VecDeque<(u64, u64)>,
    arrivals: u64,
}

impl Starts {
    /// Remembers the start that `parts` describe.
    pub(crate) fn open(&mut self, parts: &[&[u8]], start: Start) {
        let key = hash(parts);
        self.arrivals += 1;
        if self.order.len() == OPEN_STARTS
            && let Some((oldest, arrival)) = self.order.pop_front()
            && let Some(waiting) = self.open.get_mut(&oldest)
        {
            if waiting.front().is_some_and(|(first, _)| *first == arrival) {
                waiting.pop_front();
            }
            if waiting.is_empty() {
                self.open.remove(&oldest);
            }
        }
        self.order.push_back((key, self.arrivals));
        self.open
            .entry(key)
            .or_default()
            .push_back((self.arrivals, start));
    }

    /// The oldest start that `parts` describe and that no exit was joined to.
    pub(crate) fn close(&mut self, parts: &[&[u8]]) -> Option<Start> {
        let key = hash(parts);
        let waiting = self.open.get_mut(&key)?;
        let start = waiting.pop_front().map(|(_, start)| start);
        if waiting.is_empty() {
            self.open.remove(&key);
        }
        start
    }
}

fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(number: u8) -> Start {
        Start {
            source_key: SourceKey([number; 16]),
            observed_at_us: i64::from(number),
            is_stored: true,
        }
    }

    #[test]
    fn identical_lines_of_one_stamp_are_numbered() {
        let mut seen = Occurrences::default();
        assert_eq!(seen.next(b"1", &[b"a"]), 0);
        assert_eq!(seen.next(b"1", &[b"a"]), 1);
        assert_eq!(seen.next(b"1", &[b"b"]), 0);
        assert_eq!(seen.next(b"2", &[b"a"]), 0);
        assert_eq!(seen.next(b"1", &[b"a"]), 2);
    }

    #[test]
    fn many_lines_and_stamps_stay_within_their_bounds() {
        let mut seen = Occurrences::default();
        for line in 0..2 * LINES_PER_STAMP as u64 {
            seen.next(b"1", &[&line.to_le_bytes()]);
        }
        assert_eq!(seen.stamps[0].1.len(), LINES_PER_STAMP);
        for stamp in 0..2 * RECENT_STAMPS as u64 {
            seen.next(&stamp.to_le_bytes(), &[b"a"]);
        }
        assert_eq!(seen.stamps.len(), RECENT_STAMPS);
    }

    #[test]
    fn exits_join_the_oldest_start_that_says_the_same() {
        let mut starts = Starts::default();
        starts.open(&[b"a"], start(1));
        starts.open(&[b"a"], start(2));
        starts.open(&[b"b"], start(3));
        assert_eq!(starts.close(&[b"a"]), Some(start(1)));
        assert_eq!(starts.close(&[b"b"]), Some(start(3)));
        assert_eq!(starts.close(&[b"a"]), Some(start(2)));
        assert_eq!(starts.close(&[b"a"]), None);
    }

    #[test]
    fn starts_without_exit_make_room() {
        let mut starts = Starts::default();
        for number in 0..OPEN_STARTS as u64 + 10 {
            starts.open(&[&number.to_le_bytes()], start(0));
        }
        assert_eq!(starts.open.len(), OPEN_STARTS);
        assert_eq!(starts.order.len(), OPEN_STARTS);
        assert_eq!(starts.close(&[&9_u64.to_le_bytes()]), None);
        assert!(starts.close(&[&10_u64.to_le_bytes()]).is_some());
    }
}
