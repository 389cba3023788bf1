//! Lines of Santa's log file: `[stamp] I santad: action=EXEC|decision=ALLOW|…`. It takes a line apart; what a start means
//! is told elsewhere.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::source::Readings;

use super::super::TextTime;
use super::super::format::Flow;
use super::super::lines::LineReader;
use super::super::windows::time::utc_us;
use super::OTHER_ACTION;
use super::execution::{Execution, device_of};
use super::lineage::Lineage;

/// Most fields of a line; Santa writes about twenty.
const MAX_FIELDS: usize = 64;

/// Lines that may come before the first whole one, such as the rest of a cut line.
const LINES_LOOKED_AT: usize = 8;

/// Reads the lines of a log.
#[derive(Debug, Default)]
pub(super) struct SantaLines {
    lineage: Lineage,
}

/// Whether Santa wrote a log that begins with `head`. Its lines begin with the bracket that JSON may begin with too.
pub(super) fn is_log(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').take(LINES_LOOKED_AT);
    lines.any(|line| split(line).is_some())
}

/// The stamp and the fields of a line.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"[")?;
    let end = rest.iter().take(64).position(|byte| *byte == b']')?;
    let fields = rest[end + 1..].strip_prefix(b" I santad: ")?;
    fields
        .starts_with(b"action=")
        .then_some((&rest[..end], fields))
}

impl LineReader for SantaLines {
    fn line(&mut self, line: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        let Some((stamp, fields)) = split(line) else {
            return into.unreadable("a line that Santa did not write");
        };
        let (stamp, fields) = (
            String::from_utf8_lossy(stamp),
            String::from_utf8_lossy(fields),
        );
        let fields = Fields::of(&fields);
        let device = device_of(fields.text("machineid"));
        let process = fields.number("pid").map(|pid| (device, pid));
        let parent = fields.number("ppid").map(|pid| (device, pid));
        match (fields.text("action"), process) {
            ("EXEC", Some((_, pid))) => {
                let Some(observed_at_us) = utc_us(&stamp) else {
                    return into.unreadable("a Santa line whose stamp is no moment");
                };
                fields
                    .execution(observed_at_us, pid)
                    .tell(&mut self.lineage, into)
            }
            ("EXEC", None) => into.unreadable("a Santa line of a start without a process id"),
            (action, process) => {
                match (action, process, parent) {
                    ("FORK", Some(process), Some(parent)) => self.lineage.forked(process, parent),
                    ("EXIT", Some(process), _) => self.lineage.ended(process),
                    _ => {}
                }
                into.skipped(OTHER_ACTION)
            }
        }
    }
}

/// The fields of a line by their names.
struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        let pairs = text.split('|').take(MAX_FIELDS);
        // The first of a name counts: arguments are the user's to choose, and come late.
        let mut fields = HashMap::new();
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            fields.entry(name).or_insert(value);
        }
        Self(fields)
    }

    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    fn execution(&self, observed_at_us: i64, pid: i64) -> Execution<'a> {
        Execution {
            observed_at_us,
            machine: self.text("machineid"),
            pid,
            pid_version: self.number("pidversion").unwrap_or_default(),
            parent_pid: self.number("ppid"),
            real_uid: self.number("uid"),
            real_user: match self.text("user") {
                "(null)" => "",
                name => name,
            },
            effective_uid: None,
            is_denied: self.text("decision") == "DENY",
            reason: self.text("reason"),
            path: self.text("path"),
            arguments: unescaped(self.text("args")),
            sha256: self.text("sha256"),
            signer: self.text("cert_cn"),
            certificate_sha256: self.text("cert_sha256"),
            ..Execution::default()
        }
    }
}

/// Santa writes what would end a field or a line in other words.
fn unescaped(text: &str) -> String {
    text.replace("<pipe>", "|")
        .replace("\\n", "\n")
        .replace("\\r", "\r")
}
