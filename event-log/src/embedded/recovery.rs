//! What a segment holds after a crash: how far it is whole, and whether what follows was ever durable.
//!
//! A torn tail is what a crash leaves behind a group that nobody was told about: it is cut. Bytes that were durable and
//! do not verify are damage: nothing is cut, and the operator decides. An entry carries the durable end as it was when
//! the entry was written, so a later whole entry proves that an earlier broken one had been durable.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::{Bytes, BytesMut};

use super::format::{ENTRY_HEADER_BYTES, EntryHeader, Parsed, SEGMENT_HEADER_BYTES, parse};
use crate::entry::Offset;

/// Bytes read at once while scanning: large enough that the disk streams, small enough to forget.
const SCAN_CHUNK_BYTES: usize = 4 << 20;
/// One index point for so many bytes: reading at an offset scans at most this far.
pub(crate) const INDEX_INTERVAL_BYTES: u64 = 64 << 10;

/// How far a segment is whole.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Position after the last whole entry.
    pub(crate) end_position: u64,
    /// Offset after it.
    pub(crate) end_offset: Offset,
    /// Points for finding an offset: (offset, position), ascending.
    pub(crate) index: Vec<(Offset, u64)>,
    /// Entries that were passed over on the operator's word.
    pub(crate) skipped: u64,
    /// True where bytes that were durable do not verify at `end_position`.
    pub(crate) damaged: bool,
}

/// Scans a segment from its first entry. `durable_hint` is a durable end known from elsewhere.
pub(crate) fn scan(
    file: &File,
    base: Offset,
    durable_hint: Offset,
    skip_damage: bool,
) -> io::Result<Scan> {
    let file_bytes = file.metadata()?.len();
    let mut scan = Scan {
        end_position: SEGMENT_HEADER_BYTES,
        end_offset: base,
        ..Scan::default()
    };
    let mut window = Window::new(file, file_bytes);
    loop {
        match window.parse_at(scan.end_position)? {
            Parsed::Entry(entry, header) if entry.offset == scan.end_offset => scan.take(&header),
            _ => {
                let later = find_later(&mut window, scan.end_position, scan.end_offset)?;
                let durable = later.map_or(durable_hint, |(_, header)| {
                    header.durable_end.max(durable_hint)
                });
                if durable <= scan.end_offset {
                    return Ok(scan);
                }
                match later {
                    Some((position, header)) if skip_damage => {
                        scan.skipped += header.offset.0 - scan.end_offset.0;
                        scan.end_position = position;
                        scan.end_offset = header.offset;
                    }
                    None if skip_damage => {
                        scan.skipped += durable.0 - scan.end_offset.0;
                        scan.end_offset = durable;
                        return Ok(scan);
                    }
                    _ => {
                        scan.damaged = true;
                        return Ok(scan);
                    }
                }
            }
        }
    }
}

impl Scan {
    fn take(&mut self, header: &EntryHeader) {
        let due = self
            .index
            .last()
            .is_none_or(|(_, position)| self.end_position - position >= INDEX_INTERVAL_BYTES);
        if due {
            self.index.push((header.offset, self.end_position));
        }
        self.end_position += header.entry_bytes() as u64;
        self.end_offset = Offset(header.offset.0 + 1);
    }
}

/// The first whole entry behind `position` with a later offset, found byte by byte: lengths cannot be trusted here.
fn find_later(
    window: &mut Window<'_>,
    position: u64,
    after: Offset,
) -> io::Result<Option<(u64, EntryHeader)>> {
    let mut at = position + 1;
    while at + ENTRY_HEADER_BYTES as u64 <= window.file_bytes {
        let chunk = window.at_least(at, ENTRY_HEADER_BYTES)?;
        let last = chunk.len().saturating_sub(ENTRY_HEADER_BYTES);
        let mut next = 0;
        while next <= last {
            // Segments are written ahead with zeros, and no entry's header is all zeros: its durable end is not.
            let zeros = leading_zeros(&chunk[next..]);
            if zeros >= ENTRY_HEADER_BYTES {
                next += zeros - ENTRY_HEADER_BYTES + 1;
                continue;
            }
            let shift = next;
            next += 1;
            let candidate = EntryHeader::read(&chunk[shift..])
                // An offset can be ahead only by as many entries as fit before it.
                .filter(|header| {
                    header.offset > after && header.offset.0 - after.0 <= at + shift as u64
                })
                .filter(|header| header.durable_end <= header.offset && header.durable_end.0 > 0);
            if candidate.is_some()
                && let Parsed::Entry(_, header) = window.parse_at(at + shift as u64)?
            {
                return Ok(Some((at + shift as u64, header)));
            }
        }
        at += (chunk.len() - ENTRY_HEADER_BYTES + 1) as u64;
    }
    Ok(None)
}

/// How many bytes at the start are zero. Compared in blocks, because whole segments of them are looked through.
fn leading_zeros(bytes: &[u8]) -> usize {
    const BLOCK: [u8; 4096] = [0; 4096];
    let mut zeros = 0;
    while bytes[zeros..].starts_with(&BLOCK) {
        zeros += BLOCK.len();
    }
    let rest = &bytes[zeros..];
    zeros
        + rest
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(rest.len())
}

/// A stretch of the file in memory.
struct Window<'a> {
    file: &'a File,
    file_bytes: u64,
    start: u64,
    bytes: Bytes,
}

impl<'a> Window<'a> {
    fn new(file: &'a File, file_bytes: u64) -> Self {
        Self {
            file,
            file_bytes,
            start: 0,
            bytes: Bytes::new(),
        }
    }

    fn parse_at(&mut self, position: u64) -> io::Result<Parsed> {
        let mut wanted = ENTRY_HEADER_BYTES;
        loop {
            let chunk = self.at_least(position, wanted)?;
            match parse(&chunk, 0) {
                Parsed::Short(bytes) if position + bytes as u64 <= self.file_bytes => {
                    wanted = bytes
                }
                Parsed::Short(_) => return Ok(Parsed::Invalid),
                parsed => return Ok(parsed),
            }
        }
    }

    /// Bytes from `position` on: at least `wanted` where the file has them.
    fn at_least(&mut self, position: u64, wanted: usize) -> io::Result<Bytes> {
        let held = position >= self.start
            && position + wanted as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            let left = self.file_bytes.saturating_sub(position);
            let length = left.min(SCAN_CHUNK_BYTES.max(wanted) as u64) as usize;
            let mut buffer = BytesMut::zeroed(length);
            self.file.read_exact_at(&mut buffer, position)?;
            self.start = position;
            self.bytes = buffer.freeze();
        }
        Ok(self.bytes.slice((position - self.start) as usize..))
    }
}
