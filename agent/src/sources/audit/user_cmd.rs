//! sudo's own record in the audit log, USER_CMD: the command that was asked for, and whether sudo ran it.
//!
//! It does not say as whom. The record of the session that the same process opens at once does, so a command is held
//! until that comes.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::{Readings, Verdict};

use super::super::command::file_name;
use super::super::format::Flow;
use super::super::unmanaged::{Seen, reading_of};
use super::events::{key, user};
use super::execve::{Syscall, known_id};
use super::line::{Record, field, text};
use super::raisers::Raisers;

/// Commands held at once: sudo opens the session milliseconds later. The oldest goes when more come.
const HELD_COMMANDS: usize = 64;
/// How long a command waits for its session.
const SESSION_WINDOW_US: i64 = 2_000_000;

#[derive(Debug)]
struct Held {
    node: String,
    event: String,
    time_us: i64,
    caller: Syscall,
    command: String,
    directory: String,
    terminal: String,
}

/// Commands that wait for their session.
#[derive(Debug, Default)]
pub(super) struct Commands {
    held: VecDeque<Held>,
}

impl Commands {
    /// Hands on a refusal, or holds what sudo will run.
    pub(super) fn asked(
        &mut self,
        node: &str,
        record: &Record<'_>,
        raisers: &mut Raisers,
        into: &mut dyn Readings,
    ) -> Flow {
        let message = message(record.body);
        let Some(command) = field(message, "cmd")
            .map(text)
            .filter(|cmd| !cmd.is_empty())
        else {
            return into.unreadable("a USER_CMD record without a command");
        };
        let said = |name: &str| field(message, name).map(text).unwrap_or_default();
        let held = Held {
            node: node.to_owned(),
            event: record.event.text.to_owned(),
            time_us: record.event.time_us,
            caller: caller(record),
            command,
            directory: said("cwd"),
            terminal: said("terminal"),
        };
        match said("res").as_str() {
            "success" | "1" => {}
            "failed" | "0" => return hand_on(held, Verdict::Denied, None, into),
            _ => return into.unreadable("a USER_CMD record without a result"),
        }
        raisers.asked(node, held.time_us, &held.caller, &held.command);
        if self.held.len() == HELD_COMMANDS {
            self.release(0, None, into)?;
        }
        self.held.push_back(held);
        ControlFlow::Continue(())
    }

    /// A session began or was given credentials: a command of the same process runs as its account.
    pub(super) fn session(
        &mut self,
        node: &str,
        record: &Record<'_>,
        raisers: &mut Raisers,
        into: &mut dyn Readings,
    ) -> Flow {
        let pid = caller(record).pid;
        let account = field(message(record.body), "acct").map(text);
        let held = self
            .held
            .iter()
            .position(|held| held.caller.pid == pid && held.node == node);
        if let (Some(at), Some(account)) = (held, account.filter(|account| !account.is_empty())) {
            if account != "root" {
                raisers.forget(node, pid);
            }
            self.release(at, Some(account), into)?;
        }
        into.skipped("session")
    }

    /// Something happened at `time_us`: commands long before it have no session.
    pub(super) fn pass_time(&mut self, time_us: i64, into: &mut dyn Readings) -> Flow {
        while self
            .held
            .front()
            .is_some_and(|held| time_us.saturating_sub(held.time_us) > SESSION_WINDOW_US)
        {
            self.release(0, None, into)?;
        }
        ControlFlow::Continue(())
    }

    /// Nothing more came for a while.
    pub(super) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        while !self.held.is_empty() {
            self.release(0, None, into)?;
        }
        ControlFlow::Continue(())
    }

    fn release(&mut self, at: usize, account: Option<String>, into: &mut dyn Readings) -> Flow {
        let Some(held) = self.held.remove(at) else {
            return ControlFlow::Continue(());
        };
        let verdict = match account.as_deref() {
            Some("root") => Verdict::Elevated,
            Some(_) => Verdict::NotElevated,
            None => Verdict::Undecided,
        };
        hand_on(held, verdict, account, into)
    }
}

// Who called: the fields in front of `msg='…'` that USER_CMD shares with a call.
fn caller(record: &Record<'_>) -> Syscall {
    Syscall {
        program: field(message(record.body), "exe")
            .map(text)
            .unwrap_or_default(),
        user_id: field(record.body, "uid").and_then(known_id),
        ..Syscall::of(record)
    }
}

// The text that the program gave.
fn message(body: &str) -> &str {
    let quoted = field(body, "msg").unwrap_or_default();
    quoted.trim_matches('\'')
}

fn hand_on(held: Held, verdict: Verdict, account: Option<String>, into: &mut dyn Readings) -> Flow {
    let (program, arguments) = held
        .command
        .split_once(' ')
        .unwrap_or((held.command.as_str(), ""));
    let seen = Seen {
        sensor: v1::SensorKind::AuditUserCmd,
        trigger: v1::Trigger::Sudo,
        account: v1::AccountClass::Person,
    };
    let is_root = verdict == Verdict::Elevated;
    let elevation = v1::Elevation {
        run_as: if is_root {
            v1::RunAs::Root
        } else {
            v1::RunAs::Unspecified
        }
        .into(),
        user: Some(v1::User {
            target_user_name: account.unwrap_or_default(),
            target_user_id: if is_root { "0" } else { "" }.to_owned(),
            ..user(
                &held.caller.audit_id.clone().or(held.caller.user_id.clone()),
                &held.caller.audit_name,
            )
        }),
        device: Some(v1::Device {
            device_name: held.node.clone(),
            ..v1::Device::default()
        }),
        file: Some(v1::File {
            path: program.to_owned(),
            file_name: file_name(program),
            arguments: arguments.to_owned(),
            ..v1::File::default()
        }),
        process: Some(v1::Process {
            // The record is sudo's; the process that it starts has another id or the same.
            parent_pid: held.caller.pid,
            parent_path: held.caller.program.clone(),
            working_directory: held.directory,
            terminal: held.terminal,
            logon_id: held.caller.session.clone(),
            ..v1::Process::default()
        }),
        repeat_count: 1,
        ..v1::Elevation::default()
    };
    let source_key = key(&held.node, &held.event, b"user_cmd", held.caller.pid);
    into.reading(reading_of(
        verdict,
        seen,
        held.time_us,
        source_key,
        elevation,
    ))
}
