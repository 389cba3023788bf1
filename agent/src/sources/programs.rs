//! The programs whose messages in a system log tell of elevations, and the way of a message to the reader of its
//! program. It must not know how a log is written or what a message says.

use crate::source::Readings;

use super::audit::{self, Audit};
use super::format::Flow;
use super::sudo::lines::SudoLines;
use super::tools::{ToolLines, doas, pkexec, su};

/// One message of a program, whichever log it stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// The host that the log names.
    pub(crate) host: &'a str,
    /// What names the moment in source keys: in a text log the stamp as written.
    pub(crate) stamp: &'a [u8],
    /// The moment; `None` where the stamp is none.
    pub(crate) observed_at_us: Option<i64>,
    /// The program with its process id (`sudo[123]`).
    pub(crate) tag: &'a [u8],
    /// Its process id; zero where the log does not say.
    pub(crate) pid: u64,
    /// What the program wrote.
    pub(crate) message: &'a [u8],
    /// How many identical messages the entry stands for.
    pub(crate) repeat_count: u32,
}

/// A kind of system log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// Lines of text.
    Syslog,
}

impl Log {
    /// Its name in source keys, which never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Log::Syslog => "syslog",
        }
    }
}

/// A program whose messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Sudo,
    Su,
    Pkexec,
    Doas,
    /// Whatever passes records of the audit log on.
    Audit,
}

impl Program {
    /// The program that a tag such as `/usr/bin/sudo[123]` or `sudo(pam_unix)[123]` names.
    pub(crate) fn of(tag: &[u8]) -> Option<Self> {
        let name = tag.split(|byte| matches!(byte, b'[' | b'(')).next()?;
        let name = name.rsplit(|byte| *byte == b'/').next()?;
        match name {
            // Where sudo-rs is called sudo, the older program is called sudo.ws.
            b"sudo" | b"sudo-rs" | b"sudo.ws" | b"sudoedit" => Some(Program::Sudo),
            b"su" => Some(Program::Su),
            b"pkexec" => Some(Program::Pkexec),
            b"doas" => Some(Program::Doas),
            b"kernel" | b"audit" | b"audispd" | b"auditd" => Some(Program::Audit),
            _ => None,
        }
    }
}

/// The process id in a tag such as `su[123]`; zero where there is none.
pub(crate) fn pid_of(tag: &[u8]) -> u64 {
    let text = std::str::from_utf8(tag).unwrap_or_default();
    let digits = text
        .rsplit_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The readers of all programs, for one log.
#[derive(Debug)]
pub(crate) struct Programs {
    sudo: SudoLines,
    su: ToolLines,
    pkexec: ToolLines,
    doas: ToolLines,
    audit: Audit,
}

impl Programs {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            sudo: SudoLines::new(log),
            su: ToolLines::new(su::TOOL, log),
            pkexec: ToolLines::new(pkexec::TOOL, log),
            doas: ToolLines::new(doas::TOOL, log),
            audit: Audit::default(),
        }
    }

    /// Hands on what `program` said in `entry`.
    pub(crate) fn entry(
        &mut self,
        program: Program,
        entry: Entry<'_>,
        into: &mut dyn Readings,
    ) -> Flow {
        match program {
            Program::Sudo => self.sudo.entry(entry, into),
            Program::Su => self.su.entry(entry, into),
            Program::Pkexec => self.pkexec.entry(entry, into),
            Program::Doas => self.doas.entry(entry, into),
            Program::Audit => match audit::in_message(entry.message) {
                Some(record) => self.audit.record(entry.host, &record, into),
                None => into.skipped("other_program"),
            },
        }
    }

    /// Hands on what a record of the audit log says that `host` wrote.
    pub(crate) fn audit_record(
        &mut self,
        host: &str,
        record: &[u8],
        into: &mut dyn Readings,
    ) -> Flow {
        self.audit.record(host, record, into)
    }

    /// Nothing more came for a while: messages that were held back are whole.
    pub(crate) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.sudo.settle(into)?;
        self.su.settle(into)?;
        self.pkexec.settle(into)?;
        self.doas.settle(into)?;
        self.audit.settle(into)
    }
}
