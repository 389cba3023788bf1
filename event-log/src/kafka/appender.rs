//! Appends to a topic: one task hands every append to one idempotent producer, whole and in order, and the producer's
//! reports answer them. It must not answer before every entry of an append is on as many brokers as the topic demands.
//!
//! The producer never gives up on an entry: while brokers are away it holds what it was given and tries again, so the
//! order of a partition stands whatever happens. An append then resolves late, and never with "perhaps".

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::{mpsc, oneshot};

use super::address::KafkaAddress;
use super::client::{Context, meaning, settings};
use super::record::{MAX_PAYLOAD_BYTES, record_of};
use crate::entry::{AppendReceipt, NewEntry, Offset, PartitionId};
use crate::error::LogError;

/// Appends that may wait for the task: what all streams bring while it hands one over.
const MAX_WAITING_APPENDS: usize = 1024;
/// Kilobytes that the producer holds at most: twice what the collector admits over all streams.
const MAX_HELD_KILOBYTES: &str = "524288";
/// How long the producer gathers entries into a batch, in milliseconds: small beside the time of replication.
const LINGER_MS: &str = "5";
/// Wait before an entry is offered again to a producer that is full: it has a whole network's time to send then.
const FULL_WAIT: Duration = Duration::from_millis(5);

type Answer = oneshot::Sender<Result<AppendReceipt, LogError>>;

struct Append {
    partition: PartitionId,
    entries: Vec<NewEntry>,
    answer: Answer,
}

/// The way to the task that appends. Dropping it ends the task; entries that are not yet confirmed are given up then.
pub(super) struct Appender {
    appends: mpsc::Sender<Append>,
}

impl Appender {
    pub(super) fn start(address: &KafkaAddress) -> Result<Self, LogError> {
        let context = Reports(Context::default());
        let producer: ThreadedProducer<Reports> = settings(address)?
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // For ever: see above.
            .set("message.timeout.ms", "0")
            .set("linger.ms", LINGER_MS)
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", MAX_HELD_KILOBYTES)
            .create_with_context(context.clone())
            .map_err(|error| meaning("a producer", error, &context.0))?;
        let (appends, waiting) = mpsc::channel(MAX_WAITING_APPENDS);
        tokio::spawn(hand_over(producer, address.topic.clone(), waiting));
        Ok(Self { appends })
    }

    pub(super) async fn append(
        &self,
        partition: PartitionId,
        entries: Vec<NewEntry>,
    ) -> Result<AppendReceipt, LogError> {
        let largest = entries.iter().map(|entry| entry.payload.len()).max();
        if let Some(bytes) = largest.filter(|bytes| *bytes > MAX_PAYLOAD_BYTES) {
            let limit = MAX_PAYLOAD_BYTES;
            return Err(LogError::TooLarge { bytes, limit });
        }
        let (answer, answered) = oneshot::channel();
        let append = Append {
            partition,
            entries,
            answer,
        };
        let sent = self.appends.send(append).await;
        sent.map_err(|_| LogError::Closed)?;
        answered.await.map_err(|_| LogError::Closed)?
    }
}

async fn hand_over(
    producer: ThreadedProducer<Reports>,
    topic: String,
    mut waiting: mpsc::Receiver<Append>,
) {
    while let Some(append) = waiting.recv().await {
        let Append {
            partition,
            entries,
            answer,
        } = append;
        let pending = Arc::new(Pending::new(entries.len(), answer));
        for entry in &entries {
            let mut record = record_of(&topic, partition.0 as i32, entry, Arc::clone(&pending));
            while let Err((error, refused)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(Code::QueueFull) {
                    pending.failed(meaning("an entry", error, &producer.context().0));
                    break;
                }
                record = refused;
                tokio::time::sleep(FULL_WAIT).await;
            }
        }
    }
}

/// An append that the producer has.
struct Pending {
    unconfirmed: AtomicUsize,
    first: AtomicU64,
    last: AtomicU64,
    failure: OnceLock<LogError>,
    answer: Mutex<Option<Answer>>,
}

impl Pending {
    fn new(entries: usize, answer: Answer) -> Self {
        Self {
            unconfirmed: AtomicUsize::new(entries),
            first: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            failure: OnceLock::new(),
            answer: Mutex::new(Some(answer)),
        }
    }

    fn confirmed(&self, offset: u64) {
        self.first.fetch_min(offset, Ordering::Relaxed);
        self.last.fetch_max(offset, Ordering::Relaxed);
        self.settle();
    }

    fn failed(&self, error: LogError) {
        // The first error is the cause; others follow from it.
        let _ = self.failure.set(error);
        self.settle();
    }

    fn settle(&self) {
        if self.unconfirmed.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let result = match self.failure.get() {
            Some(error) => Err(error.clone()),
            None => Ok(AppendReceipt {
                first: Offset(self.first.load(Ordering::Relaxed)),
                next: Offset(self.last.load(Ordering::Relaxed) + 1),
            }),
        };
        let answer = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Whoever asked may be gone.
        let _ = answer.map(|answer| answer.send(result));
    }
}

/// Takes the producer's reports to the appends that wait for them.
#[derive(Clone)]
struct Reports(Context);

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, delivery: &DeliveryResult<'_>, pending: Arc<Pending>) {
        match delivery {
            Ok(message) => pending.confirmed(u64::try_from(message.offset()).unwrap_or(0)),
            Err((error, _)) => pending.failed(meaning("an entry", error.clone(), &self.0)),
        }
    }
}
