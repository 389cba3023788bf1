//! Programs that raise rights on request, while they run: which start is a tool's own, and which is what it was asked
//! to start. It reads no record and hands nothing on.

use std::collections::VecDeque;

use epm_proto::v1::Trigger;

use super::super::command::file_name;
use super::execve::{Started, Syscall};

/// Runs remembered at once. Each waits for the one program that it starts; the oldest is forgotten when more come.
const RUNS: usize = 256;
/// How long a tool may take until it starts the program: sudo gives up asking for a password after five minutes.
const RUN_WINDOW_US: i64 = 300_000_000;

/// How long sudo takes from saying what it runs to starting it.
const COMMAND_WINDOW_US: i64 = 2_000_000;

/// A start with administrator rights, or without.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) node: &'a str,
    pub(super) time_us: i64,
    pub(super) syscall: &'a Syscall,
    pub(super) command: &'a Started,
    pub(super) is_elevated: bool,
}

/// What made a start an elevation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) trigger: Trigger,
    /// Process id and path of the tool that started it, where it was one.
    pub(super) by: Option<(u64, String)>,
}

#[derive(Debug)]
struct Run {
    node: String,
    pid: u64,
    time_us: i64,
    trigger: Trigger,
    path: String,
    audit_id: Option<String>,
    session: String,
    // What sudo said that it was asked for.
    command: Option<String>,
}

/// Tools that have not started their program yet.
#[derive(Debug, Default)]
pub(super) struct Raisers {
    runs: VecDeque<Run>,
}

impl Raisers {
    /// sudo's process `pid` was asked for `command`.
    pub(super) fn asked(&mut self, node: &str, time_us: i64, caller: &Syscall, command: &str) {
        self.forget(node, caller.pid);
        self.remember(Run {
            node: node.to_owned(),
            pid: caller.pid,
            time_us,
            trigger: Trigger::Sudo,
            path: caller.program.clone(),
            audit_id: caller.audit_id.clone(),
            session: caller.session.clone(),
            command: Some(command.to_owned()),
        });
    }

    /// Why `start` has its rights.
    pub(super) fn started(&mut self, start: &Start<'_>) -> Raised {
        let plain = Raised {
            trigger: Trigger::Child,
            by: None,
        };
        if !start.is_elevated {
            return plain;
        }
        if let Some(trigger) = trigger_of(&start.syscall.program) {
            self.run(trigger, start);
            return Raised { trigger, by: None };
        }
        if let Some(run) = self.runs.iter().rposition(|run| run.has_started(start))
            && let Some(run) = self.runs.remove(run)
        {
            return Raised {
                trigger: run.trigger,
                by: Some((run.pid, run.path)),
            };
        }
        // Whoever is not root and gets its rights by starting a program has them from the program's owner.
        let is_child = start.syscall.user_id.as_deref() == Some("0");
        Raised {
            trigger: if is_child {
                Trigger::Child
            } else {
                Trigger::Setuid
            },
            ..plain
        }
    }

    // A start is whole later than the record of what the same process was asked for.
    fn run(&mut self, trigger: Trigger, start: &Start<'_>) {
        let syscall = start.syscall;
        let is_known = |run: &Run| {
            run.command.is_some()
                && run.pid == syscall.pid
                && run.node == start.node
                && run.time_us >= start.time_us
        };
        if self.runs.iter().any(is_known) {
            return;
        }
        self.forget(start.node, syscall.pid);
        self.remember(Run {
            node: start.node.to_owned(),
            pid: syscall.pid,
            time_us: start.time_us,
            trigger,
            path: syscall.program.clone(),
            audit_id: syscall.audit_id.clone(),
            session: syscall.session.clone(),
            command: None,
        });
    }

    /// The run of process `pid` will start nothing as root.
    pub(super) fn forget(&mut self, node: &str, pid: u64) {
        self.runs.retain(|run| run.pid != pid || run.node != node);
    }

    fn remember(&mut self, run: Run) {
        if self.runs.len() == RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }
}

impl Run {
    // The program replaces the tool or is its child. Where sudo gives it a terminal of its own, another process of sudo
    // stands between them, which starts nothing by itself: then the command and the session tell.
    fn has_started(&self, start: &Start<'_>) -> bool {
        let syscall = start.syscall;
        let passed = start.time_us.saturating_sub(self.time_us);
        if self.node != start.node || !(0..=RUN_WINDOW_US).contains(&passed) {
            return false;
        }
        if self.pid == syscall.pid || self.pid == syscall.parent_pid {
            return true;
        }
        passed <= COMMAND_WINDOW_US
            && self.audit_id == syscall.audit_id
            && self.session == syscall.session
            && syscall.user_id.as_deref() == Some("0")
            && self.command.as_ref() == Some(&start.command.command())
    }
}

/// The tool that lies at `path`, in a folder that only root writes to. A program of that name elsewhere is none.
pub(super) fn trigger_of(path: &str) -> Option<Trigger> {
    const FOLDERS: [&str; 6] = [
        "/usr/bin/",
        "/bin/",
        "/usr/sbin/",
        "/usr/local/bin/",
        "/run/wrappers/",
        "/nix/store/",
    ];
    if !FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    match file_name(path).as_str() {
        "sudo" | "sudo-rs" | "sudo.ws" | "sudoedit" => Some(Trigger::Sudo),
        "su" => Some(Trigger::Su),
        "pkexec" => Some(Trigger::Pkexec),
        "doas" => Some(Trigger::Doas),
        _ => None,
    }
}
