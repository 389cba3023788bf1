//! Lines that hold messages of Privileges: RFC 5424, the unified log as text, and the program's own history. It takes
//! a line apart; what a change means is told elsewhere.

use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::source::Readings;

use super::super::TextTime;
use super::super::format::Flow;
use super::super::lines::LineReader;
use super::OTHER_ENTRY;
use super::change::Changes;
use super::message;

/// Reads the lines.
#[derive(Debug, Default)]
pub(super) struct PrivilegesLines {
    changes: Changes,
}

impl LineReader for PrivilegesLines {
    fn line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        let text = String::from_utf8_lossy(line);
        let Some((head, words)) = message::split(&text) else {
            return into.unreadable("a line without a message of Privileges");
        };
        let Some(told) = message::parse(words.trim_end()) else {
            return into.skipped(OTHER_ENTRY);
        };
        let (stamp, host) = stamp_and_host(head);
        match moment(&stamp, time) {
            Some(at) if !told.user.is_empty() => self.changes.tell(told, host, at, into),
            _ => into.unreadable("a change of privileges without its time or user"),
        }
    }
}

/// The stamp, its two parts joined, and the host where the line names one: only RFC 5424 does.
fn stamp_and_host(head: &str) -> (String, &str) {
    let (head, is_syslog) = match head.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((_, rest)) => (rest.trim_start_matches(|c: char| c.is_ascii_digit()), true),
        None => (head, false),
    };
    let mut words = head.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    if first.contains('T') {
        let host = words.next().filter(|_| is_syslog).unwrap_or_default();
        return (first.to_owned(), host);
    }
    (format!("{first}T{}", words.next().unwrap_or_default()), "")
}

/// A moment in microseconds since 1970; without a zone it is in that of the log.
pub(super) fn moment(stamp: &str, time: &TextTime) -> Option<i64> {
    if let Ok(moment) = stamp.parse::<Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let moment = stamp.parse::<DateTime>().ok()?;
    Some(time.zone.to_timestamp(moment).ok()?.as_microsecond())
}
