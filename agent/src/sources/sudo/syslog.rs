//! sudo's lines in auth.log, secure or syslog: RFC 3164 and ISO 8601 stamps, split commands, exits.
//!
//! sudo cuts a long message into lines of about a thousand bytes and marks all but the first with `(command
//! continued)`. A line is therefore held until the next one of the same user on the same host shows that it is whole.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::Readings;

use super::super::format::{self, Flow, Format};
use super::super::lines::{LINE_LIMIT, LineReader, Lines};
use super::super::stamp::{self, Stamp, TextTime};
use super::text_record::{TextRecord, TextRuns};

/// Messages held at once: parallel runs whose lines may interleave. The oldest is taken as whole when more come.
const HELD_MESSAGES: usize = 16;
const CONTINUED: &[u8] = b"(command continued) ";

/// Syslog with sudo's lines.
pub static FORMAT: Format = Format {
    name: "auth.log or another syslog file with sudo's lines",
    recognises: |head| head.lines().any(|line| split(line).is_some()),
    reading: format::Reading::Pieces(|| Box::new(Lines::new(Messages::new()))),
};

/// One syslog line taken apart.
#[derive(Debug)]
pub(super) struct Header<'a> {
    stamp: Stamp<'a>,
    host: &'a [u8],
    /// Program and process id without the colon; empty where the line has none.
    pub(super) tag: &'a [u8],
    message: &'a [u8],
}

/// Takes a line apart; `None` where it is no syslog line.
pub(super) fn split(line: &[u8]) -> Option<Header<'_>> {
    let (stamp, rest) = stamp::split(line)?;
    let (host, rest) = word(rest);
    if host.is_empty() || host == b":" {
        return None;
    }
    let (first, behind) = word(rest);
    let (tag, message) = match first.strip_suffix(b":") {
        Some(tag) => (tag, behind),
        None => (&b""[..], rest),
    };
    Some(Header {
        stamp,
        host,
        tag,
        message,
    })
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(text.len());
    let rest = text[end..].trim_ascii_start();
    (&text[..end], rest)
}

#[derive(Debug)]
struct Held {
    host: String,
    tag: Vec<u8>,
    user: Vec<u8>,
    stamp: Vec<u8>,
    observed_at_us: Option<i64>,
    message: Vec<u8>,
    // Where sudo found a blank it cut there and dropped it; a piece without one was cut in a word.
    was_cut_at_blank: bool,
}

#[derive(Debug)]
struct Messages {
    held: VecDeque<Held>,
    runs: TextRuns,
}

impl Messages {
    fn new() -> Self {
        Self {
            held: VecDeque::with_capacity(HELD_MESSAGES),
            runs: TextRuns::new(v1::SensorKind::SudoSyslog, "syslog"),
        }
    }

    fn message_line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        let Some(header) = split(line) else {
            return into.unreadable("a line without stamp and host");
        };
        let program = header.tag.split(|byte| *byte == b'[').next();
        if program != Some(b"sudo") {
            return into.skipped("other_program");
        }
        let (message, repeat_count) = repeated(header.message);
        let host = String::from_utf8_lossy(header.host).into_owned();
        let Some((user, text)) = split_user(message) else {
            return self.runs.record(
                TextRecord {
                    host: &host,
                    stamp: header.stamp.text,
                    observed_at_us: None,
                    tag: header.tag,
                    message,
                    repeat_count,
                },
                into,
            );
        };
        let held = self
            .held
            .iter()
            .position(|held| held.host == host && held.tag == header.tag && held.user == user);
        if let Some(more) = text.strip_prefix(CONTINUED) {
            return match held {
                Some(at) => self.extend(at, more, into),
                None => into.unreadable("a continued command without its beginning"),
            };
        }
        if let Some(at) = held {
            self.release(at, into)?;
        }
        let observed_at_us = header.stamp.resolve(time);
        if repeat_count > 1 {
            return self.runs.record(
                TextRecord {
                    host: &host,
                    stamp: header.stamp.text,
                    observed_at_us,
                    tag: header.tag,
                    message,
                    repeat_count,
                },
                into,
            );
        }
        if self.held.len() == HELD_MESSAGES {
            self.release(0, into)?;
        }
        self.held.push_back(Held {
            host,
            tag: header.tag.to_vec(),
            user: user.to_vec(),
            stamp: header.stamp.text.to_vec(),
            observed_at_us,
            message: message.to_vec(),
            was_cut_at_blank: true,
        });
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
                message: &held.message,
                repeat_count: 1,
            },
            into,
        )
    }
}

impl LineReader for Messages {
    fn line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        self.message_line(line, time, into)
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        while !self.held.is_empty() {
            self.release(0, into)?;
        }
        ControlFlow::Continue(())
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

// rsyslog's `message repeated 2 times: [ … ]`: the message and how often it came.
fn repeated(message: &[u8]) -> (&[u8], u32) {
    let parts = || {
        let rest = message.strip_prefix(b"message repeated ")?;
        let (count, _) = word(rest);
        let count: u32 = std::str::from_utf8(count).ok()?.parse().ok()?;
        let at = rest.iter().position(|byte| *byte == b'[')?;
        let inner = rest[at + 1..].trim_ascii().strip_suffix(b"]")?;
        Some((inner.trim_ascii(), count.max(1)))
    };
    parts().unwrap_or((message, 1))
}

#[cfg(test)]
mod tests;
