//! Lines of a file of any size in one reused buffer.

use std::io::{self, BufRead};

/// Longest line that is read, in bytes: sudo cuts its syslog lines at about a thousand and a command line cannot exceed
/// a few hundred thousand in practice, so a longer line is damage.
pub(super) const LINE_LIMIT: usize = 1 << 20;

/// The next piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// One line without its end.
    Text(&'a [u8]),
    /// A line longer than [`LINE_LIMIT`], passed over.
    TooLong,
}

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
        }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let mut too_long = false;
        loop {
            let chunk = match self.from.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                if self.buffer.is_empty() && !too_long {
                    return Ok(None);
                }
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            if too_long || self.buffer.len() + text.len() > LINE_LIMIT {
                too_long = true;
                self.buffer.clear();
            } else {
                self.buffer.extend_from_slice(text);
            }
            let taken = text.len() + usize::from(end.is_some());
            self.from.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if too_long {
            return Ok(Some(Line::TooLong));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        Ok(Some(Line::Text(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_whatever_the_buffer_holds() {
        for capacity in 1..12 {
            let text = &b"one\r\n\nthree\nlast"[..];
            let mut lines = Lines::new(io::BufReader::with_capacity(capacity, text));
            let mut seen = Vec::new();
            while let Some(line) = lines.next().expect("memory reads") {
                let Line::Text(text) = line else {
                    panic!("no line is too long");
                };
                seen.push(String::from_utf8_lossy(text).into_owned());
            }
            assert_eq!(seen, ["one", "", "three", "last"]);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_one_read() {
        let mut text = vec![b'x'; LINE_LIMIT + 1];
        text.extend_from_slice(b"\nnext\n");
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.next().expect("memory reads"), Some(Line::TooLong));
        assert_eq!(
            lines.next().expect("memory reads"),
            Some(Line::Text(b"next"))
        );
        assert_eq!(lines.next().expect("memory reads"), None);
    }
}
