//! The joint between collector and processor: a durable, ordered, partitioned log of bytes.
//!
//! [`EventLog`] is the contract; [`embedded`] keeps it in segment files on a local disk, [`kafka`] in a topic of Apache
//! Kafka. The log must not look into a payload, and must not know a stage.

pub mod contract;
pub mod disk;
pub mod embedded;
pub mod entry;
pub mod error;
pub mod kafka;

use std::future::Future;
use std::pin::Pin;

pub use embedded::{EmbeddedConfig, EmbeddedLog, OnDamage};
pub use entry::{
    AppendReceipt, Bounds, Entry, EntryKind, Foreign, NewEntry, Offset, PartitionId, ReadBatch,
};
pub use error::LogError;
pub use kafka::{AddressError, KafkaAddress, KafkaLog, OnMissing};

/// What every method of the log returns: the log is used behind `Arc<dyn EventLog>`.
pub type LogFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// The event log. Offsets of a partition grow with each entry; an entry never changes. Where reading begins is
/// [`Bounds::start`], and where it goes on is [`ReadBatch::next`]: nobody may count on 0, or on offsets without holes.
pub trait EventLog: Send + Sync + 'static {
    /// How many partitions there are. Fixed for the life of the log.
    fn partitions(&self) -> u32;

    /// The partition of a key: the same for every process, for ever.
    fn partition_for(&self, key: &[u8; 16]) -> PartitionId {
        PartitionId(crc32c::crc32c(key) % self.partitions().max(1))
    }

    /// Appends `entries` in order, without another append of this value between them. Resolves only when they are
    /// durable; on an error none of them may be acknowledged, though some may be found in the log later. Appends of one
    /// caller to one partition stand there in the order in which they were first polled.
    ///
    /// # Errors
    ///
    /// [`LogError`] says whether to retry, refuse or stop.
    fn append(
        &self,
        partition: PartitionId,
        entries: Vec<NewEntry>,
    ) -> LogFuture<'_, AppendReceipt>;

    /// Entries from `from` on that are durable now: at least one where there is one, then as many as fit `max_bytes`.
    /// Empty at the end of the log, and then [`ReadBatch::next`] is `from`, or lies beyond offsets without an entry.
    ///
    /// # Errors
    ///
    /// [`LogError::Trimmed`] below the start, [`LogError::Damaged`] where the bytes do not verify.
    fn read(
        &self,
        partition: PartitionId,
        from: Offset,
        max_bytes: usize,
    ) -> LogFuture<'_, ReadBatch>;

    /// Resolves when reading at `offset` returns something: an entry, or that it was trimmed.
    ///
    /// # Errors
    ///
    /// Where the log was closed or cannot be read.
    fn wait_beyond(&self, partition: PartitionId, offset: Offset) -> LogFuture<'_, ()>;

    /// First offset that is kept, and the durable end.
    ///
    /// # Errors
    ///
    /// Where the partition does not exist.
    fn bounds(&self, partition: PartitionId) -> LogFuture<'_, Bounds>;

    /// Allows entries below `before` to go. What goes, and when, is the log's choice; nothing at or above does. A log with
    /// retention of its own may let entries go without this.
    ///
    /// # Errors
    ///
    /// Where the log was opened for reading only.
    fn trim(&self, partition: PartitionId, before: Offset) -> LogFuture<'_, Bounds>;

    /// Where `consumer` goes on in `partition`, as last stored.
    ///
    /// # Errors
    ///
    /// Where the position cannot be read.
    fn position(&self, consumer: &str, partition: PartitionId) -> LogFuture<'_, Option<Offset>>;

    /// Stores where `consumer` goes on. Durable when it resolves.
    ///
    /// # Errors
    ///
    /// Where it cannot be made durable.
    fn store_position(
        &self,
        consumer: &str,
        partition: PartitionId,
        next: Offset,
    ) -> LogFuture<'_, ()>;
}
