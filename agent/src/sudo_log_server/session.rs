//! One connection of sudo: hello, a run or a refusal, perhaps more commands of the same session, and the end.
//!
//! Nothing is answered that stands for a record before that record is durable in the spool. It must not know how bytes
//! come in.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use epm_proto::ids::SourceKey;
use epm_proto::v1::SensorKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Counts;
use super::event;
use super::framing::{FrameError, Frames};
use super::message::{
    Accept, Client, ClientMessage, Exit, Reject, Restart, Server, ServerHello, ServerMessage,
    TimeSpec,
};
use crate::sources::runs::Start;
use crate::sources::sudo::json_record::{self, End, Record};
use crate::{Agent, AgentError};

const SENSOR: SensorKind = SensorKind::SudoLogServer;
/// Input and output that came is acknowledged when so much time of the command's has passed. sudo keeps what is not
/// acknowledged in memory and sends it again after a break.
const COMMIT_EVERY_NS: i64 = 1_000_000_000;
/// Marks the log ids that this version makes.
const LOG_ID: &str = "epm1";

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As it should.
    Well,
    /// This agent stops.
    Stopped,
    /// The client is not root of this device.
    Stranger,
    /// Who the client is cannot be learnt.
    Unknown(io::Error),
    /// Nothing came.
    Silent,
    /// The connection could not be made or broke.
    Transport(io::Error),
    /// The client sent what it must not.
    Protocol(String),
    /// The record could not be made durable.
    Unrecorded(AgentError),
}

impl Ended {
    /// What went wrong, in words without anything about people.
    pub(super) fn trouble(&self) -> Option<String> {
        match self {
            Self::Well | Self::Stopped => None,
            Self::Stranger => Some("the client is not root".to_owned()),
            Self::Unknown(error) => Some(format!("the client's user is not known: {error}")),
            Self::Silent => Some("the client said nothing".to_owned()),
            Self::Transport(error) => Some(error.to_string()),
            Self::Protocol(why) => Some(why.clone()),
            Self::Unrecorded(error) => Some(format!("a record could not be spooled: {error}")),
        }
    }
}

/// Where a connection stands.
#[derive(Debug)]
enum Stage {
    /// No command was told of.
    Beginning,
    /// A command runs. Its exit is joined to `start`, and `elapsed_ns` of its input and output came.
    Running {
        start: Start,
        logs_io: bool,
        elapsed_ns: i64,
        committed_ns: i64,
    },
    /// Nothing more is to come.
    Finished,
}

/// One connection.
pub(super) struct Session<'a, S> {
    frames: Frames<S>,
    agent: &'a Agent,
    counts: &'a Counts,
    /// Process of the sudo at the other end, where it is known.
    sudo: Option<u64>,
    stage: Stage,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(
        frames: Frames<S>,
        agent: &'a Agent,
        counts: &'a Counts,
        sudo: Option<u64>,
    ) -> Self {
        Self {
            frames,
            agent,
            counts,
            sudo,
            stage: Stage::Beginning,
        }
    }

    /// Talks until the client or `stop` ends it. A client that has told of no command within `patience` is gone.
    pub(super) async fn run(mut self, patience: Duration, stop: &CancellationToken) -> Ended {
        let ended = tokio::select! {
            ended = self.talk(patience) => ended,
            () = stop.cancelled() => Err(Ended::Stopped),
        };
        let ended = ended.err().unwrap_or(Ended::Well);
        let told = match &ended {
            Ended::Protocol(why) => Some(why.clone()),
            Ended::Unrecorded(_) => Some("the record could not be stored".to_owned()),
            Ended::Stopped => Some("the log server stops".to_owned()),
            _ => None,
        };
        if let Some(why) = told {
            let _ = self.send(Server::Error(why)).await;
        }
        self.frames.close().await;
        ended
    }

    async fn talk(&mut self, patience: Duration) -> Result<(), Ended> {
        self.send(Server::Hello(ServerHello {
            server_id: concat!("epm-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
            subcommands: true,
        }))
        .await?;
        loop {
            let next = match self.stage {
                Stage::Beginning => {
                    let next = tokio::time::timeout(patience, self.frames.next());
                    next.await.map_err(|_| Ended::Silent)?
                }
                Stage::Running { .. } => self.frames.next().await,
                Stage::Finished => return Ok(()),
            };
            let message = match next {
                Ok(Some(message)) => message,
                // A run whose client vanishes has no exit; a client that only looked did no harm.
                Ok(None) => return Ok(()),
                Err(FrameError::Connection(error)) => return Err(Ended::Transport(error)),
                Err(error) => return Err(Ended::Protocol(error.to_string())),
            };
            self.take(message).await?;
        }
    }

    async fn take(&mut self, message: ClientMessage) -> Result<(), Ended> {
        let Some(message) = message.kind else {
            return Err(protocol("a message of no kind"));
        };
        match message {
            Client::Hello(_) => Ok(()),
            Client::Accept(accept) => self.accept(accept).await,
            Client::Reject(reject) => self.reject(reject).await,
            Client::Exit(exit) => self.exit(exit).await,
            Client::Restart(restart) => self.restart(&restart),
            Client::Alert(_) => {
                count(&self.counts.alerts);
                Ok(())
            }
            Client::TerminalInput(part)
            | Client::TerminalOutput(part)
            | Client::Input(part)
            | Client::Output(part)
            | Client::ErrorOutput(part)
            | Client::WindowSize(part)
            | Client::Suspend(part) => self.input_or_output(part.delay).await,
        }
    }

    // The first command of a connection, or one that it started: sudo tells of those in intercept mode.
    async fn accept(&mut self, accept: Accept) -> Result<(), Ended> {
        let record = event::record(accept.submitted, accept.infos, b"");
        let start = self.record(record, false).await?;
        count(&self.counts.accepted);
        let Some(start) = start else {
            return Ok(());
        };
        if !matches!(self.stage, Stage::Beginning) {
            return Ok(());
        }
        if accept.expects_io {
            self.send(Server::LogId(log_id(&start))).await?;
        }
        self.stage = Stage::Running {
            start,
            logs_io: accept.expects_io,
            elapsed_ns: 0,
            committed_ns: 0,
        };
        Ok(())
    }

    async fn reject(&mut self, reject: Reject) -> Result<(), Ended> {
        let record = event::record(reject.submitted, reject.infos, &reject.reason);
        self.record(record, true).await?;
        count(&self.counts.rejected);
        if matches!(self.stage, Stage::Beginning) {
            self.stage = Stage::Finished;
        }
        Ok(())
    }

    async fn record(
        &mut self,
        mut record: Record,
        is_denied: bool,
    ) -> Result<Option<Start>, Ended> {
        // Of several commands of one sudo, only the one that it was asked for is its run.
        record.sudo_pid = self.sudo.filter(|_| matches!(self.stage, Stage::Beginning));
        let (reading, start) = record.begin(SENSOR, is_denied).map_err(protocol)?;
        self.spool(reading.observation).await?;
        Ok(start)
    }

    async fn exit(&mut self, exit: Exit) -> Result<(), Ended> {
        let Stage::Running {
            start,
            logs_io,
            elapsed_ns,
            ..
        } = std::mem::replace(&mut self.stage, Stage::Finished)
        else {
            return Err(protocol("an exit without a command"));
        };
        let lasted_us = exit.lasted.map(event::micros);
        let end = End {
            // Not our clock: sent again, it must be the same record.
            observed_at_us: start.observed_at_us.saturating_add(lasted_us.unwrap_or(0)),
            lasted_us,
            exit_value: Some(i64::from(exit.exit_value)),
            signal: event::text(&exit.signal),
        };
        let source_key =
            SourceKey::derive(&[b"sudo", b"exit", start.source_key.as_bytes().as_slice()]);
        let reading = json_record::exit_reading(SENSOR, &start, end, source_key);
        self.spool(reading.observation).await?;
        count(&self.counts.exited);
        if logs_io {
            self.commit_point(elapsed_ns).await?;
        }
        Ok(())
    }

    fn restart(&mut self, restart: &Restart) -> Result<(), Ended> {
        if !matches!(self.stage, Stage::Beginning) {
            return Err(protocol("a restart in the middle"));
        }
        let Some(start) = start_of(&restart.log_id) else {
            return Err(protocol("a log id that is not of this log server"));
        };
        let elapsed_ns = restart.resume_point.map_or(0, event::nanos);
        self.stage = Stage::Running {
            start,
            logs_io: true,
            elapsed_ns,
            committed_ns: elapsed_ns,
        };
        Ok(())
    }

    async fn input_or_output(&mut self, delay: Option<TimeSpec>) -> Result<(), Ended> {
        let Stage::Running {
            logs_io: true,
            elapsed_ns,
            committed_ns,
            ..
        } = &mut self.stage
        else {
            return Err(protocol("input or output that was not announced"));
        };
        *elapsed_ns = elapsed_ns.saturating_add(delay.map_or(0, event::nanos).max(0));
        if *elapsed_ns - *committed_ns < COMMIT_EVERY_NS {
            return Ok(());
        }
        *committed_ns = *elapsed_ns;
        let elapsed_ns = *elapsed_ns;
        self.commit_point(elapsed_ns).await
    }

    async fn commit_point(&mut self, elapsed_ns: i64) -> Result<(), Ended> {
        self.send(Server::CommitPoint(TimeSpec {
            seconds: elapsed_ns / 1_000_000_000,
            nanoseconds: i32::try_from(elapsed_ns % 1_000_000_000).unwrap_or(0),
        }))
        .await
    }

    async fn spool(&self, observation: Option<crate::source::Observation>) -> Result<(), Ended> {
        let observations = observation.into_iter().collect();
        let spooled = self.agent.observe(observations).await;
        spooled.map_err(Ended::Unrecorded)
    }

    async fn send(&mut self, kind: Server) -> Result<(), Ended> {
        let message = ServerMessage { kind: Some(kind) };
        let sent = self.frames.send(&message).await;
        sent.map_err(Ended::Transport)
    }
}

fn protocol(why: impl Into<String>) -> Ended {
    Ended::Protocol(why.into())
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a client names a run by when it comes back, perhaps to a new process of ours: all that the exit needs.
fn log_id(start: &Start) -> String {
    let stored = if start.is_stored { "stored" } else { "passed" };
    format!(
        "{LOG_ID}/{}/{}/{stored}",
        start.source_key, start.observed_at_us
    )
}

fn start_of(log_id: &str) -> Option<Start> {
    let mut parts = log_id.split('/');
    if parts.next() != Some(LOG_ID) {
        return None;
    }
    let source_key = Uuid::try_parse(parts.next()?).ok()?.into();
    let observed_at_us = parts.next()?.parse().ok()?;
    let is_stored = match parts.next()? {
        "stored" => true,
        "passed" => false,
        _ => return None,
    };
    parts.next().is_none().then_some(Start {
        source_key,
        observed_at_us,
        is_stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_id_names_its_start_and_nothing_else_is_one() {
        for is_stored in [false, true] {
            let start = Start {
                source_key: SourceKey::derive(&[b"x"]),
                observed_at_us: 1_795_478_400_000_001,
                is_stored,
            };
            let id = log_id(&start);
            assert_eq!(start_of(&id), Some(start));
            assert_eq!(start_of(&format!("{id}/")), None);
            assert_eq!(start_of(&id[..id.len() - 1]), None);
        }
        for other in ["", "epm1", "/var/log/sudo-io/00/00/01", "epm1/é/1/1"] {
            assert_eq!(start_of(other), None, "{other}");
        }
    }
}
