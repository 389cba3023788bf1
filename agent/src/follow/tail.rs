//! An open file that grows, and the position in it. It must not know what its bytes mean.
//!
//! Each read begins a little before the position and is believed only where those bytes are still the same. So a file
//! that was cut and has grown again is noticed, also where it is longer than before.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use flate2::read::MultiGzDecoder;

use super::mark::{FileId, FileMark, Fingerprint, HEAD_BYTES, TAIL_BYTES};

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes.
    Bytes(usize),
    /// Nothing more, yet.
    End,
    /// Something else stands where the file had been read: it was cut.
    Replaced,
}

/// A file that is read to its end again and again.
pub(crate) struct Tail {
    file: File,
    // Its content, where it is packed; positions then count what comes out.
    unpacked: Option<MultiGzDecoder<At>>,
    id: FileId,
    position: u64,
    head: Vec<u8>,
    overlap: Vec<u8>,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail")
            .field("id", &self.id)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Tail {
    /// Opens the file at `path`, at its beginning.
    ///
    /// # Errors
    ///
    /// The system's; of kind [`io::ErrorKind::IsADirectory`] for a folder, of `InvalidInput` for a pipe or the like.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Looked at first: opening a pipe would wait for its writer.
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = File::open(path)?;
        Self::beginning_of(file)
    }

    /// The same file, at its beginning.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Self::beginning_of(self.file.try_clone()?)
    }

    fn beginning_of(file: File) -> io::Result<Self> {
        let id = FileId::of(&file.metadata()?);
        let mut magic = [0; GZIP_MAGIC.len()];
        let is_packed = file.read_at(&mut magic, 0)? == magic.len() && magic == GZIP_MAGIC;
        let unpacked = match is_packed {
            true => Some(MultiGzDecoder::new(At::beginning(&file)?)),
            false => None,
        };
        Ok(Self {
            file,
            unpacked,
            id,
            position: 0,
            head: Vec::new(),
            overlap: Vec::new(),
            scratch: Vec::new(),
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.unpacked.is_some()
    }

    /// The open file, for a format that is read as a whole.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether what was read ends with a line.
    pub(crate) fn is_between_lines(&self) -> bool {
        self.overlap.last().is_none_or(|byte| *byte == b'\n')
    }

    /// Size, and the time of the last change in microseconds since 1970.
    pub(crate) fn state(&self) -> io::Result<(u64, i64)> {
        let metadata = self.file.metadata()?;
        Ok((metadata.len(), changed_us(&metadata)))
    }

    /// The first `limit` bytes as they are now, unpacked.
    pub(crate) fn beginning(&self, limit: usize) -> io::Result<Vec<u8>> {
        let from = At::beginning(&self.file)?;
        let mut bytes = Vec::new();
        match self.is_packed() {
            true => MultiGzDecoder::new(from)
                .take(limit as u64)
                .read_to_end(&mut bytes)?,
            false => from.take(limit as u64).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    /// Reads on into `buffer`, from its beginning.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        let piece = match &mut self.unpacked {
            Some(unpacked) => match retried(|| unpacked.read(buffer))? {
                0 => Piece::End,
                count => Piece::Bytes(count),
            },
            None => self.read_behind_overlap(buffer)?,
        };
        if let Piece::Bytes(count) = piece {
            self.passed(&buffer[..count]);
        }
        Ok(piece)
    }

    /// Stands where a format that is read as a whole was read to; what stood there is not remembered.
    pub(crate) fn stand_at(&mut self, position: u64) {
        self.position = position;
        self.head.clear();
        self.overlap.clear();
    }

    /// Stands where `mark` says, in a file that [is it](Self::is).
    pub(crate) fn skip_to(&mut self, mark: &FileMark) -> io::Result<()> {
        if self.is_packed() {
            let mut buffer = vec![0; TAIL_BYTES];
            while self.position < mark.position {
                let left = mark.position - self.position;
                let step = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                if self.read(&mut buffer[..step])? == Piece::End {
                    break;
                }
            }
            return Ok(());
        }
        self.head = self.beginning(mark.head.len())?;
        self.overlap.resize(mark.tail.len(), 0);
        let from = mark.position.saturating_sub(mark.tail.len() as u64);
        self.file.read_exact_at(&mut self.overlap, from)?;
        self.position = mark.position;
        Ok(())
    }

    /// Whether this is the file of `mark`, grown or not. A copy or a packed copy is the file too.
    pub(crate) fn is(&self, mark: &FileMark) -> io::Result<bool> {
        if !mark.has_content() {
            return Ok(self.id == mark.id);
        }
        if !mark.head.begins(&self.beginning(mark.head.len())?) {
            return Ok(false);
        }
        if self.is_packed() {
            let mut unpacked = self.again()?;
            unpacked.skip_to(mark)?;
            return Ok(unpacked.position == mark.position
                && Fingerprint::of(&unpacked.overlap) == mark.tail);
        }
        let length = mark.tail.len();
        let mut tail = vec![0; length];
        let from = mark.position.saturating_sub(length as u64);
        match self.file.read_exact_at(&mut tail, from) {
            Ok(()) => Ok(Fingerprint::of(&tail) == mark.tail),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the content of a file that [is that](Self::is) of `mark` ends where it was read to.
    pub(crate) fn ends_at(&self, mark: &FileMark) -> io::Result<bool> {
        if !self.is_packed() {
            return Ok(self.file.metadata()?.len() == mark.position);
        }
        let mut unpacked = self.again()?;
        unpacked.skip_to(mark)?;
        Ok(unpacked.read(&mut [0])? == Piece::End)
    }

    /// Writes into `mark` which file this is and how far it was read.
    pub(crate) fn write_to(&self, mark: &mut FileMark) {
        mark.id = self.id;
        mark.position = self.position;
        mark.head = Fingerprint::of(&self.head);
        mark.tail = Fingerprint::of(&self.overlap);
    }

    fn read_behind_overlap(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        let before = self.overlap.len();
        let from = self.position - before as u64;
        self.scratch.resize(before + buffer.len(), 0);
        let (file, scratch) = (&self.file, &mut self.scratch);
        // One call, so that the bytes before and the new ones are of one moment.
        let count = retried(|| file.read_at(scratch, from))?;
        if count < before || self.scratch[..before] != self.overlap {
            return Ok(Piece::Replaced);
        }
        let fresh = count - before;
        buffer[..fresh].copy_from_slice(&self.scratch[before..count]);
        Ok(match fresh {
            0 => Piece::End,
            fresh => Piece::Bytes(fresh),
        })
    }

    fn passed(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES - self.head.len();
        if self.head.len() as u64 == self.position.min(HEAD_BYTES as u64) {
            self.head
                .extend_from_slice(&bytes[..bytes.len().min(missing)]);
        }
        self.position += bytes.len() as u64;
        let kept = TAIL_BYTES.saturating_sub(bytes.len());
        let surplus = self.overlap.len().saturating_sub(kept);
        self.overlap.drain(..surplus);
        let from = bytes.len().saturating_sub(TAIL_BYTES);
        self.overlap.extend_from_slice(&bytes[from..]);
    }
}

/// When a file was last changed, microseconds since 1970.
pub(crate) fn changed_us(metadata: &std::fs::Metadata) -> i64 {
    let since = metadata
        .modified()
        .ok()
        .and_then(|changed| changed.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Reads a file from its beginning without moving the position that others of its handles share.
#[derive(Debug)]
struct At {
    file: File,
    position: u64,
}

impl At {
    fn beginning(file: &File) -> io::Result<Self> {
        Ok(Self {
            file: file.try_clone()?,
            position: 0,
        })
    }
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
