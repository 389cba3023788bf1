//! What can go wrong with the log, by what the caller should do about it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::entry::{Offset, PartitionId};

/// Why the log did not do what it was asked. Nothing that an error was returned for was acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// Retry later: there is no room for another segment.
    #[error("no room for another segment in {path}: free space there, or move the data folder")]
    Full {
        /// Where.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: Arc<std::io::Error>,
    },
    /// Refuse: the entry can never be appended.
    #[error("an entry of {bytes} bytes is larger than the log's limit of {limit}")]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// Refuse: there is no such partition.
    #[error("partition {0:?} does not exist")]
    NoPartition(PartitionId),
    /// Refuse: the position was trimmed away.
    #[error("offset {asked:?} was trimmed by retention: the log starts at {start:?}")]
    Trimmed {
        /// What was asked for.
        asked: Offset,
        /// What there is.
        start: Offset,
    },
    /// Stop: bytes that were durable do not verify.
    #[error(
        "partition {partition:?} is damaged at offset {at:?}: restore {path} from a backup, or start once with skipping of damaged records allowed, which counts them as lost"
    )]
    Damaged {
        /// Where.
        partition: PartitionId,
        /// First offset that cannot be read.
        at: Offset,
        /// The file.
        path: PathBuf,
    },
    /// Stop: an earlier write or sync failed, and what is on the disk is unknown until the log is opened again.
    #[error("the log stopped after a failed write: start again once the disk is healthy")]
    Stopped(#[source] Arc<std::io::Error>),
    /// Stop: another process has the log open.
    #[error("{path} is in use by another process: stop it, or name another data folder")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Stop: the folder holds something else.
    #[error("{path} is not a log that this version reads: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Refuse: opened for reading.
    #[error("the log is open for reading only")]
    ReadOnly,
    /// Stop: the log was closed.
    #[error("the log is closed")]
    Closed,
    /// Stop: the system failed.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: Arc<std::io::Error>,
    },
}

impl LogError {
    /// True where the same call may succeed later without anybody starting the log again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    pub(crate) fn io(path: impl Into<PathBuf>, cause: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            cause: Arc::new(cause),
        }
    }
}
