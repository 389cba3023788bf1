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
    /// Retry later: Kafka does not answer, or cannot do it just now.
    #[error("Kafka is not available for {doing}")]
    Unavailable {
        /// What it was asked for.
        doing: &'static str,
        /// Its words.
        #[source]
        cause: Arc<BrokerError>,
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
    /// Stop: Kafka refuses for a reason that does not pass by itself: rights, a topic that is gone, a producer that was
    /// fenced.
    #[error("Kafka refuses {doing}")]
    Refused {
        /// What it was asked for.
        doing: &'static str,
        /// Its words.
        #[source]
        cause: Arc<BrokerError>,
    },
    /// Stop: the broker and we do not let each other in, which does not pass by itself.
    #[error("Kafka does not let us in: {remedy}")]
    KeptOut {
        /// What is not accepted, and the option to change.
        remedy: String,
        /// Its words.
        #[source]
        cause: Arc<BrokerError>,
    },
    /// Stop: the topic is not there, and this use of it does not make it.
    #[error(
        "there is no topic {topic}: start the collector first, which makes it, or make it yourself"
    )]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Stop: the topic is not one that keeps what is acknowledged.
    #[error("topic {topic} cannot be the event log: {misfits}")]
    Unfit {
        /// The topic.
        topic: String,
        /// Each setting with its value, what is needed and how to change it.
        misfits: String,
    },
    /// Stop: a file or setting of the connection cannot be used.
    #[error("Kafka cannot be used as configured: {0}")]
    Configuration(String),
    /// Stop: the log ends before a position that was read from it: it was made anew, or lost what it had confirmed.
    #[error(
        "partition {partition:?} ends at {end:?}, before {asked:?}, which was read from it: the topic was made anew or lost records. Restore it, or run `epm rebuild` to fold what there is"
    )]
    Shortened {
        /// Where.
        partition: PartitionId,
        /// What was asked for.
        asked: Offset,
        /// What there is.
        end: Offset,
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

/// What Kafka, or the library that speaks to it, said.
#[derive(Debug, thiserror::Error)]
pub struct BrokerError {
    pub(crate) kafka: rdkafka::error::KafkaError,
    /// What the connection said last, where that is more than the error knows.
    pub(crate) connection: Option<String>,
}

impl std::fmt::Display for BrokerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kafka)?;
        match &self.connection {
            Some(connection) => write!(f, " ({connection})"),
            None => Ok(()),
        }
    }
}

impl LogError {
    /// True where the same call may succeed later without anybody starting the log again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Unavailable { .. })
    }

    pub(crate) fn io(path: impl Into<PathBuf>, cause: std::io::Error) -> Self {
        Self::Io {
            path: path.into(),
            cause: Arc::new(cause),
        }
    }
}
