//! One connection to a collector: hello, then batches of one epoch in order, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use epm_policy::limits::MAX_BUNDLE_BYTES;
use epm_proto::batch::{BatchBuilder, LENGTH_BYTES};
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::collector_message::Message as Answer;
use epm_proto::v1::delivery_client::DeliveryClient;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Status, Streaming};

use super::UplinkConfig;
use super::in_flight::InFlight;
use crate::agent::Shared;
use crate::clock::now_us;
use crate::spool::mint::SCHEMA_VERSION;
use crate::spool::{Spool, WaitingRecord};

/// A collector that does not answer a connection in this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector that accepts a stream answers its hello at once, except where it waits for our last stream to end.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time without an answer while batches are on their way, before another connection is tried. A log whose disk
/// is full holds answers back for this long without being gone.
const ACK_TIMEOUT: Duration = Duration::from_secs(60);
/// Asks the other side whether it lives, so that a connection that died silently is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Messages that wait for the connection: one being sent and one behind it; the rest is better off on disk.
const MAX_WAITING_MESSAGES: usize = 2;
/// Bytes of a message around a bundle of policies.
const MESSAGE_OVERHEAD_BYTES: usize = 4 << 10;
/// Records of one batch: enough that framing costs nothing, few enough that an answer comes soon.
const MAX_BATCH_RECORDS: u32 = 1024;
/// Bytes of one batch before compression.
const MAX_BATCH_BYTES: u32 = 1024 * 1024;
/// Bytes on their way: with the batch size, enough to hide a round trip.
const MAX_IN_FLIGHT_BYTES: u64 = 4 * 1024 * 1024;
/// How often what was acknowledged is written down: losing it only sends records again.
const TIDY_INTERVAL: Duration = Duration::from_secs(2);

/// Why a connection ended. Every one of these is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the collector cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    #[error("the collector ended the stream: {}", .0.message())]
    Status(Box<Status>),
    #[error("the collector closed the stream")]
    Closed,
    #[error("the collector does not answer")]
    Silent,
    #[error("the collector answered something else than a hello")]
    NoHello,
    #[error("the spool cannot be read")]
    Spool(#[source] std::io::Error),
    #[error("the agent is stopping")]
    Stopping,
}

impl From<Status> for SessionError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// How a connection ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The agent stops.
    Stopped,
    /// Nothing of the epoch waits, and another epoch does.
    EpochDone,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    in_flight_bytes: usize,
    batch_bytes: usize,
    batch_records: usize,
    // What the collector takes at most: a record that is larger blocks the queue for ever.
    collector_batch_bytes: usize,
}

impl Bounds {
    fn of(limits: v1::Limits) -> Self {
        // Zero is a collector that does not say.
        let lower = |theirs: u64, ours: u64| match theirs {
            0 => ours,
            theirs => theirs.min(ours),
        };
        let batch_records = lower(limits.max_batch_records.into(), MAX_BATCH_RECORDS.into());
        let in_flight_bytes = lower(limits.max_in_flight_bytes, MAX_IN_FLIGHT_BYTES) as usize;
        let batch_bytes = lower(limits.max_batch_bytes.into(), MAX_BATCH_BYTES.into()) as usize;
        let lengths = batch_records as usize * LENGTH_BYTES;
        Self {
            in_flight_bytes,
            batch_bytes: batch_bytes.min(in_flight_bytes).saturating_sub(lengths),
            batch_records: batch_records as usize,
            collector_batch_bytes: lower(limits.max_batch_bytes.into(), u32::MAX.into()) as usize,
        }
    }
}

/// One try to deliver.
pub(crate) struct Session<'a> {
    shared: &'a Arc<Shared>,
    config: &'a UplinkConfig,
    epoch: u64,
    // Next sequence to send.
    position: u64,
    // Records from here on came after the stream was opened.
    live_from: u64,
    in_flight: InFlight,
    delayed_until: Instant,
    heard: Instant,
    tidy_at: Option<Instant>,
    moved: bool,
    // What becomes of policies is told.
    echoes: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, config: &'a UplinkConfig) -> Self {
        Self {
            shared,
            config,
            epoch: 0,
            position: 0,
            live_from: 0,
            in_flight: InFlight::default(),
            delayed_until: Instant::now(),
            heard: Instant::now(),
            tidy_at: None,
            moved: false,
            echoes: false,
        }
    }

    /// Whether the collector answered a hello: then the next try need not wait long.
    pub(crate) fn moved(&self) -> bool {
        self.moved
    }

    pub(crate) async fn run(&mut self) -> Result<End, SessionError> {
        let mut client = DeliveryClient::new(
            Endpoint::from(self.config.collector.uri())
                .tcp_nodelay(true)
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
                .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
                .connect()
                .await
                .map_err(SessionError::Connect)?,
        );
        if self.config.takes_policies {
            client = client.max_decoding_message_size(MAX_BUNDLE_BYTES + MESSAGE_OVERHEAD_BYTES);
        }
        let mut news = self.shared.news();
        let (messages, outbound) = mpsc::channel(MAX_WAITING_MESSAGES);
        let hello = self.hello().await?;
        let asked_at = now_us();
        // The channel is empty and has room.
        let _ = messages.send(message(Sent::Hello(hello))).await;
        let answered = timeout(HELLO_TIMEOUT, async {
            let mut answers = client
                .deliver(ReceiverStream::new(outbound))
                .await?
                .into_inner();
            let first = answers.message().await?;
            Ok::<_, Status>((answers, first))
        });
        let (mut answers, first) = answered.await.map_err(|_| SessionError::Silent)??;
        let Some(Answer::Hello(hello)) = first.and_then(|answer| answer.message) else {
            return Err(SessionError::NoHello);
        };
        let bounds = self.greeted(hello, asked_at).await?;
        self.exchange(&messages, &mut answers, &mut news, bounds)
            .await
    }

    async fn hello(&mut self) -> Result<v1::ClientHello, SessionError> {
        let (epoch, first, next) = self.on_spool(|spool| spool.oldest_epoch()).await?;
        self.epoch = epoch;
        self.position = first;
        self.live_from = next;
        let (agent_id, boot_id) = (self.shared.agent_id(), self.shared.boot_id());
        Ok(v1::ClientHello {
            agent_id: agent_id.as_bytes().to_vec(),
            epoch,
            first_sequence: first,
            next_sequence: next,
            boot_id: boot_id.to_vec(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            schema_version: SCHEMA_VERSION,
            policy_revision: self.shared.governed().policy_revision,
            device_time_us: now_us(),
        })
    }

    async fn greeted(
        &mut self,
        hello: v1::ServerHello,
        asked_at_us: i64,
    ) -> Result<Bounds, SessionError> {
        self.moved = true;
        self.echoes = self.config.takes_policies && hello.takes_policy_echoes;
        // Half of the round trip lies on either side of the server's reading of its clock.
        let middle_us = asked_at_us + (now_us() - asked_at_us) / 2;
        self.shared
            .connected((hello.server_time_us - middle_us) / 1000);
        let (epoch, next) = (self.epoch, self.live_from);
        let ranges = ranges_of(&hello.durable_ranges);
        let known_end = ranges
            .iter()
            .map(|(_, last)| last.saturating_add(1))
            .fold(hello.durable_before, u64::max);
        let ahead = self
            .on_spool(move |spool| {
                // An earlier epoch has lost its end where that was delivered; only the last one goes on.
                let ahead =
                    spool.next().epoch == epoch && known_end > next.max(spool.next().sequence);
                spool.acknowledge(epoch, hello.durable_before, &ranges);
                if ahead {
                    spool
                        .begin_epoch("the collector has later records of the epoch than the spool");
                }
                ahead
            })
            .await?;
        if ahead {
            tracing::warn!(agent = %self.shared.agent_id(), epoch, "the spool was put back; a new epoch begins");
        }
        self.after_answer(hello.delay_ms);
        self.shared.tell();
        Ok(Bounds::of(hello.limits.unwrap_or_default()))
    }

    async fn exchange(
        &mut self,
        messages: &mpsc::Sender<v1::AgentMessage>,
        answers: &mut Streaming<v1::CollectorMessage>,
        news: &mut tokio::sync::watch::Receiver<u64>,
        bounds: Bounds,
    ) -> Result<End, SessionError> {
        let mut more = true;
        let mut echo = self.shared.policy_echo();
        // What is in force is told on each stream.
        let mut echo_due = self.echoes;
        loop {
            let now = Instant::now();
            let room = self
                .in_flight
                .has_room(bounds.batch_bytes, bounds.in_flight_bytes);
            let delayed = self.delayed_until > now && self.position < self.live_from;
            let silent_at = self.heard + ACK_TIMEOUT;
            let tidy_at = self.tidy_at.unwrap_or(silent_at);
            tokio::select! {
                biased;
                answer = answers.message() => match answer? {
                    Some(answer) => {
                        self.answered(answer).await?;
                        more = true;
                    }
                    None => return Err(SessionError::Closed),
                },
                permit = messages.reserve(), if more && room && !delayed => {
                    let Ok(permit) = permit else {
                        return Err(SessionError::Closed);
                    };
                    match self.next_batch(bounds).await? {
                        Some(batch) => permit.send(message(Sent::Batch(batch))),
                        None => more = false,
                    }
                    if !more && self.in_flight.is_empty() && self.epoch_is_done().await? {
                        self.tidy().await?;
                        return Ok(End::EpochDone);
                    }
                },
                // Never by waiting for room: then answers would not be read.
                permit = messages.reserve(), if echo_due => {
                    echo_due = false;
                    let permit = permit.map_err(|_| SessionError::Closed)?;
                    if let Some(echo) = echo.borrow_and_update().clone() {
                        permit.send(message(Sent::PolicyEcho(echo)));
                    }
                },
                changed = echo.changed(), if self.echoes && !echo_due => {
                    changed.map_err(|_| SessionError::Stopping)?;
                    echo_due = true;
                },
                changed = news.changed(), if !more => {
                    changed.map_err(|_| SessionError::Stopping)?;
                    more = true;
                },
                () = sleep_until(self.delayed_until), if delayed && room && more => {},
                () = sleep_until(tidy_at), if self.tidy_at.is_some() => self.tidy().await?,
                () = sleep_until(silent_at), if !self.in_flight.is_empty() => {
                    return Err(SessionError::Silent);
                },
            }
        }
    }

    /// The next records of the epoch as a batch; `None` where nothing waits.
    async fn next_batch(&mut self, bounds: Bounds) -> Result<Option<v1::Batch>, SessionError> {
        let (epoch, from, live_from) = (self.epoch, self.position, self.live_from);
        let (records, batch) = self
            .on_spool_unlocked(move |shared| {
                let records = shared.with_spool(|spool| {
                    spool.read(epoch, from, bounds.batch_records, bounds.batch_bytes)
                })?;
                let records = one_lane(records, live_from);
                let batch = compressed(epoch, &records, live_from);
                Ok::<_, std::io::Error>((records, batch))
            })
            .await?
            .map_err(SessionError::Spool)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(None);
        };
        let (first_sequence, last_sequence) = (first.sequence, last.sequence);
        self.position = last_sequence + 1;
        if batch.uncompressed_bytes as usize > bounds.collector_batch_bytes {
            let record = first.clone();
            tracing::warn!(agent = %self.shared.agent_id(), epoch, sequence = record.sequence, "record too large for the collector");
            self.on_spool(move |spool| {
                spool.give_up(&record, "larger than a batch of the collector")
            })
            .await?;
            return Box::pin(self.next_batch(bounds)).await;
        }
        if self.in_flight.is_empty() {
            self.heard = Instant::now();
        }
        self.in_flight.push(
            first_sequence,
            last_sequence,
            batch.uncompressed_bytes as usize,
        );
        Ok(Some(batch))
    }

    async fn answered(&mut self, answer: v1::CollectorMessage) -> Result<(), SessionError> {
        let ack = match answer.message {
            Some(Answer::Ack(ack)) => ack,
            Some(Answer::PolicyBundle(bundle)) if self.config.takes_policies => {
                self.shared.offer_policies(bundle.envelope);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.heard = Instant::now();
        if ack.epoch != self.epoch {
            return Ok(());
        }
        let mut ranges = ranges_of(&ack.durable_ranges);
        for reject in &ack.rejects {
            tracing::warn!(
                agent = %self.shared.agent_id(),
                epoch = ack.epoch,
                sequence = reject.sequence,
                code = reject.code().as_str_name(),
                "record refused by the collector"
            );
            ranges.push((reject.sequence, reject.sequence));
        }
        // Before the spool: whoever waits until nothing waits then finds refusals counted.
        self.shared.acknowledged(ack.rejects.len() as u64);
        let in_flight = std::mem::take(&mut self.in_flight);
        self.in_flight = self
            .on_spool(move |spool| {
                spool.acknowledge(ack.epoch, ack.durable_before, &ranges);
                let mut in_flight = in_flight;
                in_flight.settle(|first, last| spool.waits_between(ack.epoch, first, last));
                in_flight
            })
            .await?;
        self.after_answer(ack.delay_ms);
        self.tidy_at.get_or_insert(Instant::now() + TIDY_INTERVAL);
        self.shared.tell();
        Ok(())
    }

    fn after_answer(&mut self, delay_ms: u32) {
        self.heard = Instant::now();
        self.delayed_until = self.heard + Duration::from_millis(delay_ms.into());
    }

    async fn epoch_is_done(&self) -> Result<bool, SessionError> {
        let epoch = self.epoch;
        self.on_spool(move |spool| {
            spool.next().epoch != epoch && !spool.waits_between(epoch, 0, u64::MAX)
        })
        .await
    }

    async fn tidy(&mut self) -> Result<(), SessionError> {
        self.tidy_at = None;
        let tidied = self.on_spool(Spool::tidy).await?;
        if let Err(error) = tidied {
            tracing::warn!(agent = %self.shared.agent_id(), %error, "what was delivered could not be written down");
        }
        Ok(())
    }

    async fn on_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> Result<T, SessionError> {
        self.on_spool_unlocked(move |shared| shared.with_spool(work))
            .await
    }

    async fn on_spool_unlocked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Result<T, SessionError> {
        let shared = Arc::clone(self.shared);
        tokio::task::spawn_blocking(move || work(&shared))
            .await
            .map_err(|_| SessionError::Stopping)
    }
}

fn message(message: Sent) -> v1::AgentMessage {
    v1::AgentMessage {
        message: Some(message),
    }
}

fn ranges_of(ranges: &[v1::SequenceRange]) -> Vec<(u64, u64)> {
    ranges
        .iter()
        .map(|range| (range.first, range.last))
        .collect()
}

/// The records up to the first of the other lane.
fn one_lane(mut records: Vec<WaitingRecord>, live_from: u64) -> Vec<WaitingRecord> {
    let live = records
        .first()
        .is_some_and(|record| record.sequence >= live_from);
    let end = records
        .iter()
        .position(|record| (record.sequence >= live_from) != live);
    records.truncate(end.unwrap_or(records.len()));
    records
}

fn compressed(epoch: u64, records: &[WaitingRecord], live_from: u64) -> v1::Batch {
    let mut builder = BatchBuilder::default();
    for record in records {
        builder.push(&record.bytes);
    }
    let live = records
        .first()
        .is_some_and(|record| record.sequence >= live_from);
    let lane = match live {
        true => v1::Lane::Live,
        false => v1::Lane::Backlog,
    };
    builder.finish(epoch, v1::Compression::Zstd, lane)
}
