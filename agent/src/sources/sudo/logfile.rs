//! sudo's own text log (`Defaults logfile`): one record a line, or wrapped with four blanks before what goes on.

use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::Readings;

use super::super::format::{self, Flow, Format};
use super::super::lines::{LINE_LIMIT, LineReader, Lines};
use super::super::stamp::{self, Stamp, TextTime};
use super::text_record::{TextRecord, TextRuns};

/// sudo's own text log.
pub static FORMAT: Format = Format {
    name: "sudo's own log file",
    recognises: |head| head.lines().any(|line| split(line).is_some()),
    reading: format::Reading::Pieces(|| Box::new(Lines::new(Log::new()))),
};

/// Takes the first line of a record apart into its stamp and the message from the user on.
pub(super) fn split(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    let (stamp, rest) = stamp::split(line)?;
    let message = rest.strip_prefix(b": ")?;
    // A user with its separator follows.
    message
        .windows(3)
        .any(|bytes| bytes == b" : ")
        .then_some((stamp, message))
}

// A record that may go on in the next line.
#[derive(Debug)]
struct Held {
    stamp: Vec<u8>,
    observed_at_us: Option<i64>,
    message: Vec<u8>,
}

#[derive(Debug)]
struct Log {
    held: Option<Held>,
    runs: TextRuns,
}

impl LineReader for Log {
    fn line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        if let Some(more) = line.strip_prefix(b"    ") {
            return self.extend(more, into);
        }
        self.release(into)?;
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        let Some((stamp, message)) = split(line) else {
            return into.unreadable("a line without stamp and user");
        };
        self.held = Some(Held {
            stamp: stamp.text.to_vec(),
            observed_at_us: stamp.resolve(time),
            message: message.to_vec(),
        });
        ControlFlow::Continue(())
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.release(into)
    }
}

impl Log {
    fn new() -> Self {
        Self {
            held: None,
            runs: TextRuns::new(v1::SensorKind::SudoLogfile, "logfile"),
        }
    }

    fn extend(&mut self, more: &[u8], into: &mut dyn Readings) -> Flow {
        let Some(held) = &mut self.held else {
            return into.unreadable("a wrapped line without its beginning");
        };
        if held.message.len() + more.len() > LINE_LIMIT {
            self.held = None;
            return into.unreadable("a wrapped record longer than 1 MiB");
        }
        // sudo wraps at a blank and drops it.
        held.message.push(b' ');
        held.message.extend_from_slice(more);
        ControlFlow::Continue(())
    }

    fn release(&mut self, into: &mut dyn Readings) -> Flow {
        let Some(held) = self.held.take() else {
            return ControlFlow::Continue(());
        };
        self.runs.record(
            TextRecord {
                host: "",
                stamp: &held.stamp,
                observed_at_us: held.observed_at_us,
                tag: b"",
                pid: 0,
                message: &held.message,
                repeat_count: 1,
            },
            into,
        )
    }
}

#[cfg(test)]
mod tests;
