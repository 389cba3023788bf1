//! One elevation, from the question to the order: who asks, for what, what is decided, what the person has to give, the
//! record, and then the start. Every step that fails refuses; nothing is started before its record is durable.

mod approval;
mod confirm;
mod start;

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use epm_policy::{Moment, Outcome, Platform, Trigger, Variables};
use epm_proto::ids::SourceKey;
use epm_proto::v1::{self, record::Body};
use uuid::Uuid;

use super::Broker;
use super::caller::Caller;
use super::limits::ASK_TIMEOUT;
use super::program::{self, Program};
use super::protocol::{Ask, FromElevate, ToElevate};
use super::record::{self, Settled};
use super::seats::Seat;
use super::steps::{Step, reached};
use super::verdict::{judge, reason, refusal};
use super::visible::visible;
use super::wire::{self, Inbox, ReceiveError};
use crate::clock::now_us;
use crate::file_facts;
use crate::launch::Launch;
use crate::platform::linux::peer::Peer;
use crate::source::Observation;

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// In words for the person: why, and what to do.
    #[error("{0}")]
    Said(String),
    /// The other side went away or is wrong.
    #[error(transparent)]
    Connection(#[from] ReceiveError),
}

/// A refusal with the words of an error and its causes.
fn said(error: &dyn std::error::Error) -> Refusal {
    Refusal::Said(crate::cli::failure::with_causes(error))
}

/// Hears what one `elevate` wants and does it, or refuses.
pub(super) fn converse(broker: &Arc<Broker>, socket: UnixStream, peer: Peer, seat: Seat) {
    let mut conversation = Conversation {
        broker,
        inbox: Inbox::default(),
        socket,
    };
    let refusal = match conversation.run(peer) {
        Ok(()) => return,
        Err(Refusal::Said(words)) => words,
        Err(Refusal::Connection(error)) => format!("the broker ended the connection: {error}"),
    };
    let refused = ToElevate::Refused(refusal).encode();
    let _ = wire::send_at_once(&conversation.socket, &refused);
    drop(seat);
}

struct Conversation<'a> {
    broker: &'a Arc<Broker>,
    inbox: Inbox,
    socket: UnixStream,
}

/// The descriptors of a question.
struct Given {
    streams: [OwnedFd; 3],
    folder: OwnedFd,
    terminal: Option<OwnedFd>,
}

impl Conversation<'_> {
    fn run(&mut self, peer: Peer) -> Result<(), Refusal> {
        let (ask, given) = self.question()?;
        reached(Step::Asked);
        let caller = Arc::new(Caller::of(peer).map_err(|error| said(&error))?);
        let folder = program::plain_path(&given.folder).ok_or_else(|| {
            Refusal::Said(
                "the working folder was removed, or only some processes see it: cd to another"
                    .to_owned(),
            )
        })?;
        let name = Path::new(std::ffi::OsStr::from_bytes(&ask.arguments[0]));
        let program = program::open(name, &given.folder, &caller.peer).map_err(|e| said(&e))?;
        let mut launch = self.launch(&ask, &caller, &program)?;
        let set = self.broker.policies.current();
        let mut verdict = judge(&set, &launch);
        if verdict.outcome == Outcome::RequestApproval {
            // Approvals are read and their signatures looked at only where one decides.
            launch.approvals = self.approvals().collect();
            verdict = judge(&set, &launch);
        }
        reached(Step::Judged);
        let folder = folder.to_string_lossy();
        let terminal = record::terminal_name(given.terminal.as_ref());
        let mut settled = Settled {
            ask: &ask,
            caller: &caller,
            launch: &launch,
            verdict: &verdict,
            justification: None,
            authenticated: false,
            folder: &folder,
            terminal: &terminal,
            device_name: &self.broker.device_name,
        };
        let confirmed;
        let grant = match &verdict.outcome {
            Outcome::Elevate(grant) => *grant,
            Outcome::Confirm(grant, validation) => {
                confirmed = self.confirm(&settled, *validation)?;
                settled.justification = confirmed.justification.as_deref();
                settled.authenticated = confirmed.authenticated;
                self.still_holds(&settled)?;
                *grant
            }
            Outcome::RequestApproval => {
                let reason = self.reason_of_request(&settled)?;
                settled.justification = reason.as_deref();
                let words = self.how_to_ask(&settled);
                let outcome = v1::Outcome::Denied;
                return Err(self.refuse(&settled, outcome, "approval_required", words));
            }
            other => {
                let outcome = match other {
                    Outcome::Fail(_) => v1::Outcome::Failed,
                    _ => v1::Outcome::Denied,
                };
                let shown = visible(&launch.file.path.to_string_lossy());
                return Err(self.refuse(
                    &settled,
                    outcome,
                    reason(other),
                    refusal(&verdict, &shown),
                ));
            }
        };
        reached(Step::Answered);
        self.start(&caller, &settled, grant, (&program, &given))
    }

    fn question(&mut self) -> Result<(Ask, Given), Refusal> {
        let deadline = Instant::now() + ASK_TIMEOUT;
        let message = self.inbox.wait(&self.socket, Some(deadline))?;
        let decoded = FromElevate::decode(&message).map_err(ReceiveError::Wire)?;
        let FromElevate::Ask(ask) = decoded else {
            return Err(ReceiveError::Wire(wire::WireError::Value).into());
        };
        let count = 4 + usize::from(ask.terminal);
        let descriptors = self.inbox.descriptors(count).map_err(ReceiveError::Wire)?;
        let mut each = descriptors.into_iter();
        let mut next = || {
            each.next()
                .ok_or(ReceiveError::Wire(wire::WireError::Descriptors))
        };
        let given = Given {
            streams: [next()?, next()?, next()?],
            folder: next()?,
            terminal: match ask.terminal {
                true => Some(next()?),
                false => None,
            },
        };
        // A device that says it is a terminal is asked like one; anything else would be asked in vain.
        if given
            .terminal
            .as_ref()
            .is_some_and(|terminal| !rustix::termios::isatty(terminal))
        {
            return Err(ReceiveError::Wire(wire::WireError::Descriptors).into());
        }
        Ok((ask, given))
    }

    fn launch(&self, ask: &Ask, caller: &Caller, program: &Program) -> Result<Launch, Refusal> {
        let moment = now();
        let facts = file_facts::look_again(
            &program.file,
            &program.path,
            &self.broker.witnesses,
            moment.unix_s,
            &self.broker.facts,
        );
        // Arguments that are no text cannot be compared with a list of texts: then they are not known.
        let text = |argument: &Vec<u8>| String::from_utf8(argument.clone()).ok();
        let arguments = ask.arguments[1..].iter().map(text).collect();
        let parent = caller.parent_path.as_ref();
        Ok(Launch {
            platform: Platform::Linux,
            trigger: Trigger::RunWithElevatedAccess,
            file: facts.map_err(|error| said(&error))?,
            arguments,
            person: caller.person.clone(),
            device: self.broker.device.clone(),
            parent_path: parent.map(|path| path.to_string_lossy().into_owned()),
            moment,
            variables: Variables::default(),
            approvals: Vec::new(),
        })
    }

    /// Records that nothing is started, and gives the words for the person once that is durable.
    fn refuse(
        &self,
        settled: &Settled<'_>,
        outcome: v1::Outcome,
        reason: &str,
        words: impl Into<String>,
    ) -> Refusal {
        let elevation = record::elevation(settled, outcome, reason, None);
        let observation = observation(elevation, SourceKey::from(Uuid::new_v4()));
        match self.broker.observe(vec![observation]) {
            Ok(()) => Refusal::Said(words.into()),
            Err(error) => said(&error),
        }
    }
}

/// The time, as rules know it.
pub(super) fn now() -> Moment {
    let now = jiff::Zoned::now();
    Moment {
        unix_s: now.timestamp().as_second(),
        utc_offset_min: i16::try_from(now.offset().seconds() / 60).unwrap_or(0),
    }
}

pub(super) fn observation(elevation: v1::Elevation, key: SourceKey) -> Observation {
    Observation {
        observed_at_us: now_us(),
        source_key: Some(key),
        class: record::class(&elevation),
        body: Body::Elevation(elevation),
    }
}
