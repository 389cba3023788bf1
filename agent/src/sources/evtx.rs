//! Windows event log files (EVTX), read chunk by chunk in memory that does not grow with the file.
//!
//! The file header is not believed: a log that was copied while in use says less than it holds. What cannot be read
//! is counted and passed over. It must not keep more than one chunk.

mod chunk;
mod gaps;

use std::io::{self, Read, SeekFrom};
use std::ops::ControlFlow;

use super::format::{self, Format};
use crate::source::Readings;

pub use gaps::LogFile;

/// First bytes of every EVTX file.
pub const FILE_MAGIC: &[u8; 8] = b"ElfFile\0";

/// Bytes of the block that holds the file header; chunks follow it.
const HEADER_BLOCK_BYTES: u64 = 4096;

/// Bytes of a chunk.
const CHUNK_BYTES: u64 = 65_536;

/// Windows' own event logs.
pub static FORMAT: Format = Format {
    name: "a Windows event log (.evtx)",
    recognises: |head| looks_like(head.bytes()),
    reading: format::Reading::Whole(|file, _time, into| {
        read(file, into).map_err(|error| match error {
            ReadError::Io { source, .. } => source,
            error @ ReadError::NotEventLog => io::Error::other(error),
        })
    }),
};

/// Why a log file could not be read at all or to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file does not begin as an event log does.
    #[error("not a Windows event log: it does not begin with ElfFile")]
    NotEventLog,
    /// The file system failed; what came before was read.
    #[error("cannot read the event log at byte {offset}")]
    Io {
        /// Where in the file.
        offset: u64,
        /// What failed.
        source: io::Error,
    },
}

/// Whether a file with these first bytes (eight are enough) is an event log.
#[must_use]
pub fn looks_like(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(FILE_MAGIC)
}

/// Reads every record of `file` in its order there, and stops early without an error where `into` asks to.
///
/// # Errors
///
/// [`ReadError::NotEventLog`] before anything is handed on; [`ReadError::Io`] where the file system fails. Damage is no
/// error: it goes to [`Readings::unreadable`], once a chunk or record.
pub fn read(mut file: impl LogFile, into: &mut dyn Readings) -> Result<(), ReadError> {
    let at = |offset: u64| move |source| ReadError::Io { offset, source };
    file.seek(SeekFrom::Start(0)).map_err(at(0))?;
    let mut magic = Vec::with_capacity(FILE_MAGIC.len());
    (&mut file)
        .take(FILE_MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .map_err(at(0))?;
    if !looks_like(&magic) {
        return Err(ReadError::NotEventLog);
    }
    let mut parser = chunk::ChunkParser::new();
    let mut buffer = Vec::new();
    let mut offset = HEADER_BLOCK_BYTES;
    while let Some(data) = file.next_data(offset).map_err(at(offset))? {
        // A chunk that begins in a hole has no magic, but what is in its rest has to be looked at.
        let chunks_in_hole = data.saturating_sub(offset) / CHUNK_BYTES;
        offset += chunks_in_hole * CHUNK_BYTES;
        file.seek(SeekFrom::Start(offset)).map_err(at(offset))?;
        buffer.clear();
        (&mut file)
            .take(CHUNK_BYTES)
            .read_to_end(&mut buffer)
            .map_err(at(offset))?;
        if buffer.is_empty() {
            break;
        }
        let is_last = (buffer.len() as u64) < CHUNK_BYTES;
        let flow;
        (buffer, flow) = parser.parse(offset, buffer, into);
        if flow == ControlFlow::Break(()) || is_last {
            break;
        }
        offset += CHUNK_BYTES;
    }
    Ok(())
}
