//! Events of the audit log, gathered from records that come interleaved and out of order, and what a start says.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Readings, Verdict};

use super::super::command::file_name;
use super::super::format::Flow;
use super::super::unmanaged::{Seen, reading_of};
use super::execve::{Started, Syscall};
use super::line::Record;
use super::raisers::{Raisers, Start};

/// Events that are open at once. The kernel interleaves the records of as many events as it has cores busy with audited
/// calls; the oldest is taken as whole when more come.
const OPEN_EVENTS: usize = 64;
/// How much later than an event another one must be before it is whole: what auditd's own reader waits. Its end is
/// marked in the kernel's stream and not in the file.
const EVENT_WINDOW_US: i64 = 2_000_000;

#[derive(Debug)]
struct Open {
    node: String,
    id: String,
    serial: u64,
    time_us: i64,
    started: Started,
}

/// The events whose records are still coming.
#[derive(Debug, Default)]
pub(super) struct Events {
    open: VecDeque<Open>,
}

impl Events {
    /// Takes a record of an event that may have several.
    pub(super) fn take(
        &mut self,
        node: &str,
        record: &Record<'_>,
        raisers: &mut Raisers,
        into: &mut dyn Readings,
    ) -> Flow {
        let is_same = |open: &Open| {
            open.serial == record.event.serial
                && open.time_us == record.event.time_us
                && open.node == node
        };
        let at = self.open.iter().rposition(is_same);
        if record.kind == "EOE" {
            return match at {
                Some(at) => self.close(at, raisers, into),
                None => into.skipped("other_record"),
            };
        }
        let at = match at {
            Some(at) => at,
            None => {
                if self.open.len() == OPEN_EVENTS {
                    self.close(0, raisers, into)?;
                }
                self.open.push_back(Open {
                    node: node.to_owned(),
                    id: record.event.text.to_owned(),
                    serial: record.event.serial,
                    time_us: record.event.time_us,
                    started: Started::default(),
                });
                self.open.len() - 1
            }
        };
        self.open[at].started.take(record);
        ControlFlow::Continue(())
    }

    /// An event came that happened at `time_us`: events long before it are whole.
    pub(super) fn pass_time(
        &mut self,
        time_us: i64,
        raisers: &mut Raisers,
        into: &mut dyn Readings,
    ) -> Flow {
        while self
            .open
            .front()
            .is_some_and(|open| time_us.saturating_sub(open.time_us) > EVENT_WINDOW_US)
        {
            self.close(0, raisers, into)?;
        }
        ControlFlow::Continue(())
    }

    /// Everything that is open is whole.
    pub(super) fn settle(&mut self, raisers: &mut Raisers, into: &mut dyn Readings) -> Flow {
        while !self.open.is_empty() {
            self.close(0, raisers, into)?;
        }
        ControlFlow::Continue(())
    }

    fn close(&mut self, at: usize, raisers: &mut Raisers, into: &mut dyn Readings) -> Flow {
        let Some(event) = self.open.remove(at) else {
            return ControlFlow::Continue(());
        };
        let Some(syscall) = &event.started.syscall else {
            return into.skipped("event_without_its_call");
        };
        if !syscall.is_execve {
            return into.skipped("other_call");
        }
        if !syscall.has_succeeded {
            return into.skipped("failed_start");
        }
        let Some(effective_id) = &syscall.effective_id else {
            return into.unreadable("an audited start without an effective user");
        };
        let verdict = match (effective_id.as_str(), &syscall.audit_id) {
            ("0", Some(_)) => Verdict::Elevated,
            // Services run as root all the time, and nobody asked for it.
            ("0", None) => return into.skipped("start_by_a_service"),
            _ => Verdict::NotElevated,
        };
        let raised = raisers.started(&Start {
            node: &event.node,
            time_us: event.time_us,
            syscall,
            command: &event.started,
            is_elevated: verdict == Verdict::Elevated,
        });
        let seen = Seen {
            sensor: v1::SensorKind::AuditExecve,
            trigger: raised.trigger,
            account: v1::AccountClass::Person,
        };
        let mut elevation = elevation(&event, syscall);
        if let (Some(process), Some((pid, path))) = (&mut elevation.process, raised.by) {
            process.parent_pid = pid;
            process.parent_path = path;
        }
        into.reading(reading_of(
            verdict,
            seen,
            event.time_us,
            key(&event.node, &event.id, b"execve", syscall.pid),
            elevation,
        ))
    }
}

/// The source key of a process that an event tells of.
pub(super) fn key(node: &str, event: &str, kind: &[u8], pid: u64) -> SourceKey {
    SourceKey::derive(&[
        b"audit",
        node.to_lowercase().as_bytes(),
        event.as_bytes(),
        kind,
        &pid.to_le_bytes(),
    ])
}

fn elevation(event: &Open, syscall: &Syscall) -> v1::Elevation {
    let started = &event.started;
    let path = match syscall.program.as_str() {
        "" => started.path.clone(),
        program => program.to_owned(),
    };
    v1::Elevation {
        run_as: v1::RunAs::Root.into(),
        user: Some(user(&syscall.audit_id, &syscall.audit_name)),
        device: Some(v1::Device {
            device_name: event.node.clone(),
            ..v1::Device::default()
        }),
        file: Some(v1::File {
            file_name: file_name(&path),
            path,
            arguments: started.arguments(),
            ..v1::File::default()
        }),
        process: Some(v1::Process {
            pid: syscall.pid,
            parent_pid: syscall.parent_pid,
            working_directory: started.directory.clone(),
            terminal: syscall.terminal.clone(),
            logon_id: syscall.session.clone(),
            ..v1::Process::default()
        }),
        repeat_count: 1,
        ..v1::Elevation::default()
    }
}

/// The person whom an audit id names, who becomes root. Without a name the id is what the source wrote.
pub(super) fn user(audit_id: &Option<String>, audit_name: &str) -> v1::User {
    let id = audit_id.clone().unwrap_or_default();
    v1::User {
        user_name_raw: match audit_name {
            "" => id.clone(),
            name => name.to_owned(),
        },
        user_id: id,
        target_user_name: "root".to_owned(),
        target_user_id: "0".to_owned(),
        ..v1::User::default()
    }
}
