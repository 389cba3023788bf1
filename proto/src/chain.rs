//! The hash that chains a record to the one before it. It must not know what a record says.

use sha2::{Digest, Sha256};

/// Bytes of a link.
pub const HASH_BYTES: usize = 32;

/// SHA-256 of a record as encoded: the next record of the epoch carries it as `previous_hash`.
#[must_use]
pub fn record_hash(record: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(record).into()
}
