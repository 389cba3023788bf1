//! The audit log of Linux: `audit.log`, what `ausearch --raw` prints, and audit records in a system log.
//!
//! Two things in it are elevations: a program that started with an effective user of 0 on behalf of somebody who logged
//! in (execve), and the command that sudo was asked for (USER_CMD). What sudo's record leaves out, as whom it ran, the
//! records behind it say. Nothing else is read here.
//!
//! A source key is made of the node, the event's time and serial and the process, so that the raw and the enriched form
//! of one log, and a rotated copy, give the same keys.

mod events;
mod execve;
mod line;
mod raisers;
mod user_cmd;

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::source::Readings;

use super::TextTime;
use super::format::{self, Flow, Format};
use super::lines::{LineReader, Lines};

use events::Events;
use line::Record;
use raisers::Raisers;
use user_cmd::Commands;

/// An audit log.
pub static FORMAT: Format = Format {
    name: "audit log of Linux",
    recognises: |head| head.lines().any(is_record),
    reading: format::Reading::Pieces(|| Box::new(Lines::new(AuditLines::default()))),
};

fn is_record(line: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(line) else {
        return false;
    };
    match line::parse(line) {
        Ok(_) => true,
        Err(why) => why.is_none() && line.contains("type="),
    }
}

#[derive(Debug, Default)]
struct AuditLines {
    audit: Audit,
}

impl LineReader for AuditLines {
    fn line(&mut self, line: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        match line {
            b"" => ControlFlow::Continue(()),
            // ausearch prints it between events.
            b"----" => into.skipped("heading"),
            line if line.starts_with(b"time->") => into.skipped("heading"),
            line => self.audit.record("", line, into),
        }
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.audit.settle(into)
    }
}

/// Reads audit records, whichever log they stand in.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    events: Events,
    commands: Commands,
    raisers: Raisers,
}

impl Audit {
    /// Hands on what the record in `line` says, now or with the other records of its event. `host` wrote it, where it
    /// names no node itself.
    pub(crate) fn record(&mut self, host: &str, line: &[u8], into: &mut dyn Readings) -> Flow {
        let line = String::from_utf8_lossy(line);
        let record = match line::parse(&line) {
            Ok(record) => record,
            Err(Some(damage)) => return into.unreadable(damage),
            Err(None) => return into.skipped("other_record"),
        };
        let node = match record.node {
            "" => host,
            node => node,
        };
        self.pass(node, &record, into)
    }

    /// Nothing more came for a while: what is held is whole.
    pub(crate) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.commands.settle(into)?;
        self.events.settle(&mut self.raisers, into)
    }

    fn pass(&mut self, node: &str, record: &Record<'_>, into: &mut dyn Readings) -> Flow {
        self.commands.pass_time(record.event.time_us, into)?;
        self.events
            .pass_time(record.event.time_us, &mut self.raisers, into)?;
        match record.kind {
            "USER_CMD" => self.commands.asked(node, record, &mut self.raisers, into),
            "USER_START" | "CRED_REFR" | "CRED_ACQ" => {
                self.commands.session(node, record, &mut self.raisers, into)
            }
            "SYSCALL" | "EXECVE" | "CWD" | "PATH" | "PROCTITLE" | "EOE" => {
                self.events.take(node, record, &mut self.raisers, into)
            }
            _ => into.skipped("other_record"),
        }
    }
}

/// The audit record in a message that the kernel, audispd or auditd's plugin wrote into a system log; `None` where it
/// holds none. rsyslog writes the group separator as `#035`.
pub(crate) fn in_message(message: &[u8]) -> Option<Cow<'_, [u8]>> {
    let marks: [&[u8]; 2] = [b"node=", b"type="];
    let at = marks
        .iter()
        .find_map(|mark| message.windows(mark.len()).position(|bytes| bytes == *mark))?;
    let record = &message[at..];
    if !record.windows(6).any(|bytes| bytes == b"audit(") {
        return None;
    }
    let Some(separator) = record.windows(4).rposition(|bytes| bytes == b"#035") else {
        return Some(Cow::Borrowed(record));
    };
    Some(Cow::Owned(
        [&record[..separator], b"\x1d", &record[separator + 4..]].concat(),
    ))
}

#[cfg(test)]
mod tests;
