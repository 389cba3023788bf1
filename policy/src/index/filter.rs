//! Which keys are certainly not there, told from few bytes: a launch asks for dozens of keys that no rule lies under, and the
//! buckets of many rules do not fit the processor's caches.

/// Bits for each key: with one bit set for each, one key in sixteen that is not there is looked for.
const BITS_PER_KEY: usize = 16;

/// A set of numbers that may say yes to one that is not in it, and never no to one that is.
#[derive(Debug)]
pub(super) struct Filter {
    /// A power of two of words.
    words: Box<[u64]>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::of(std::iter::empty(), 0)
    }
}

impl Filter {
    /// Of so many numbers.
    pub(super) fn of(numbers: impl Iterator<Item = u64>, count: usize) -> Self {
        let words = (count * BITS_PER_KEY / 64 + 1).next_power_of_two();
        let mut filter = Self {
            words: vec![0; words].into(),
        };
        for number in numbers {
            let (word, bit) = filter.place(number);
            filter.words[word] |= bit;
        }
        filter
    }

    pub(super) fn may_have(&self, number: u64) -> bool {
        let (word, bit) = self.place(number);
        self.words[word] & bit != 0
    }

    fn place(&self, number: u64) -> (usize, u64) {
        // The hash map takes the number's ends; the middle is as good.
        let middle = usize::try_from(number >> 24 & u64::from(u32::MAX)).unwrap_or(0);
        (middle >> 6 & (self.words.len() - 1), 1 << (middle & 63))
    }
}
