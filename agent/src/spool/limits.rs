//! How a spool is bounded, and how it refuses. No behaviour here.

use std::io;
use std::time::Duration;

use crate::disk::is_full;

/// Bytes of records that wait on a device before the least important make room: weeks of a busy device without a
/// network, and little beside any disk.
pub const DEFAULT_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Age at which records that were never delivered are given up.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Bytes of one segment file: small enough that rewriting one to make room is quick.
pub const DEFAULT_SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Observations of one commit; more come in several.
pub const MAX_COMMIT_OBSERVATIONS: usize = 8192;

/// What happens when the spool has its full size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The least important records make room and are counted as lost: a live source cannot wait.
    #[default]
    Evict,
    /// Nothing more is taken until there is room: an imported file can wait.
    Refuse,
}

/// Limits of a spool.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// Bytes of segment files.
    pub max_bytes: u64,
    /// Age of a segment at which it is given up.
    pub max_age: Duration,
    /// Bytes at which a segment is closed.
    pub segment_bytes: u64,
    /// What happens at `max_bytes`.
    pub when_full: WhenFull,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            max_bytes: DEFAULT_MAX_BYTES,
            max_age: DEFAULT_MAX_AGE,
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            when_full: WhenFull::default(),
        }
    }
}

/// Why nothing was spooled.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// No room on the disk. Passes when there is; try again.
    #[error("the disk is full; nothing was recorded")]
    DiskFull(#[source] io::Error),
    /// The spool has its full size and may not evict. Passes when records are delivered; try again.
    #[error("the spool holds {bytes} bytes and its limit is {limit}; nothing was recorded")]
    Full {
        /// Bytes that it holds.
        bytes: u64,
        /// Bytes that it may hold.
        limit: u64,
    },
    /// More observations than one commit takes.
    #[error("{given} observations at once; the limit is {MAX_COMMIT_OBSERVATIONS}")]
    TooMany {
        /// Observations given.
        given: usize,
    },
    /// The disk failed. Whatever was written is cut away before the next commit.
    #[error("the spool cannot be written")]
    Io(#[source] io::Error),
}

impl SpoolError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooMany { .. })
    }
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        match is_full(&error) {
            true => Self::DiskFull(error),
            false => Self::Io(error),
        }
    }
}
