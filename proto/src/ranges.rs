//! Sets of sequences as sorted ranges: small while agents deliver in order, whatever their number.
//!
//! It must not know what a sequence stands for.

/// Sequences, kept as ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// First and last of each range, both inclusive, in order.
    ranges: Vec<(u64, u64)>,
}

impl RangeSet {
    /// Adds one sequence. False where it was there.
    #[inline]
    pub fn insert(&mut self, sequence: u64) -> bool {
        // Nearly always the next one of the last range.
        if let Some((_, last)) = self.ranges.last_mut()
            && last.checked_add(1) == Some(sequence)
        {
            *last = sequence;
            return true;
        }
        self.insert_range(sequence, sequence) == 1
    }

    /// Adds `first` to `last`, both inclusive; nothing where `last` is less. Returns how many were not there.
    pub fn insert_range(&mut self, first: u64, last: u64) -> u64 {
        if last < first {
            return 0;
        }
        // Ranges that overlap or touch the new one become part of it.
        let begin = self
            .ranges
            .partition_point(|(_, held_last)| held_last.saturating_add(1) < first);
        let end = self
            .ranges
            .partition_point(|(held_first, _)| *held_first <= last.saturating_add(1));
        let (mut new_first, mut new_last) = (first, last);
        let mut held = 0;
        for (held_first, held_last) in &self.ranges[begin..end] {
            new_first = new_first.min(*held_first);
            new_last = new_last.max(*held_last);
            let (from, to) = ((*held_first).max(first), (*held_last).min(last));
            if from <= to {
                held += to - from + 1;
            }
        }
        self.ranges.splice(begin..end, [(new_first, new_last)]);
        (last - first + 1) - held
    }

    /// True where `sequence` is in the set.
    #[must_use]
    #[inline]
    pub fn contains(&self, sequence: u64) -> bool {
        let at = self.ranges.partition_point(|(_, last)| *last < sequence);
        self.ranges
            .get(at)
            .is_some_and(|(first, _)| *first <= sequence)
    }

    /// The first sequence from `from` on that is not in the set.
    #[must_use]
    pub fn first_missing(&self, from: u64) -> u64 {
        let at = self.ranges.partition_point(|(_, last)| *last < from);
        match self.ranges.get(at) {
            Some((first, last)) if *first <= from => last.saturating_add(1),
            _ => from,
        }
    }

    /// How many sequences there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum()
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The highest sequence.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.ranges.last().map(|(_, last)| *last)
    }

    /// The ranges, first and last inclusive, in order.
    #[must_use]
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Forgets the range at `index` of [`RangeSet::ranges`], where there is one: how an owner bounds a set.
    pub fn forget(&mut self, index: usize) {
        if index < self.ranges.len() {
            self.ranges.remove(index);
        }
    }

    /// Everything that is in this set or in `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (first, last) in &other.ranges {
            both.insert_range(*first, *last);
        }
        both
    }
}

impl FromIterator<(u64, u64)> for RangeSet {
    fn from_iter<T: IntoIterator<Item = (u64, u64)>>(ranges: T) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::RangeSet;

    #[test]
    fn a_range_set_holds_what_a_plain_set_holds() {
        let (mut ranges, mut plain) = (RangeSet::default(), BTreeSet::new());
        let mut state = 1_u64;
        for _ in 0..2_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let first = 1 + (state >> 33) % 300;
            let last = first + (state >> 20) % 4;
            let added = (first..=last).filter(|one| plain.insert(*one)).count();
            assert_eq!(ranges.insert_range(first, last), added as u64);
            assert_eq!(ranges.len(), plain.len() as u64);
            for one in 0..=310 {
                assert_eq!(ranges.contains(one), plain.contains(&one));
            }
            let touching = ranges
                .ranges()
                .windows(2)
                .any(|pair| pair[0].1 + 1 >= pair[1].0);
            assert!(!touching, "ranges neither overlap nor touch");
            let missing = (first..).find(|one| !plain.contains(one));
            assert_eq!(Some(ranges.first_missing(first)), missing);
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_held() {
        let mut ranges = RangeSet::default();
        assert!(ranges.insert(u64::MAX));
        assert!(!ranges.insert(u64::MAX));
        assert!(ranges.insert(0));
        assert_eq!(ranges.len(), 2);
        assert_eq!(ranges.insert_range(5, 4), 0);
    }
}
