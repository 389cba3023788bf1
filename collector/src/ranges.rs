//! A bounded set of sequences. It may forget what it was told; it must never claim what it was not.

use epm_proto::ranges;

/// Ranges that one set keeps. An agent has one range, or a few around records that it evicted; a hole in every second
/// place of the largest batch still fits.
pub(crate) const MAX_RANGES: usize = 4096;

/// Sequences, as ranges in order that neither overlap nor touch. Both ends are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    held: ranges::RangeSet,
}

impl RangeSet {
    /// Adds one sequence; true where it was not there.
    pub(crate) fn insert(&mut self, sequence: u64) -> bool {
        let is_new = self.held.insert(sequence);
        self.bound();
        is_new
    }

    /// Adds `first` to `last`, and joins what touches them.
    pub(crate) fn insert_range(&mut self, first: u64, last: u64) {
        self.held.insert_range(first, last);
        self.bound();
    }

    fn bound(&mut self) {
        let ranges = self.held.ranges();
        if ranges.len() > MAX_RANGES {
            // The oldest island goes: its records were acknowledged longest ago. The run from the start stays, because
            // it is what the agent is told first.
            let oldest = usize::from(ranges[0].0 <= 1);
            self.held.forget(oldest);
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (first, last) in other.held.ranges() {
            self.insert_range(*first, *last);
        }
    }

    /// Every sequence from 1 to below this one is in the set; 0 where not even the first is.
    pub(crate) fn durable_before(&self) -> u64 {
        match self.held.ranges().first() {
            Some((0 | 1, last)) => last.saturating_add(1),
            _ => 0,
        }
    }

    /// The newest `limit` ranges that end at or beyond `from`, in order.
    pub(crate) fn beyond(&self, from: u64, limit: usize) -> impl Iterator<Item = (u64, u64)> + '_ {
        let ranges = self.held.ranges();
        let start = ranges.partition_point(|range| range.1 < from);
        let start = start.max(ranges.len().saturating_sub(limit));
        ranges[start..].iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl RangeSet {
        fn ranges(&self) -> &[(u64, u64)] {
            self.held.ranges()
        }

        fn contains(&self, sequence: u64) -> bool {
            self.held.contains(sequence)
        }
    }

    fn set(sequences: &[u64]) -> RangeSet {
        let mut set = RangeSet::default();
        for sequence in sequences {
            set.insert(*sequence);
        }
        set
    }

    #[test]
    fn sequences_in_any_order_join_into_the_same_ranges() {
        assert_eq!(set(&[5, 1, 3, 2, 9, 4]).ranges(), [(1, 5), (9, 9)]);
        assert_eq!(set(&[1, 2, 3, 4, 5, 9]), set(&[9, 5, 4, 3, 2, 1]));
    }

    #[test]
    fn a_sequence_is_new_once() {
        let mut set = set(&[1, 2, 7]);
        assert!(!set.insert(2));
        assert!(!set.insert(7));
        assert!(set.insert(6));
        assert!(!set.insert(6));
        assert_eq!(set.durable_before(), 3);
    }

    #[test]
    fn without_the_first_sequence_nothing_is_claimed_from_the_start() {
        let set = set(&[500, 501]);
        assert_eq!(set.durable_before(), 0);
        assert_eq!(set.beyond(0, 10).collect::<Vec<_>>(), [(500, 501)]);
    }

    #[test]
    fn a_range_swallows_what_it_covers() {
        let mut set = set(&[1, 5, 7, 20]);
        set.insert_range(4, 8);
        assert_eq!(set.ranges(), [(1, 1), (4, 8), (20, 20)]);
        assert!(set.contains(6) && !set.contains(3) && !set.contains(9));
    }

    #[test]
    fn a_full_set_forgets_its_oldest_island_and_keeps_the_start() {
        let mut set = set(&[1]);
        for island in 0..MAX_RANGES as u64 {
            set.insert(10 + 2 * island);
        }
        assert_eq!(set.ranges().len(), MAX_RANGES);
        assert!(set.contains(1) && !set.contains(10) && set.contains(12));
    }

    #[test]
    fn the_largest_sequence_does_not_overflow() {
        let mut set = set(&[u64::MAX - 1, u64::MAX]);
        assert!(!set.insert(u64::MAX));
        assert!(set.insert(1));
        set.insert_range(1, u64::MAX);
        assert_eq!(set.durable_before(), u64::MAX);
    }
}
