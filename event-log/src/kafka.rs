//! The event log in a topic of Apache Kafka: for several servers, or where records have to be where an organisation's other
//! streams are.
//!
//! Durable means written by every broker in sync, at least as many as `min.insync.replicas` says. Offsets are Kafka's:
//! they may begin anywhere and have holes. Other programs may write to the topic; what they write is read as
//! [`EntryKind::Foreign`](crate::EntryKind::Foreign) and holds nobody up. Positions of consumers are offsets of consumer
//! groups, for people and tools; nothing depends on them.

mod address;
mod appender;
mod client;
mod kept_out;
mod options;
mod positions;
mod reader;
mod record;
mod topic;

use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

pub use self::address::{AddressError, KafkaAddress, Mechanism, Sasl, Tls};
pub use self::record::MAX_PAYLOAD_BYTES;
pub use self::topic::OnMissing;

use self::appender::Appender;
use self::client::Asker;
use self::positions::Positions;
use self::reader::Reader;
use self::topic::{Admin, prepare};
use crate::entry::{AppendReceipt, Bounds, NewEntry, Offset, PartitionId, ReadBatch};
use crate::error::LogError;
use crate::{EventLog, LogFuture};

/// An open topic. Connections for appending and for each partition's reading are made when they are first used.
pub struct KafkaLog {
    address: KafkaAddress,
    topic: Arc<str>,
    asker: Arc<Asker>,
    appender: OnceLock<Result<Appender, LogError>>,
    readers: Vec<Mutex<Option<Reader>>>,
    positions: Positions,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("address", &format_args!("{}", self.address))
            .field("partitions", &self.readers.len())
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Opens the topic at `address`: makes it with settings that keep what is acknowledged, or checks that it has them.
    ///
    /// # Errors
    ///
    /// [`LogError::Unavailable`] where no broker answers, which may pass; [`LogError::KeptOut`] and
    /// [`LogError::Configuration`] name the option to change; [`LogError::Unfit`] names each setting of the
    /// topic that does not fit, [`LogError::NoTopic`] where there is none and none is to be made.
    pub async fn open(address: &KafkaAddress, on_missing: OnMissing) -> Result<Self, LogError> {
        if address.tls.is_none() && !address.is_loopback() {
            tracing::warn!(%address, "records go to Kafka unencrypted: write kafkas:// for TLS");
        }
        let asker = Asker::connect(address)?;
        let partitions = prepare(address, &asker, on_missing).await?;
        Ok(Self {
            address: address.clone(),
            topic: address.topic.as_str().into(),
            asker,
            appender: OnceLock::new(),
            readers: (0..partitions).map(|_| Mutex::default()).collect(),
            positions: Positions::new(address),
        })
    }

    fn reader(&self, partition: PartitionId) -> Result<&Mutex<Option<Reader>>, LogError> {
        self.readers
            .get(partition.0 as usize)
            .ok_or(LogError::NoPartition(partition))
    }

    fn connected<'a>(
        &self,
        partition: PartitionId,
        reader: &'a mut Option<Reader>,
    ) -> Result<&'a mut Reader, LogError> {
        match reader {
            Some(reader) => Ok(reader),
            None => {
                let connected = Reader::connect(&self.address, &self.topic, partition)?;
                Ok(reader.insert(connected))
            }
        }
    }
}

impl EventLog for KafkaLog {
    fn partitions(&self) -> u32 {
        self.readers.len() as u32
    }

    fn append(
        &self,
        partition: PartitionId,
        entries: Vec<NewEntry>,
    ) -> LogFuture<'_, AppendReceipt> {
        Box::pin(async move {
            self.reader(partition)?;
            if entries.is_empty() {
                let end = self.bounds(partition).await?.end;
                return Ok(AppendReceipt {
                    first: end,
                    next: end,
                });
            }
            let appender = self.appender.get_or_init(|| Appender::start(&self.address));
            let appender = appender.as_ref().map_err(LogError::clone)?;
            appender.append(partition, entries).await
        })
    }

    fn read(
        &self,
        partition: PartitionId,
        from: Offset,
        max_bytes: usize,
    ) -> LogFuture<'_, ReadBatch> {
        Box::pin(async move {
            let mut reader = self.reader(partition)?.lock().await;
            let reader = self.connected(partition, &mut reader)?;
            reader.read(&self.asker, from, max_bytes).await
        })
    }

    fn wait_beyond(&self, partition: PartitionId, offset: Offset) -> LogFuture<'_, ()> {
        Box::pin(async move {
            loop {
                // Let go between two slices: the lock is fair, so whoever wants to read gets a turn.
                let mut reader = self.reader(partition)?.lock().await;
                let reader = self.connected(partition, &mut reader)?;
                if reader.wait_a_slice(offset).await? {
                    return Ok(());
                }
            }
        })
    }

    fn bounds(&self, partition: PartitionId) -> LogFuture<'_, Bounds> {
        Box::pin(async move {
            self.reader(partition)?;
            self.asker.bounds(&self.topic, partition).await
        })
    }

    fn trim(&self, partition: PartitionId, before: Offset) -> LogFuture<'_, Bounds> {
        Box::pin(async move {
            let bounds = self.bounds(partition).await?;
            let before = before.min(bounds.end);
            if before <= bounds.start {
                return Ok(bounds);
            }
            let admin = Admin::connect(&self.address)?;
            let number = partition.0 as i32;
            match admin.delete_before(&self.topic, number, before.0).await {
                Ok(()) => {}
                // Then Kafka's own retention decides, as the topic says.
                Err(error @ LogError::Refused { .. }) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::info!(
                        cause,
                        "Kafka does not let us delete records; its own retention will"
                    );
                    return Ok(bounds);
                }
                Err(error) => return Err(error),
            }
            self.bounds(partition).await
        })
    }

    fn position(&self, consumer: &str, partition: PartitionId) -> LogFuture<'_, Option<Offset>> {
        let consumer = consumer.to_owned();
        Box::pin(async move {
            self.reader(partition)?;
            self.positions.get(&consumer, partition).await
        })
    }

    fn store_position(
        &self,
        consumer: &str,
        partition: PartitionId,
        next: Offset,
    ) -> LogFuture<'_, ()> {
        let consumer = consumer.to_owned();
        Box::pin(async move {
            self.reader(partition)?;
            self.positions.store(&consumer, partition, next).await
        })
    }
}
