//! The programs whose messages in a system log tell of elevations, and the way of a message to the reader of its
//! program. It must not know how a log is written or what a message says.

use crate::source::Readings;

use super::format::Flow;
use super::sudo::lines::SudoLines;

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
}

impl Program {
    /// The program that a tag such as `/usr/bin/sudo[123]` or `sudo(pam_unix)[123]` names.
    pub(crate) fn of(tag: &[u8]) -> Option<Self> {
        let name = tag.split(|byte| matches!(byte, b'[' | b'(')).next()?;
        let name = name.rsplit(|byte| *byte == b'/').next()?;
        match name {
            // Where sudo-rs is called sudo, the older program is called sudo.ws.
            b"sudo" | b"sudo-rs" | b"sudo.ws" | b"sudoedit" => Some(Program::Sudo),
            _ => None,
        }
    }
}

/// The readers of all programs, for one log.
#[derive(Debug)]
pub(crate) struct Programs {
    sudo: SudoLines,
}

impl Programs {
    pub(crate) fn new(log: Log) -> Self {
        Self {
            sudo: SudoLines::new(log),
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
        }
    }

    /// Nothing more came for a while: messages that were held back are whole.
    pub(crate) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.sudo.settle(into)
    }
}
