//! The programs that come of a confined one: each is judged by its own rules, under what was granted to the program that it
//! comes of, and recorded. What no rule lets run with rights is not started: a process that has become root's cannot be
//! made a user's again from outside.
//!
//! It must not decide by itself.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use epm_policy::{ChildBehaviour, Grant, Outcome, Trigger};
use epm_proto::ids::SourceKey;
use epm_proto::v1;
use uuid::Uuid;

use super::Broker;
use super::caller::Caller;
use super::child::{ChildAsk, answer};
use super::conversation::{now, observation};
use super::limits::{CHILD_TIMEOUT, MAX_KNOWN_CHILDREN, MAX_REFUSED_FILES};
use super::program::{self, Program};
use super::protocol::Ask;
use super::record::{self, Settled};
use super::verdict::{Verdict, judge, reason};
use super::visible::visible;
use super::wire::{self, Inbox};
use crate::file_facts;
use crate::launch::Launch;
use crate::platform::linux::caller::program_and_parent;

/// A process, told from a later one with its number.
type Process = (i32, u64);

/// An elevated program and those that come of it.
pub(super) struct Family {
    broker: Arc<Broker>,
    caller: Arc<Caller>,
    /// The launch that it all comes of.
    launch: Launch,
    grant: Grant,
    terminal: String,
    /// Processes that became a program by a rule of its own.
    known: HashMap<Process, Grant>,
    /// One of them may start nothing, and a process that lost its parents may come of it.
    denies: bool,
    /// What was refused, and how often since it was recorded.
    refused: HashMap<PathBuf, (v1::Elevation, u32)>,
}

impl Family {
    /// Of a program that begins with `grant`.
    pub(super) fn new(
        broker: Arc<Broker>,
        caller: Arc<Caller>,
        launch: Launch,
        (grant, terminal): (Grant, String),
    ) -> Self {
        Self {
            broker,
            caller,
            launch,
            grant,
            terminal,
            known: HashMap::new(),
            denies: false,
            refused: HashMap::new(),
        }
    }

    /// Answers one question; false where nobody is left to ask.
    pub(super) fn hear(&mut self, asking: &UnixStream) -> bool {
        let mut inbox = Inbox::default();
        let Ok(message) = inbox.wait(asking, Some(Instant::now() + CHILD_TIMEOUT)) else {
            return false;
        };
        let asked = ChildAsk::decode(&message)
            .ok()
            .zip(inbox.descriptors(1).ok());
        let allowed = match asked {
            Some((ask, mut files)) => files.pop().is_some_and(|file| self.judge(&ask, &file)),
            None => false,
        };
        wire::send(asking, &answer(allowed), &[]).is_ok()
    }

    fn judge(&mut self, ask: &ChildAsk, file: &OwnedFd) -> bool {
        let Some(process) = process(ask.pid) else {
            return false;
        };
        let under = self.grant_of(process, ask.program);
        if under.children == ChildBehaviour::AllowAll {
            return true;
        }
        let Ok(program) = program::of(file, Path::new("program")) else {
            return false;
        };
        let Some(launch) = self.launch_of(ask, under, &program) else {
            return false;
        };
        let verdict = judge(&self.broker.policies.current(), &launch);
        let changeable = !ask.fixed || program.is_changeable();
        let (outcome, reason, grant) = match &verdict.outcome {
            Outcome::Elevate(_) if changeable => (v1::Outcome::Denied, "file_changeable", None),
            Outcome::Elevate(grant) => (v1::Outcome::Elevated, "", Some(*grant)),
            Outcome::Confirm(..) | Outcome::RequestApproval => {
                (v1::Outcome::Denied, "child_cannot_be_confirmed", None)
            }
            other => (v1::Outcome::Denied, reason(other), None),
        };
        let elevation = self.elevation(ask, &launch, &verdict, (outcome, reason, grant));
        match grant {
            Some(grant) => self.allow(process, grant, elevation),
            None => {
                self.refuse(program.path, elevation);
                false
            }
        }
    }

    /// Allowed once its record is durable.
    fn allow(&mut self, process: Process, grant: Grant, elevation: v1::Elevation) -> bool {
        self.known
            .retain(|known, _| self::process(known.0) == Some(*known));
        if self.known.len() >= MAX_KNOWN_CHILDREN {
            return false;
        }
        let key = SourceKey::from(Uuid::new_v4());
        let recorded = self.broker.observe(vec![observation(elevation, key)]);
        let allowed = recorded.is_ok();
        if allowed {
            self.denies |= grant.children == ChildBehaviour::DenyAll;
            self.known.insert(process, grant);
        }
        allowed
    }

    /// The first refusal of a file is recorded at once, the others together at the end.
    fn refuse(&mut self, path: PathBuf, elevation: v1::Elevation) {
        if let Some((_, more)) = self.refused.get_mut(&path) {
            *more = more.saturating_add(1);
            return;
        }
        if self.refused.len() >= MAX_REFUSED_FILES {
            if let Some((_, more)) = self.refused.values_mut().next() {
                *more = more.saturating_add(1);
            }
            return;
        }
        let told = observation(elevation.clone(), SourceKey::from(Uuid::new_v4()));
        if let Err(error) = self.broker.observe(vec![told]) {
            tracing::warn!(%error, "a refused child is not recorded");
        }
        self.refused.insert(path, (elevation, 0));
    }

    /// Records what was refused again and again.
    pub(super) fn end(self) {
        let repeated = self.refused.into_values().filter(|(_, more)| *more > 0);
        let told = repeated.map(|(elevation, more)| {
            let elevation = v1::Elevation {
                repeat_count: more,
                ..elevation
            };
            observation(elevation, SourceKey::from(Uuid::new_v4()))
        });
        if let Err(error) = self.broker.observe(told.collect()) {
            tracing::warn!(%error, "refused children are not recorded");
        }
    }

    /// What the program has that this process was, or comes of. Whose parents ended can no longer be said: then it may come
    /// of the one with the least.
    fn grant_of(&self, process: Process, program: i32) -> Grant {
        let mut at = Some(process);
        // Numbers of parents fall or end at the first process; this bounds a tree that changes while it is looked at.
        for _ in 0..MAX_KNOWN_CHILDREN {
            let Some(looked_at) = at else { break };
            if let Some(grant) = self.known.get(&looked_at) {
                return *grant;
            }
            if looked_at.0 == program {
                return self.grant;
            }
            at = program_and_parent(looked_at.0).1.and_then(self::process);
        }
        match self.denies {
            true => Grant {
                children: ChildBehaviour::DenyAll,
                ..self.grant
            },
            false => self.grant,
        }
    }

    fn launch_of(&self, ask: &ChildAsk, under: Grant, program: &Program) -> Option<Launch> {
        let moment = now();
        let broker = &self.broker;
        let facts = file_facts::look_again(
            &program.file,
            &program.path,
            &broker.witnesses,
            moment.unix_s,
            &broker.facts,
        );
        let text = |argument: &Vec<u8>| String::from_utf8(argument.clone()).ok();
        let arguments = ask.arguments.as_ref();
        let arguments = arguments.and_then(|all| all.iter().skip(1).map(text).collect());
        let parent = program_and_parent(ask.pid).0;
        Some(Launch {
            trigger: Trigger::Child(under),
            file: facts.ok()?,
            arguments,
            parent_path: parent.map(|path| path.to_string_lossy().into_owned()),
            moment,
            approvals: Vec::new(),
            ..self.launch.clone()
        })
    }

    fn elevation(
        &self,
        ask: &ChildAsk,
        launch: &Launch,
        verdict: &Verdict,
        (outcome, reason, grant): (v1::Outcome, &str, Option<Grant>),
    ) -> v1::Elevation {
        let folder = std::fs::read_link(format!("/proc/{}/cwd", ask.pid)).unwrap_or_default();
        let named = launch.file.path.as_os_str().as_bytes().to_vec();
        let asked = Ask {
            arguments: ask
                .arguments
                .clone()
                .filter(|all| !all.is_empty())
                .unwrap_or(vec![named]),
            ..Ask::default()
        };
        let settled = Settled {
            ask: &asked,
            caller: &self.caller,
            launch,
            verdict,
            justification: None,
            authenticated: false,
            folder: &folder.to_string_lossy(),
            terminal: &self.terminal,
            device_name: &self.broker.device_name,
        };
        let mut elevation = record::elevation(&settled, outcome, reason, grant);
        if let Some(process) = &mut elevation.process {
            process.process_type = v1::ProcessType::Child.into();
            process.pid = u64::from(ask.pid.unsigned_abs());
            process.parent_path = launch
                .parent_path
                .as_deref()
                .map(visible)
                .unwrap_or_default();
            process.parent_pid = program_and_parent(ask.pid).1.unwrap_or_default() as u64;
        }
        elevation
    }
}

/// A process by number and time of its start; `None` where it is gone.
fn process(pid: i32) -> Option<Process> {
    // The name stands in brackets and may hold anything; the start is the twentieth number behind it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, numbers) = stat.rsplit_once(')')?;
    let started = numbers.split_whitespace().nth(19)?.parse().ok()?;
    Some((pid, started))
}
