//! How far reading has come, told as bytes are read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::sources::evtx::LogFile;

/// How far reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes of the file when it was opened.
    pub total_bytes: u64,
}

/// A file that tells how far it was read.
pub(super) struct Counted<'a> {
    file: File,
    position: u64,
    total: u64,
    told: u64,
    tell: &'a mut dyn FnMut(Progress),
}

/// Bytes between two tellings: fine enough for a bar, too few to cost anything.
const STEP_BYTES: u64 = 256 * 1024;

impl fmt::Debug for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted")
            .field("position", &self.position)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<'a> Counted<'a> {
    /// Tells `tell` about `file`, which stands at its beginning and is `total` bytes long.
    pub(super) fn new(file: File, total: u64, tell: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            file,
            position: 0,
            total,
            told: 0,
            tell,
        }
    }

    // A source may go back to look again; that is no step back.
    fn moved_to(&mut self, position: u64, is_end: bool) {
        self.position = position;
        if position > self.told && (is_end || position - self.told >= STEP_BYTES) {
            self.told = position;
            (self.tell)(Progress {
                done_bytes: position.min(self.total),
                total_bytes: self.total,
            });
        }
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.moved_to(self.position + count as u64, count == 0);
        Ok(count)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.file.seek(to)?;
        self.position = position;
        Ok(position)
    }
}

impl LogFile for Counted<'_> {
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        self.file.next_data(offset)
    }
}
