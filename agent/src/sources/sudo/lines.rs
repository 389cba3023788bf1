//! sudo's lines in auth.log, secure or syslog: RFC 3164 and ISO 8601 stamps, split commands, exits.
//!
//! sudo cuts a long message into lines of about a thousand bytes and marks all but the first with `(command
//! continued)`. A line is therefore held until the next one of the same user on the same host shows that it is whole.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::Readings;

use super::super::format::Flow;
use super::super::lines::LINE_LIMIT;
use super::super::programs::{Entry, Log};
use super::text_record::{TextRecord, TextRuns};

/// Messages held at once: parallel runs whose lines may interleave. The oldest is taken as whole when more come.
const HELD_MESSAGES: usize = 16;
const CONTINUED: &[u8] = b"(command continued) ";

#[derive(Debug)]
struct Held {
    host: String,
    tag: Vec<u8>,
    pid: u64,
    user: Vec<u8>,
    stamp: Vec<u8>,
    observed_at_us: Option<i64>,
    message: Vec<u8>,
    // Where sudo found a blank it cut there and dropped it; a piece without one was cut in a word.
    was_cut_at_blank: bool,
}

/// Reads sudo's messages in a system log.
#[derive(Debug)]
pub(crate) struct SudoLines {
    held: VecDeque<Held>,
    runs: TextRuns,
}

impl SudoLines {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            held: VecDeque::with_capacity(HELD_MESSAGES),
            runs: TextRuns::new(v1::SensorKind::SudoSyslog, log.name()),
        }
    }

    /// Hands on what `entry` says, or keeps it until the next one shows that it is whole.
    pub(crate) fn entry(&mut self, entry: Entry<'_>, into: &mut dyn Readings) -> Flow {
        let Some((user, text)) = split_user(entry.message) else {
            return self.runs.record(record(&entry), into);
        };
        let held = self
            .held
            .iter()
            .position(|held| held.host == entry.host && held.tag == entry.tag && held.user == user);
        if let Some(more) = text.strip_prefix(CONTINUED) {
            return match held {
                Some(at) => self.extend(at, more, into),
                None => into.unreadable("a continued command without its beginning"),
            };
        }
        if let Some(at) = held {
            self.release(at, into)?;
        }
        if entry.repeat_count > 1 {
            return self.runs.record(record(&entry), into);
        }
        if self.held.len() == HELD_MESSAGES {
            self.release(0, into)?;
        }
        self.held.push_back(Held {
            host: entry.host.to_owned(),
            tag: entry.tag.to_vec(),
            pid: entry.pid,
            user: user.to_vec(),
            stamp: entry.stamp.to_vec(),
            observed_at_us: entry.observed_at_us,
            message: entry.message.to_vec(),
            was_cut_at_blank: true,
        });
        ControlFlow::Continue(())
    }

    /// Nothing more came for a while: what is held is whole.
    pub(crate) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        while !self.held.is_empty() {
            self.release(0, into)?;
        }
        ControlFlow::Continue(())
    }

    fn extend(&mut self, at: usize, more: &[u8], into: &mut dyn Readings) -> Flow {
        let held = &mut self.held[at];
        if held.message.len() + more.len() > LINE_LIMIT {
            self.held.remove(at);
            return into.unreadable("a continued command longer than 1 MiB");
        }
        if held.was_cut_at_blank {
            held.message.push(b' ');
        }
        held.message.extend_from_slice(more);
        held.was_cut_at_blank = more.contains(&b' ');
        ControlFlow::Continue(())
    }

    fn release(&mut self, at: usize, into: &mut dyn Readings) -> Flow {
        let Some(held) = self.held.remove(at) else {
            return ControlFlow::Continue(());
        };
        self.runs.record(
            TextRecord {
                host: &held.host,
                stamp: &held.stamp,
                observed_at_us: held.observed_at_us,
                tag: &held.tag,
                pid: held.pid,
                message: &held.message,
                repeat_count: 1,
            },
            into,
        )
    }
}

fn record<'a>(entry: &Entry<'a>) -> TextRecord<'a> {
    TextRecord {
        host: entry.host,
        stamp: entry.stamp,
        observed_at_us: entry.observed_at_us,
        tag: entry.tag,
        pid: entry.pid,
        message: entry.message,
        repeat_count: entry.repeat_count,
    }
}

// `user : text`, where the message has that form and is none of pam's.
fn split_user(message: &[u8]) -> Option<(&[u8], &[u8])> {
    if message.starts_with(b"pam_") {
        return None;
    }
    let at = message.windows(3).position(|bytes| bytes == b" : ")?;
    let text = message[at + 3..].trim_ascii_start();
    Some((message[..at].trim_ascii(), text))
}

#[cfg(test)]
mod tests;
