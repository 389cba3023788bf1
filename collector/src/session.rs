//! One stream of one agent: hello, then batches, until either side ends it.
//!
//! The reading half admits batches and hands them to the log; the acknowledging half (`acks`) waits for the log in the
//! same order. Both run in one task, so an append is always awaited, whatever becomes of the connection.

mod acks;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use epm_control::{AdmissionRefusal, CloneSign};
use epm_proto::batch::{check_declared, open_batch};
use epm_proto::ids::{AgentId, Epoch};
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::collector_message::Message as Answer;
use futures::future::maybe_done;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use self::acks::{Acks, InFlight, append_durably};
use crate::admit::{Sender, admit};
use crate::ranges::RangeSet;
use crate::refusal::Refusal;
use crate::seats::{Claim, Leave};
use crate::stage::Stage;
use crate::tls::Peer;

/// Ranges told at the hello: the newest, where an agent's spool may still hold records that are durable.
const MAX_HELLO_RANGES: usize = 1024;
/// Bytes of the id that a boot has: a UUID. It is kept as long as the agent has its seat.
const MAX_BOOT_ID_BYTES: usize = 16;
/// A batch that opens to more than this is opened on a thread for blocking work: a millisecond of decompression.
const MAX_INLINE_BYTES: u32 = 512 << 10;

/// The answers of one stream.
pub(crate) type Answers = mpsc::Sender<Result<v1::CollectorMessage, Status>>;

/// A stream that was accepted.
pub(crate) struct Session {
    stage: Arc<Stage>,
    inbound: Streaming<v1::AgentMessage>,
    answers: Answers,
    /// Who is on the other side; nobody knows where the connection has no TLS.
    peer: Option<Peer>,
    /// The agent's newer stream asks this one to leave, the device was revoked, or the grace time of a shutdown is over.
    leave: Leave,
}

/// An agent that said hello and has its seat.
struct Seated {
    sender: Sender,
    /// Sequences that are settled, or on their way into the log.
    claimed: RangeSet,
    _claim: Claim,
}

impl Session {
    pub(crate) fn new(
        stage: Arc<Stage>,
        inbound: Streaming<v1::AgentMessage>,
        answers: Answers,
        peer: Option<Peer>,
    ) -> Self {
        let leave = Leave::under(&stage.abort);
        Self {
            stage,
            inbound,
            answers,
            peer,
            leave,
        }
    }

    pub(crate) async fn run(mut self) {
        self.stage.metrics.streams.inc();
        let end = self.serve().await;
        self.stage.metrics.streams.dec();
        if let Err(refusal) = end {
            self.stage.metrics.refused(&refusal);
            let status = refusal.status();
            tokio::select! {
                // An agent that is gone, or does not read, learns nothing.
                _ = self.answers.send(Err(status)) => {}
                () = self.stage.abort.cancelled() => {}
            }
        }
    }

    async fn serve(&mut self) -> Result<(), Refusal> {
        let stage = Arc::clone(&self.stage);
        let leave = self.leave.clone();
        let hello = interruptible(&stage, &leave, self.read_hello()).await?;
        let mut seated = interruptible(&stage, &leave, self.take_seat(&hello)).await?;
        let agent_id = seated.sender.agent_id;
        tracing::debug!(agent = %agent_id, epoch = hello.epoch, "stream opened");
        self.answer_hello(&seated).await;
        let (in_flight, appends) = mpsc::channel(stage.config.max_in_flight_batches);
        let acks = Acks {
            stage: &stage,
            sender: seated.sender,
            answers: self.answers.clone(),
            leave: leave.any.clone(),
        };
        let ended = certificate_ended(self.peer.clone());
        // Ends the reading half when the acknowledging half cannot go on.
        let failed = CancellationToken::new();
        let reading = async {
            // Dropping `in_flight` at the end tells the other half that nothing follows.
            let in_flight = in_flight;
            tokio::select! {
                end = interruptible(&stage, &leave, self.read_batches(&mut seated, &in_flight)) => end,
                () = failed.cancelled() => Ok(()),
                () = ended => Err(Refusal::NotAdmitted(AdmissionRefusal::Expired)),
            }
        };
        let (read, acknowledged) = tokio::join!(reading, acks.run(appends, &failed));
        tracing::debug!(agent = %agent_id, "stream closed");
        acknowledged.and(read)
    }

    async fn read_hello(&mut self) -> Result<v1::ClientHello, Refusal> {
        let first = tokio::time::timeout(self.stage.config.hello_timeout, self.inbound.message());
        let Ok(Ok(Some(message))) = first.await else {
            return Err(Refusal::Hello);
        };
        match message.message {
            Some(Sent::Hello(hello)) => Ok(hello),
            _ => Err(Refusal::Hello),
        }
    }

    async fn take_seat(&self, hello: &v1::ClientHello) -> Result<Seated, Refusal> {
        let agent_id = AgentId::from_slice(&hello.agent_id).ok_or(Refusal::Hello)?;
        if hello.epoch == 0 || hello.boot_id.len() > MAX_BOOT_ID_BYTES {
            return Err(Refusal::Hello);
        }
        if !self.stage.positions.admits(agent_id) {
            return Err(Refusal::TooManyAgents);
        }
        let epoch = Epoch(hello.epoch);
        self.admit(agent_id).await?;
        let seats = &self.stage.seats;
        let mut claim = seats.claim(agent_id, &hello.boot_id, self.leave.clone());
        // Again: whoever was revoked before there was a seat to take away.
        self.admit(agent_id).await?;
        let wait = tokio::time::timeout(self.stage.config.takeover_timeout, claim.wait());
        wait.await.map_err(|_| Refusal::Occupied)?;
        let claimed = self.stage.positions.settled(agent_id, epoch);
        if claim.is_second_boot() {
            self.see_clone(agent_id, CloneSign::TwoBoots).await;
        }
        // An agent sends what its disk holds, so its next record is never behind what is durable here.
        if hello.next_sequence > 0 && hello.next_sequence < claimed.durable_before() {
            self.see_clone(agent_id, CloneSign::SequenceWentBack).await;
        }
        Ok(Seated {
            sender: Sender {
                agent_id,
                epoch,
                max_record_bytes: self.stage.config.max_record_bytes,
            },
            claimed,
            _claim: claim,
        })
    }

    /// Whether the agent is who it says, where the collector knows agents by certificates.
    async fn admit(&self, said: AgentId) -> Result<(), Refusal> {
        let Some(security) = &self.stage.security else {
            return Ok(());
        };
        let certificate = self
            .peer
            .as_ref()
            .and_then(|peer| peer.certificate.as_ref());
        security
            .admit(certificate.ok_or(Refusal::Hello)?, said)
            .await
    }

    async fn see_clone(&self, agent: AgentId, sign: CloneSign) {
        self.stage.metrics.clone_seen(sign);
        tracing::warn!(%agent, ?sign, "two seem to be this agent");
        if let Some(security) = &self.stage.security {
            security.see_clone(agent, sign).await;
        }
    }

    async fn answer_hello(&self, seated: &Seated) {
        let durable_before = seated.claimed.durable_before();
        let ranges = seated.claimed.beyond(durable_before, MAX_HELLO_RANGES);
        let hello = v1::ServerHello {
            durable_before,
            durable_ranges: ranges
                .map(|(first, last)| v1::SequenceRange { first, last })
                .collect(),
            limits: Some(self.stage.config.limits()),
            delay_ms: self.stage.budget.delay_ms(),
            server_time_us: now_us(),
            takes_policy_echoes: true,
        };
        let message = v1::CollectorMessage {
            message: Some(Answer::Hello(hello)),
        };
        // Where the agent is gone, the reading half learns it next.
        let _ = self.answers.send(Ok(message)).await;
    }

    async fn read_batches(
        &mut self,
        seated: &mut Seated,
        in_flight: &mpsc::Sender<InFlight>,
    ) -> Result<(), Refusal> {
        loop {
            // Nothing is read that could not be handed on: this is what slows an agent down.
            let Ok(place) = in_flight.reserve().await else {
                return Ok(());
            };
            let message = match self.inbound.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(()),
                Err(status) => return ended_by(status),
            };
            let batch = match message.message {
                Some(Sent::Batch(batch)) => batch,
                Some(Sent::PolicyEcho(echo)) => {
                    let (version, state) = (echo.version, echo.state().as_str_name());
                    tracing::debug!(agent = %seated.sender.agent_id, version, state, "policies echoed");
                    continue;
                }
                _ => return Err(Refusal::NotABatch),
            };
            let append = self.admit_batch(seated, batch).await?;
            let nameless = append.nameless;
            place.send(append);
            if nameless {
                return Err(Refusal::Nameless);
            }
        }
    }

    /// Checks in the order of cost: what it says, room for it, its checksum, its size opened, then its records.
    async fn admit_batch(
        &self,
        seated: &mut Seated,
        batch: v1::Batch,
    ) -> Result<InFlight, Refusal> {
        let arrived = Instant::now();
        if batch.epoch != seated.sender.epoch.0 {
            return Err(Refusal::OtherEpoch);
        }
        let limits = self.stage.config.limits();
        check_declared(&batch, &limits)?;
        let reserved = self.stage.budget.reserve(bytes_held(&batch)).await;
        let records = batch.records;
        let list = if batch.uncompressed_bytes > MAX_INLINE_BYTES
            && batch.compression != v1::Compression::None as i32
        {
            let opened = tokio::task::spawn_blocking(move || open_batch(&batch, &limits)).await;
            // Opening does not panic; a runtime that shuts down cancels it.
            opened.map_err(|_| Refusal::Stopping)??
        } else {
            open_batch(&batch, &limits)?
        };
        let received_at_ms = now_us() / 1000;
        let claimed = &mut seated.claimed;
        let admitted = admit(&list, records, &seated.sender, claimed, received_at_ms);
        let partition = self
            .stage
            .log
            .partition_for(seated.sender.agent_id.as_bytes());
        let stage = Arc::clone(&self.stage);
        let leave = self.leave.any.clone();
        let entries = admitted.entries;
        let append = append_durably(stage, leave, partition, entries);
        let mut append = Box::pin(maybe_done(append));
        // The first poll hands it to the log: batches of one stream stand there in the order of their sending.
        let _ = futures::poll!(&mut append);
        Ok(InFlight {
            append,
            fresh: admitted.fresh,
            sequences: admitted.sequences,
            rejects: admitted.rejects,
            counts: admitted.counts,
            nameless: admitted.nameless,
            arrived,
            reserved,
        })
    }
}

/// The bytes that a batch takes until it is durable: as it came, and once more where it has to be decompressed.
fn bytes_held(batch: &v1::Batch) -> u32 {
    let sent = u32::try_from(batch.payload.len()).unwrap_or(u32::MAX);
    if batch.compression == v1::Compression::None as i32 {
        sent
    } else {
        sent.saturating_add(batch.uncompressed_bytes)
    }
}

/// A connection that broke is the agent's wish; a message that cannot be read is not.
fn ended_by(status: Status) -> Result<(), Refusal> {
    use tonic::Code;
    match status.code() {
        Code::OutOfRange | Code::Internal | Code::InvalidArgument | Code::ResourceExhausted
            if std::error::Error::source(&status).is_none() =>
        {
            Err(Refusal::Message(status))
        }
        _ => Ok(()),
    }
}

/// `work`, unless the stream has to end before it is done. Only for work that may be dropped at any await.
async fn interruptible<T>(
    stage: &Stage,
    leave: &Leave,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    tokio::select! {
        biased;
        () = stage.drain.cancelled() => match stage.failure.get() {
            Some(_) => Err(Refusal::Log),
            None => Err(Refusal::Stopping),
        },
        () = leave.any.cancelled() => match leave.expelled.is_cancelled() {
            true => Err(Refusal::NotAdmitted(AdmissionRefusal::Revoked)),
            false => Err(Refusal::TakenOver),
        },
        done = work => done,
    }
}

/// Resolves when the certificate's time is over, if there is one.
async fn certificate_ended(peer: Option<Peer>) {
    let certificate = peer.and_then(|peer| peer.certificate);
    let Some(certificate) = certificate else {
        return std::future::pending().await;
    };
    let left_us = certificate.not_after_s.saturating_mul(1_000_000) - now_us();
    tokio::time::sleep(Duration::from_micros(u64::try_from(left_us).unwrap_or(0))).await;
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}
