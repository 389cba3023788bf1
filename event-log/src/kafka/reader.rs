//! Reads one partition from where it is asked to. A consumer is assigned by hand: no group decides what it reads, because
//! the tables say where they go on.
//!
//! It counts on nothing about offsets but that they grow. Where records do not come although the partition goes on, it
//! asks again from the same place before it believes that there are none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::address::KafkaAddress;
use super::client::{Asker, Context, REQUEST_TIMEOUT, is_passing, meaning, settings};
use super::record::entry_of;
use super::topic::MOST_MESSAGE_BYTES;
use crate::entry::{Bounds, Entry, EntryKind, Foreign, Offset, PartitionId, ReadBatch};
use crate::error::LogError;

/// Kilobytes that a consumer fetches ahead: a transaction of the processor's, so that one folds while the next arrives.
const FETCH_AHEAD_KILOBYTES: &str = "16384";
/// Bytes of one answer of a broker. A record that is larger comes alone.
const FETCH_BYTES: &str = "8388608";
/// How long a waiting caller keeps the reader from others.
const WAIT_SLICE: Duration = Duration::from_millis(50);

/// What came from the partition.
enum Arrived {
    Entry(Entry),
    /// The broker had no more when it was asked.
    End,
    /// The offset is not one that the partition holds.
    OutOfRange,
    /// A batch cannot be opened and was left out.
    Unreadable,
}

/// A consumer of one partition.
pub(super) struct Reader {
    consumer: StreamConsumer<Context>,
    context: Context,
    topic: Arc<str>,
    partition: PartitionId,
    /// Everything before it was read or asked past; `None` where the consumer has to be placed anew.
    next: Option<Offset>,
    /// Entries at or after `next` that nobody was given yet.
    held: VecDeque<Entry>,
    /// Where a batch did not verify once.
    doubted: Option<Offset>,
}

impl Reader {
    pub(super) fn connect(
        address: &KafkaAddress,
        topic: &Arc<str>,
        partition: PartitionId,
    ) -> Result<Self, LogError> {
        let context = Context::default();
        let consumer = settings(address)?
            // It is no member of the group; the library wants a name.
            .set("group.id", format!("{}-reader", address.group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            // A transaction that another program left open must not hold the partition up.
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            .set("fetch.max.bytes", FETCH_BYTES)
            .set("max.partition.fetch.bytes", FETCH_BYTES)
            .set("queued.max.messages.kbytes", FETCH_AHEAD_KILOBYTES)
            .set(
                "receive.message.max.bytes",
                (2 * MOST_MESSAGE_BYTES).to_string(),
            )
            .set("fetch.error.backoff.ms", "100")
            .create_with_context(context.clone())
            .map_err(|error| meaning("a consumer", error, &context))?;
        Ok(Self {
            consumer,
            context,
            topic: Arc::clone(topic),
            partition,
            next: None,
            held: VecDeque::new(),
            doubted: None,
        })
    }

    /// Entries from `from` on, as [`crate::EventLog::read`] promises.
    pub(super) async fn read(
        &mut self,
        asker: &Arc<Asker>,
        from: Offset,
        max_bytes: usize,
    ) -> Result<ReadBatch, LogError> {
        self.go_to(from)?;
        let mut batch = ReadBatch {
            entries: Vec::new(),
            next: from,
        };
        self.take_at_hand(max_bytes, &mut batch)?;
        if !batch.entries.is_empty() {
            return Ok(batch);
        }
        let end = self.end_beyond(asker, from).await?;
        if from == end {
            return Ok(batch);
        }
        // The partition goes on, so entries are on their way, or what lies there is none of them. That the broker had no
        // more may have been said before it had: only the answer to a new request counts.
        let mut is_new = false;
        loop {
            let arrived = tokio::time::timeout(REQUEST_TIMEOUT, self.arrival()).await;
            let arrived = arrived.unwrap_or_else(|_| {
                let error = KafkaError::MessageConsumption(Code::OperationTimedOut);
                Err(meaning("entries", error, &self.context))
            })?;
            match arrived {
                Arrived::Entry(entry) => {
                    self.held.push_back(entry);
                    self.take_at_hand(max_bytes, &mut batch)?;
                    return Ok(batch);
                }
                Arrived::End if is_new => {
                    batch.next = end;
                    self.next = Some(end);
                    return Ok(batch);
                }
                Arrived::End => {
                    self.place(from)?;
                    is_new = true;
                }
                // Retention went on since the bounds were asked for, or the leader changed.
                Arrived::OutOfRange => {
                    self.end_beyond(asker, from).await?;
                    self.place(from)?;
                }
                Arrived::Unreadable => {
                    self.doubt(from)?;
                    if !self.held.is_empty() {
                        self.take_at_hand(max_bytes, &mut batch)?;
                        return Ok(batch);
                    }
                }
            }
        }
    }

    /// Resolves when there is something at `from`, or gives up after a slice of time so that others get their turn.
    pub(super) async fn wait_a_slice(&mut self, from: Offset) -> Result<bool, LogError> {
        self.go_to(from)?;
        if !self.held.is_empty() {
            return Ok(true);
        }
        match tokio::time::timeout(WAIT_SLICE, self.arrival()).await {
            Err(_) | Ok(Ok(Arrived::End)) => Ok(false),
            Ok(Ok(Arrived::Entry(entry))) => {
                self.held.push_back(entry);
                Ok(true)
            }
            Ok(Ok(Arrived::Unreadable)) => {
                self.doubt(from)?;
                Ok(false)
            }
            Ok(Ok(Arrived::OutOfRange)) => Ok(true),
            Ok(Err(error)) => Err(error),
        }
    }

    /// The end of the partition, where `from` lies between its bounds.
    async fn end_beyond(&self, asker: &Arc<Asker>, from: Offset) -> Result<Offset, LogError> {
        let Bounds { start, end } = asker.bounds(&self.topic, self.partition).await?;
        let (partition, asked) = (self.partition, from);
        if from < start {
            return Err(LogError::Trimmed { asked, start });
        }
        if from > end {
            return Err(LogError::Shortened {
                partition,
                asked,
                end,
            });
        }
        Ok(end)
    }

    /// Makes `from` the place to go on at.
    fn go_to(&mut self, from: Offset) -> Result<(), LogError> {
        let is_ahead = self.next.is_some_and(|next| {
            let held_to = self.held.back().map_or(next, |entry| entry.offset);
            (next..=held_to).contains(&from)
        });
        if !is_ahead {
            return self.place(from);
        }
        while self.held.front().is_some_and(|entry| entry.offset < from) {
            self.held.pop_front();
        }
        self.next = Some(from);
        Ok(())
    }

    /// Places the consumer at `from`; what it fetched before is forgotten.
    fn place(&mut self, from: Offset) -> Result<(), LogError> {
        self.next = None;
        self.held.clear();
        let mut list = TopicPartitionList::new();
        let offset = rdkafka::Offset::Offset(i64::try_from(from.0).unwrap_or(i64::MAX));
        let assigned = list
            .add_partition_offset(&self.topic, self.partition.0 as i32, offset)
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(|error| meaning("entries", error, &self.context))?;
        self.next = Some(from);
        Ok(())
    }

    /// A batch at `from` did not verify. A second request may bring it whole; where it does not, what is missing becomes
    /// an entry.
    fn doubt(&mut self, from: Offset) -> Result<(), LogError> {
        let was_doubted = self.doubted == Some(from);
        self.doubted = Some(from);
        if was_doubted {
            tracing::error!(
                partition = self.partition.0,
                offset = from.0,
                "entries do not verify and are left out"
            );
            self.held.push_back(Entry {
                offset: from,
                kind: EntryKind::Foreign(Foreign::Unreadable),
                received_at_ms: 0,
                key: [0; 16],
                payload: Bytes::new(),
            });
            return Ok(());
        }
        self.place(from)
    }

    /// Moves what is there already into `batch`, up to `max_bytes`, and at least one entry.
    fn take_at_hand(&mut self, max_bytes: usize, batch: &mut ReadBatch) -> Result<(), LogError> {
        let mut bytes = 0;
        loop {
            while let Some(entry) = self.held.pop_front() {
                bytes += entry.payload.len();
                if !batch.entries.is_empty() && bytes > max_bytes {
                    self.held.push_front(entry);
                    return Ok(());
                }
                batch.next = Offset(entry.offset.0 + 1);
                self.next = Some(batch.next);
                batch.entries.push(entry);
            }
            match self.arrival().now_or_never() {
                Some(Ok(Arrived::Entry(entry))) => self.held.push_back(entry),
                Some(Ok(Arrived::End | Arrived::OutOfRange)) | None => return Ok(()),
                Some(Ok(Arrived::Unreadable)) => {
                    self.doubt(batch.next)?;
                    if self.held.is_empty() {
                        return Ok(());
                    }
                }
                // What was read is good; the error comes again.
                Some(Err(_)) if !batch.entries.is_empty() => return Ok(()),
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// The next thing that the consumer brings. Trouble that passes is passed over: the consumer connects again by
    /// itself.
    async fn arrival(&mut self) -> Result<Arrived, LogError> {
        loop {
            let arrived = match self.consumer.recv().await {
                Ok(message) => Ok(entry_of(&message)),
                Err(error) => Err(error),
            };
            let error = match arrived {
                Ok(entry) => {
                    self.context.works();
                    let last = self.held.back().map(|entry| entry.offset.0 + 1);
                    let least = last.or(self.next.map(|next| next.0)).unwrap_or(0);
                    if entry.offset.0 >= least {
                        return Ok(Arrived::Entry(entry));
                    }
                    continue;
                }
                Err(KafkaError::PartitionEOF(_)) => return Ok(Arrived::End),
                Err(error) => error,
            };
            match error.rdkafka_error_code() {
                Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                    self.next = None;
                    return Ok(Arrived::OutOfRange);
                }
                // Damage, or a compression that this build does not open.
                Some(Code::BadMessage | Code::BadCompression | Code::NotImplemented) => {
                    return Ok(Arrived::Unreadable);
                }
                Some(code)
                    if is_passing(code) || code == Code::SSL || code == Code::Authentication =>
                {
                    self.context.note(&error);
                }
                _ => return Err(meaning("entries", error, &self.context)),
            }
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("partition", &self.partition)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
