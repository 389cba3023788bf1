//! A log of lines, handed on line by line however its bytes come. It must not know what a line means.

use std::ops::ControlFlow;

use super::TextTime;
use super::format::{Flow, LogReader};
use crate::source::Readings;

/// Longest line that is read, in bytes: sudo cuts its syslog lines at about a thousand and a command line cannot exceed
/// a few hundred thousand in practice, so a longer line is damage.
pub(crate) const LINE_LIMIT: usize = 1 << 20;

/// What takes the lines of a format.
pub(crate) trait LineReader: Send + std::fmt::Debug {
    /// One line without its end.
    fn line(&mut self, line: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow;

    /// What was held back because it might go on is whole.
    fn settle(&mut self, _into: &mut dyn Readings) -> Flow {
        ControlFlow::Continue(())
    }
}

/// Cuts bytes into lines.
#[derive(Debug)]
pub(crate) struct Lines<L> {
    reader: L,
    // The beginning of a line whose end has not come.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl<L: LineReader> Lines<L> {
    pub(crate) fn new(reader: L) -> Self {
        Self {
            reader,
            begun: Vec::new(),
            is_too_long: false,
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_too_long || self.begun.len() + bytes.len() > LINE_LIMIT {
            self.is_too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, time: &TextTime, into: &mut dyn Readings) -> Flow {
        if std::mem::take(&mut self.is_too_long) {
            return into.unreadable("a line longer than 1 MiB");
        }
        let flow = self.reader.line(without_return(&self.begun), time, into);
        self.begun.clear();
        flow
    }
}

impl<L: LineReader> LogReader for Lines<L> {
    fn bytes(&mut self, mut bytes: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.begun.is_empty() && !self.is_too_long && line.len() <= LINE_LIMIT {
                self.reader.line(without_return(line), time, into)?;
            } else {
                self.keep(line);
                self.end_line(time, into)?;
            }
            bytes = rest;
        }
        self.keep(bytes);
        ControlFlow::Continue(())
    }

    fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        self.reader.settle(into)
    }

    fn finish(&mut self, time: &TextTime, into: &mut dyn Readings) -> Flow {
        if !self.begun.is_empty() || self.is_too_long {
            self.end_line(time, into)?;
        }
        self.reader.settle(into)
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::super::recorded::{Recorded, time};
    use super::*;

    // Hands every line on as unreadable, so that it can be looked at.
    #[derive(Debug)]
    struct Echo;

    impl LineReader for Echo {
        fn line(&mut self, line: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
            into.unreadable(&String::from_utf8_lossy(line))
        }
    }

    fn read(text: &[u8], piece: usize) -> Vec<String> {
        let mut recorded = Recorded::default();
        let mut lines = Lines::new(Echo);
        for piece in text.chunks(piece) {
            let _ = lines.bytes(piece, &time(), &mut recorded);
        }
        let _ = lines.finish(&time(), &mut recorded);
        recorded.unreadable
    }

    #[test]
    fn lines_come_one_by_one_however_the_bytes_are_cut() {
        for piece in 1..24 {
            let lines = read(b"one\r\n\nthree\nlast", piece);
            assert_eq!(lines, ["one", "", "three", "last"]);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_one_read() {
        let mut text = vec![b'x'; LINE_LIMIT + 1];
        text.extend_from_slice(b"\nnext\n");
        for piece in [4096, text.len()] {
            assert_eq!(read(&text, piece), ["a line longer than 1 MiB", "next"]);
        }
    }

    #[test]
    fn the_beginning_of_a_line_waits_for_its_end() {
        let mut recorded = Recorded::default();
        let mut lines = Lines::new(Echo);
        let _ = lines.bytes(b"a line and a ha", &time(), &mut recorded);
        let _ = lines.settle(&mut recorded);
        assert!(recorded.unreadable.is_empty());
        let _ = lines.bytes(b"lf\n", &time(), &mut recorded);
        assert_eq!(recorded.unreadable, ["a line and a half"]);
    }
}
