//! Reproducible chance: every draw of the fleet comes from a generator that is keyed by what it decides.
//!
//! It must not read a clock or the system's entropy, and it keeps to integer arithmetic and products of floats, so
//! that a seed gives the same fleet on every machine.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A stream of draws, the same for the same key.
#[derive(Debug)]
pub(super) struct Draw(ChaCha8Rng);

/// SHA-256 over length-prefixed parts: distinct lists of parts have distinct digests.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A UUID in text made from a digest, for ids that other systems would have minted.
pub(super) fn uuid_text(parts: &[&[u8]]) -> String {
    let full = digest(parts);
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&full[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
}

impl Draw {
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        Self(ChaCha8Rng::from_seed(digest(parts)))
    }

    /// A whole number below `limit`; 0 when `limit` is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 {
            0
        } else {
            self.0.random_range(0..limit)
        }
    }

    /// A number from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of `items`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// The position of one weight, chosen in proportion; 0 when all are zero.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut left = self.below(total);
        for (position, &weight) in weights.iter().enumerate() {
            if left < u64::from(weight) {
                return position;
            }
            left -= u64::from(weight);
        }
        0
    }

    /// A count whose mean is `mean`, spread from 0.4 to 1.6 of it.
    pub(super) fn count(&mut self, mean: f64) -> u64 {
        let wanted = mean * (0.4 + 1.2 * self.unit());
        let whole = wanted as u64;
        whole + u64::from(self.chance(wanted - whole as f64))
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
