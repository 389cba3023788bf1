//! What a format is to whoever reads logs: how it is recognised and how it is read. One `FORMAT` stands in the file of
//! each source. Nothing here may know a particular one.

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use super::TextTime;
use super::evtx::LogFile;
use crate::source::Readings;

/// Reading stops when whoever takes the readings asks for it; `?` on this is how.
pub type Flow = ControlFlow<()>;

/// What a sequence of JSON texts has in front of each (RFC 7464).
pub(crate) const RECORD_SEPARATOR: u8 = 0x1e;
/// Lines that may come before the first one that shows the format, such as the rest of a cut line.
const LINES_LOOKED_AT: usize = 64;
/// Bytes given to a reader at once.
const READ_BYTES: usize = 256 * 1024;

/// A format of logs.
pub struct Format {
    /// Its name in messages, such as `sudo log file`.
    pub name: &'static str,
    /// Whether a file that begins like this has the format.
    pub recognises: fn(&Head<'_>) -> bool,
    /// How it is read.
    pub reading: Reading,
}

/// How a format is read.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// From its beginning on, in pieces, also while it grows.
    Pieces(fn() -> Box<dyn LogReader>),
    /// Only as a whole: its parts do not stand in order, or it is rewritten.
    Whole(fn(&mut dyn LogFile, &TextTime, &mut dyn Readings) -> io::Result<()>),
}

/// Reads a log that is handed to it in pieces. The same bytes give the same readings, however they are cut.
pub trait LogReader: Send + fmt::Debug {
    /// The next bytes of the log.
    fn bytes(&mut self, bytes: &[u8], time: &TextTime, into: &mut dyn Readings) -> Flow;

    /// Nothing more came for a while: a record that was held back because it might go on is whole.
    fn settle(&mut self, into: &mut dyn Readings) -> Flow;

    /// The log ends here for good.
    fn finish(&mut self, time: &TextTime, into: &mut dyn Readings) -> Flow;
}

impl Format {
    /// Reads all of `file` into `into`.
    ///
    /// # Errors
    ///
    /// Those of the file; damage in it goes to `into`.
    pub fn read(
        &self,
        file: &mut dyn LogFile,
        time: &TextTime,
        into: &mut dyn Readings,
    ) -> io::Result<()> {
        let new_reader = match self.reading {
            Reading::Whole(read) => return read(file, time, into),
            Reading::Pieces(new_reader) => new_reader,
        };
        let mut reader = new_reader();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    if reader.bytes(&buffer[..count], time, into).is_break() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let _ = reader.finish(time, into);
        Ok(())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The first bytes of a file, without a byte order mark.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
}

impl<'a> Head<'a> {
    /// A file that begins with `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it begins as JSON does.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let is_before = |byte: &&u8| byte.is_ascii_whitespace() || **byte == RECORD_SEPARATOR;
        let first = self.bytes.iter().find(|byte| !is_before(byte));
        matches!(first, Some(b'{' | b'['))
    }

    /// The first lines without their ends; none where it is JSON.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        let count = if self.is_json() { 0 } else { LINES_LOOKED_AT };
        self.bytes
            .split(|byte| *byte == b'\n')
            .take(count)
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }
}
