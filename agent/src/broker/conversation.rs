//! One elevation, from the question to the order: who asks, for what, what is decided, what the person has to give, the
//! record, and then the start. Every step that fails refuses; nothing is started before its record is durable.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use epm_policy::{
    ChildBehaviour, Grant, Moment, Outcome, Platform, RunAs, Trigger, Validation, Variables,
};
use epm_proto::ids::SourceKey;
use epm_proto::v1::{self, record::Body};
use uuid::Uuid;

use super::Broker;
use super::caller::Caller;
use super::environment::{Identities, environment};
use super::limits::{ANSWER_TIMEOUT, ASK_TIMEOUT, MAX_JUSTIFICATION_CHARS};
use super::order::Order;
use super::program::{self, Program};
use super::protocol::{Ask, FromElevate, PromptKind, ToElevate};
use super::record::{self, Settled};
use super::seats::Seat;
use super::verdict::{Verdict, judge, reason, refusal};
use super::visible::visible;
use super::wire::{self, Inbox, ReceiveError};
use crate::clock::now_us;
use crate::file_facts;
use crate::launch::Launch;
use crate::platform::linux::accounts::account;
use crate::platform::linux::child::Identity;
use crate::platform::linux::peer::Peer;
use crate::source::Observation;

/// Bits that are taken from every file that an elevated program makes: nobody but root may write it.
const LEAST_UMASK: u32 = 0o022;

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
    let _ = wire::send(
        &conversation.socket,
        &ToElevate::Refused(refusal).encode(),
        &[],
    );
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
        let caller = Caller::of(peer).map_err(|error| said(&error))?;
        let folder = program::plain_path(&given.folder).ok_or_else(|| {
            Refusal::Said(
                "the working folder was removed, or only some processes see it: cd to another"
                    .to_owned(),
            )
        })?;
        let name = Path::new(std::ffi::OsStr::from_bytes(&ask.arguments[0]));
        let program = program::open(name, &given.folder, &caller.peer).map_err(|e| said(&e))?;
        let launch = self.launch(&ask, &caller, &program)?;
        let set = self.broker.policies.current();
        let verdict = judge(&set, &launch);
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
        let shown = visible(&launch.file.path.to_string_lossy());
        let justification;
        let grant = match &verdict.outcome {
            Outcome::Elevate(grant) => *grant,
            Outcome::Confirm(grant, validation) => {
                justification = self.confirm(&settled, *validation, &shown)?;
                settled.justification = justification.as_deref();
                self.still_holds(&launch, &verdict)?;
                *grant
            }
            other => {
                let outcome = match other {
                    Outcome::Fail(_) => v1::Outcome::Failed,
                    _ => v1::Outcome::Denied,
                };
                self.record(&settled, outcome, reason(other))?;
                return Err(Refusal::Said(refusal(&verdict, &shown)));
            }
        };
        self.start(&settled, grant, &program, &given)
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
        let now = jiff::Zoned::now();
        let moment = Moment {
            unix_s: now.timestamp().as_second(),
            utc_offset_min: i16::try_from(now.offset().seconds() / 60).unwrap_or(0),
        };
        let facts = file_facts::look_again(
            &program.file,
            &program.path,
            &self.broker.witnesses,
            moment.unix_s,
            &self.broker.facts,
        );
        let facts = facts.map_err(|error| said(&error))?;
        if let Some(copy) = &program.copy {
            // The copy runs, so the copy is what must have been judged.
            let same = facts.as_policy().sha256.is_some_and(|hash| hash.0 == *copy);
            if !same {
                return Err(Refusal::Said(format!(
                    "{} changed while it was judged: try again",
                    visible(&program.path.to_string_lossy())
                )));
            }
        }
        // Arguments that are no text cannot be compared with a list of texts: then they are not known.
        let text = |argument: &Vec<u8>| String::from_utf8(argument.clone()).ok();
        let arguments = ask.arguments[1..].iter().map(text).collect();
        let parent = caller.parent_path.as_ref();
        Ok(Launch {
            platform: Platform::Linux,
            trigger: Trigger::RunWithElevatedAccess,
            file: facts,
            arguments,
            person: caller.person.clone(),
            device: self.broker.device.clone(),
            parent_path: parent.map(|path| path.to_string_lossy().into_owned()),
            moment,
            variables: Variables::default(),
            approvals: Vec::new(),
        })
    }

    /// Asks for all that is required; the reason, where one was given.
    fn confirm(
        &mut self,
        settled: &Settled<'_>,
        validation: Validation,
        shown: &str,
    ) -> Result<Option<String>, Refusal> {
        if validation.authentication {
            self.record(settled, v1::Outcome::Failed, "authentication_unavailable")?;
            return Err(Refusal::Said(format!(
                "{shown} needs your password once more, and this agent cannot check passwords yet. Ask your support."
            )));
        }
        let mut reason = settled.ask.reason.clone();
        if reason.is_none() {
            let (kind, text) = match validation.business_justification {
                true => (
                    PromptKind::Justification,
                    format!("Why do you need to run {shown} as administrator? "),
                ),
                false => (
                    PromptKind::Confirmation,
                    format!("Run {shown} as administrator? [y/N] "),
                ),
            };
            let answer = self.prompt(kind, text)?;
            if answer.is_none() {
                self.record(settled, v1::Outcome::Cancelled, "cancelled")?;
                return Err(Refusal::Said("cancelled; nothing was run".to_owned()));
            }
            reason = answer.filter(|_| validation.business_justification);
        }
        let reason = reason.map(|reason| reason.trim().to_owned());
        let missing = reason.as_ref().is_none_or(String::is_empty);
        if validation.business_justification && missing {
            self.record(settled, v1::Outcome::Cancelled, "no_justification")?;
            return Err(Refusal::Said(format!(
                "a reason is needed to run {shown} as administrator: elevate --reason TEXT …"
            )));
        }
        let length = reason.as_ref().map_or(0, |reason| reason.chars().count());
        if length > MAX_JUSTIFICATION_CHARS {
            self.record(settled, v1::Outcome::Cancelled, "justification_too_long")?;
            return Err(Refusal::Said(format!(
                "the reason has {length} characters; at most {MAX_JUSTIFICATION_CHARS} are kept. Say it shorter."
            )));
        }
        Ok(reason.filter(|reason| !reason.is_empty()))
    }

    /// `None` where the person gave up or took too long.
    fn prompt(&mut self, kind: PromptKind, text: String) -> Result<Option<String>, Refusal> {
        let prompt = ToElevate::Prompt { kind, text };
        let sent = wire::send(&self.socket, &prompt.encode(), &[]);
        sent.map_err(ReceiveError::Socket)?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let message = match self.inbox.wait(&self.socket, Some(deadline)) {
            Ok(message) => message,
            Err(ReceiveError::TimedOut | ReceiveError::Closed) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match FromElevate::decode(&message).map_err(ReceiveError::Wire)? {
            FromElevate::Answer(answer) => Ok(answer),
            _ => Err(ReceiveError::Wire(wire::WireError::Value).into()),
        }
    }

    /// A person may think for minutes: what was decided must still be so.
    fn still_holds(&self, launch: &Launch, verdict: &Verdict) -> Result<(), Refusal> {
        let now = judge(&self.broker.policies.current(), launch);
        match now.outcome == verdict.outcome {
            true => Ok(()),
            false => Err(Refusal::Said(
                "the policy changed while you answered: try again".to_owned(),
            )),
        }
    }

    /// Returns once the record is durable.
    fn record(
        &self,
        settled: &Settled<'_>,
        outcome: v1::Outcome,
        reason: &str,
    ) -> Result<(), Refusal> {
        let elevation = record::elevation(settled, outcome, reason, None);
        let observation = observation(elevation, SourceKey::from(Uuid::new_v4()));
        self.broker
            .observe(vec![observation])
            .map_err(|error| said(&error))
    }

    fn start(
        &self,
        settled: &Settled<'_>,
        grant: Grant,
        program: &Program,
        given: &Given,
    ) -> Result<(), Refusal> {
        if grant.children != ChildBehaviour::AllowAll {
            self.record(settled, v1::Outcome::Failed, "children_cannot_be_confined")?;
            return Err(Refusal::Said(
                "the rule confines what the program starts, which this agent cannot do yet. Ask your support."
                    .to_owned(),
            ));
        }
        let uid = settled.caller.peer.uid;
        let Some(seat) = self.broker.running.take(uid) else {
            self.record(settled, v1::Outcome::Failed, "too_many_running")?;
            return Err(Refusal::Said(
                "too many elevated programs of yours are running: end one first".to_owned(),
            ));
        };
        let order = order(settled, grant, program)?;
        let elevation = record::elevation(settled, v1::Outcome::Elevated, "", Some(grant));
        let key = SourceKey::from(Uuid::new_v4());
        let start = observation(elevation, key);
        let failed = |error: std::io::Error| said(&error);
        let (path, journal) = self.broker.journal.begin(key, &start).map_err(failed)?;
        // From here on the journal sees to it that the elevation gets an end, whatever happens.
        let watch = UnixStream::pair().map_err(failed)?;
        let recorded = self.broker.observe(vec![start]);
        let started = recorded.map_err(|error| said(&error)).and_then(|()| {
            let descriptors = self.descriptors(given, program, &journal, &watch.1);
            let ordered = self.broker.spawner.order(&order, &descriptors);
            ordered.map_err(|error| said(&error))
        });
        drop(journal);
        drop(watch.1);
        self.broker.watch(watch.0, path, seat);
        started
    }

    fn descriptors<'d>(
        &'d self,
        given: &'d Given,
        program: &'d Program,
        journal: &'d std::fs::File,
        watch: &'d UnixStream,
    ) -> Vec<BorrowedFd<'d>> {
        let [input, output, error] = &given.streams;
        let mut all = vec![
            self.socket.as_fd(),
            input.as_fd(),
            output.as_fd(),
            error.as_fd(),
            given.folder.as_fd(),
            program.runs.as_fd(),
            journal.as_fd(),
            watch.as_fd(),
        ];
        all.extend(given.terminal.as_ref().map(AsFd::as_fd));
        all
    }
}

fn observation(elevation: v1::Elevation, key: SourceKey) -> Observation {
    Observation {
        observed_at_us: now_us(),
        source_key: Some(key),
        class: record::class(&elevation),
        body: Body::Elevation(elevation),
    }
}

/// The account that a program runs as. Root for every grant but one: *elevate as current user* keeps the user's own
/// account, with every capability of root.
fn order(settled: &Settled<'_>, grant: Grant, program: &Program) -> Result<Order, Refusal> {
    let Settled { ask, caller, .. } = settled;
    let (identity, runs_as) = match grant.run_as {
        RunAs::CurrentUser => {
            let identity = Identity {
                uid: caller.peer.uid,
                gid: caller.peer.gid,
                groups: caller.peer.groups.clone(),
                capabilities: true,
            };
            (identity, caller.account.clone())
        }
        RunAs::VirtualAccount => {
            let root = account(0).ok().flatten();
            let root = root.ok_or_else(|| Refusal::Said("this device has no root".to_owned()))?;
            let identity = Identity {
                groups: vec![0],
                ..Identity::default()
            };
            (identity, root)
        }
    };
    let identities = Identities {
        name: &runs_as.name,
        home: &runs_as.home,
        shell: &runs_as.shell,
        by: &caller.account.name,
        by_uid: caller.peer.uid,
        by_gid: caller.peer.gid,
    };
    Ok(Order {
        arguments: ask.arguments.clone(),
        environment: environment(&ask.variables, &identities),
        identity,
        inherited: caller.inherited.clone(),
        umask: ask.umask | LEAST_UMASK,
        script: program.script,
        terminal: ask.terminal,
        foreground: ask.foreground,
    })
}
