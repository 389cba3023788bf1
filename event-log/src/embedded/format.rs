//! The bytes of a segment file. It must not touch a file.
//!
//! A segment is a 64-byte header and then entries back to back; the rest of the preallocated file is zero. An entry is
//! a 52-byte header and its payload. The checksum covers everything behind it, so that a flipped bit anywhere in an
//! entry shows; an all-zero header does not verify, which ends the log.

use bytes::Bytes;

use crate::entry::{Entry, EntryKind, NewEntry, Offset, PartitionId};

/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
/// Bytes of an entry's header: length, checksum, offset, durable end when written, time, kind, padding, key.
pub(crate) const ENTRY_HEADER_BYTES: usize = 52;
/// Largest payload. The collector's records are at most 256 KiB; the rest is room for entries of its own.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"EPMLOG\0\0";
const VERSION: u32 = 1;

/// The header of a segment.
pub(crate) fn segment_header(
    partition: PartitionId,
    base: Offset,
) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&partition.0.to_le_bytes());
    header[16..24].copy_from_slice(&base.0.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..24]);
    header[24..28].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Checks that `header` opens the segment of `partition` that begins at `base`.
pub(crate) fn check_segment_header(
    header: &[u8],
    partition: PartitionId,
    base: Offset,
) -> Result<(), String> {
    let expected = segment_header(partition, base);
    if header.len() < expected.len() {
        return Err("the header is cut short".to_owned());
    }
    if header[..8] != expected[..8] {
        return Err("it does not begin with the mark of a segment".to_owned());
    }
    if header[8..12] != expected[8..12] {
        let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        return Err(format!(
            "its version is {version} and this program reads {VERSION}"
        ));
    }
    if header[..28] != expected[..28] {
        return Err("it belongs to another partition or position".to_owned());
    }
    Ok(())
}

/// Appends one entry to `buffer`.
pub(crate) fn encode(buffer: &mut Vec<u8>, offset: Offset, durable_end: Offset, entry: &NewEntry) {
    let start = buffer.len();
    buffer.extend_from_slice(&(entry.payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&offset.0.to_le_bytes());
    buffer.extend_from_slice(&durable_end.0.to_le_bytes());
    buffer.extend_from_slice(&entry.received_at_ms.to_le_bytes());
    buffer.extend_from_slice(&[entry.kind.number(), 0, 0, 0]);
    buffer.extend_from_slice(&entry.key);
    buffer.extend_from_slice(&entry.payload);
    let checksum = checksum(&buffer[start..]);
    buffer[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// The checksum covers the length and everything behind the checksum itself.
fn checksum(entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&entry[..4]), &entry[8..])
}

/// An entry's header, before its payload was verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryHeader {
    pub(crate) payload_bytes: usize,
    checksum: u32,
    pub(crate) offset: Offset,
    /// The durable end of the partition when this entry was written.
    pub(crate) durable_end: Offset,
    received_at_ms: i64,
    kind: EntryKind,
    key: [u8; 16],
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

impl EntryHeader {
    /// Reads a header; `None` where `bytes` are too few or the length cannot be one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..ENTRY_HEADER_BYTES)?;
        let payload_bytes = u32::from_le_bytes(array(header, 0)) as usize;
        (payload_bytes <= MAX_PAYLOAD_BYTES).then(|| Self {
            payload_bytes,
            checksum: u32::from_le_bytes(array(header, 4)),
            offset: Offset(u64::from_le_bytes(array(header, 8))),
            durable_end: Offset(u64::from_le_bytes(array(header, 16))),
            received_at_ms: i64::from_le_bytes(array(header, 24)),
            kind: EntryKind::from_number(header[32]),
            key: array(header, 36),
        })
    }

    /// Bytes of the whole entry.
    pub(crate) fn entry_bytes(&self) -> usize {
        ENTRY_HEADER_BYTES + self.payload_bytes
    }
}

/// What stands at a position.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A whole entry, and its header.
    Entry(Entry, EntryHeader),
    /// More bytes are needed: this many in all.
    Short(usize),
    /// Not an entry.
    Invalid,
}

/// Reads the entry at `at` of `bytes`, sharing them.
pub(crate) fn parse(bytes: &Bytes, at: usize) -> Parsed {
    let rest = &bytes[at..];
    if rest.len() < ENTRY_HEADER_BYTES {
        return Parsed::Short(ENTRY_HEADER_BYTES);
    }
    let Some(header) = EntryHeader::read(rest) else {
        return Parsed::Invalid;
    };
    let Some(whole) = rest.get(..header.entry_bytes()) else {
        return Parsed::Short(header.entry_bytes());
    };
    if checksum(whole) != header.checksum {
        return Parsed::Invalid;
    }
    let start = at + ENTRY_HEADER_BYTES;
    let entry = Entry {
        offset: header.offset,
        kind: header.kind,
        received_at_ms: header.received_at_ms,
        key: header.key,
        payload: bytes.slice(start..start + header.payload_bytes),
    };
    Parsed::Entry(entry, header)
}
