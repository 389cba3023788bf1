//! The bytes of a spool segment: a header, then groups of records, each between two frames that say the same.
//!
//! A group is what one commit wrote: it is there whole or it was never acknowledged. The frame after it repeats the
//! frame before it, so that damage to either leaves the range of sequences known. No IO here.

use epm_proto::chain::HASH_BYTES;
use epm_proto::ids::ID_BYTES;

/// Bytes before the first group.
pub const HEADER_BYTES: usize = 8 + 4 + 4 + ID_BYTES + 8 + 8 + 8 + HASH_BYTES + 4;
/// Bytes of the frame before and after a group.
pub const FRAME_BYTES: usize = 4 + 4 + 8 + 8 + 4 + 4;
/// Bytes before each record: length, checksum, class, sequence.
pub const ENTRY_BYTES: usize = 4 + 4 + 1 + 8;

const MAGIC: &[u8; 8] = b"EPMSPOOL";
const VERSION: u32 = 1;
// 0xFF occurs in no UTF-8 text, so no text of a record can pass for a frame.
const OPENS: [u8; 4] = [0xFF, 0xFE, b'g', b'{'];
const CLOSES: [u8; 4] = [0xFF, 0xFE, b'g', b'}'];

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose records these are.
    pub agent_id: [u8; ID_BYTES],
    /// In which epoch.
    pub epoch: u64,
    /// Sequence of the first record that was written here.
    pub first_sequence: u64,
    /// Hash of the record before that one; `None` for the first of an epoch.
    pub previous_hash: Option<[u8; HASH_BYTES]>,
    /// Wall clock when the segment was begun, microseconds since 1970.
    pub created_us: i64,
}

impl Header {
    /// The header as the file holds it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.previous_hash.is_some()).to_le_bytes());
        bytes.extend_from_slice(&self.agent_id);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first_sequence.to_le_bytes());
        bytes.extend_from_slice(&self.created_us.to_le_bytes());
        bytes.extend_from_slice(&self.previous_hash.unwrap_or_default());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// The header at the start of `file`, where it is whole and of a version that this program knows.
    #[must_use]
    pub fn decode(file: &[u8]) -> Option<Self> {
        let bytes = file.get(..HEADER_BYTES)?;
        let (content, checksum) = bytes.split_at(HEADER_BYTES - 4);
        if crc32c::crc32c(content).to_le_bytes() != checksum
            || &content[..8] != MAGIC
            || content[8..12] != VERSION.to_le_bytes()
        {
            return None;
        }
        let linked = content[12] == 1;
        Some(Self {
            agent_id: content[16..32].try_into().ok()?,
            epoch: read_u64(content, 32)?,
            first_sequence: read_u64(content, 40)?,
            created_us: read_u64(content, 48)? as i64,
            previous_hash: match linked {
                true => Some(content[56..88].try_into().ok()?),
                false => None,
            },
        })
    }
}

/// Where one record lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence.
    pub sequence: u64,
    /// Position of its first byte in the file.
    pub offset: u32,
    /// Its bytes.
    pub length: u32,
    /// Its eviction class.
    pub class: u8,
}

/// Sequences that were in a segment and cannot be read any more, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// First of them.
    pub first: u64,
    /// Last of them; the least that it can be where `exact` is false.
    pub last: u64,
    /// Whether the last one is known.
    pub exact: bool,
}

/// What a segment holds.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Records that are whole, in order.
    pub entries: Vec<Entry>,
    /// What is not.
    pub damage: Vec<Damage>,
    /// Bytes up to the end of the last whole group. What follows was never acknowledged.
    pub good_bytes: u64,
    /// Whether the last group that was begun here can be trusted to be the last one that was acknowledged.
    pub end_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    records: u32,
    first: u64,
    last: u64,
    bytes: u32,
}

impl Frame {
    fn encode(self, magic: [u8; 4], into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&magic);
        into.extend_from_slice(&self.records.to_le_bytes());
        into.extend_from_slice(&self.first.to_le_bytes());
        into.extend_from_slice(&self.last.to_le_bytes());
        into.extend_from_slice(&self.bytes.to_le_bytes());
        let checksum = crc32c::crc32c(&into[start..]);
        into.extend_from_slice(&checksum.to_le_bytes());
    }

    fn decode(file: &[u8], at: usize, magic: [u8; 4]) -> Option<Self> {
        let bytes = file.get(at..at + FRAME_BYTES)?;
        let (content, checksum) = bytes.split_at(FRAME_BYTES - 4);
        if content[..4] != magic || crc32c::crc32c(content).to_le_bytes() != checksum {
            return None;
        }
        Some(Self {
            records: read_u32(content, 4)?,
            first: read_u64(content, 8)?,
            last: read_u64(content, 16)?,
            bytes: read_u32(content, 24)?,
        })
    }
}

/// One commit's records on their way into a segment.
#[derive(Debug, Default)]
pub struct Group {
    list: Vec<u8>,
    entries: Vec<Entry>,
}

impl Group {
    /// Adds a record.
    pub fn push(&mut self, sequence: u64, class: u8, record: &[u8]) {
        let length = record.len() as u32;
        self.list.extend_from_slice(&length.to_le_bytes());
        let checksum = checksum(length, class, sequence, record);
        self.list.extend_from_slice(&checksum.to_le_bytes());
        self.list.push(class);
        self.list.extend_from_slice(&sequence.to_le_bytes());
        self.entries.push(Entry {
            sequence,
            offset: (FRAME_BYTES + self.list.len()) as u32,
            length,
            class,
        });
        self.list.extend_from_slice(record);
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes to write at position `at` of the file, and where the records then lie.
    #[must_use]
    pub fn finish(mut self, at: u64) -> (Vec<u8>, Vec<Entry>) {
        let frame = Frame {
            records: self.entries.len() as u32,
            first: self.entries.first().map_or(0, |entry| entry.sequence),
            last: self.entries.last().map_or(0, |entry| entry.sequence),
            bytes: self.list.len() as u32,
        };
        let mut bytes = Vec::with_capacity(self.list.len() + 2 * FRAME_BYTES);
        frame.encode(OPENS, &mut bytes);
        bytes.extend_from_slice(&self.list);
        frame.encode(CLOSES, &mut bytes);
        for entry in &mut self.entries {
            entry.offset += at as u32;
        }
        (bytes, self.entries)
    }
}

/// Reads a whole segment whose first record had `first_sequence`.
#[must_use]
pub fn read(file: &[u8], first_sequence: u64) -> Content {
    let mut content = Content {
        good_bytes: HEADER_BYTES.min(file.len()) as u64,
        end_known: true,
        ..Content::default()
    };
    let mut at = HEADER_BYTES;
    let mut next = first_sequence;
    while at < file.len() {
        let Some((frame, start)) = next_group(file, at) else {
            content.end_of(&file[at..], next);
            return content;
        };
        let end = start + FRAME_BYTES + frame.bytes as usize + FRAME_BYTES;
        if end > file.len() {
            // Cut inside a group: that commit never finished.
            return content;
        }
        if start > at && frame.first > next {
            content.damage.push(Damage {
                first: next,
                last: frame.first - 1,
                exact: true,
            });
        }
        content.take_group(file, start + FRAME_BYTES, frame);
        next = frame.last + 1;
        at = end;
        content.good_bytes = end as u64;
    }
    content
}

impl Content {
    /// What the bytes after the last group that could be recognised mean.
    fn end_of(&mut self, rest: &[u8], next: u64) {
        // Less than a frame, or nothing but zeros, is a commit that was cut while it began.
        if rest.len() < FRAME_BYTES || rest.iter().all(|byte| *byte == 0) {
            return;
        }
        self.end_known = false;
        self.damage.push(Damage {
            first: next,
            last: next,
            exact: false,
        });
    }

    /// Reads the records of a group; from the first one that is damaged, the rest of the group is lost.
    fn take_group(&mut self, file: &[u8], start: usize, frame: Frame) {
        let end = start + frame.bytes as usize;
        let mut at = start;
        let mut next = frame.first;
        for _ in 0..frame.records {
            match read_entry(&file[..end], at) {
                Some(entry) if entry.sequence >= next && entry.sequence <= frame.last => {
                    at = entry.offset as usize + entry.length as usize;
                    next = entry.sequence + 1;
                    self.entries.push(entry);
                }
                _ => break,
            }
        }
        self.end_known = next > frame.last;
        if !self.end_known {
            self.damage.push(Damage {
                first: next,
                last: frame.last,
                exact: true,
            });
        }
    }
}

/// The group at `at`, or where its first frame is damaged the next one that can be recognised, with its start.
fn next_group(file: &[u8], at: usize) -> Option<(Frame, usize)> {
    if let Some(frame) = Frame::decode(file, at, OPENS) {
        return Some((frame, at));
    }
    let mut probe = at + 1;
    while probe + FRAME_BYTES <= file.len() {
        if file[probe] == OPENS[0] {
            if let Some(frame) = Frame::decode(file, probe, OPENS) {
                return Some((frame, probe));
            }
            if let Some(frame) = Frame::decode(file, probe, CLOSES) {
                let start = probe.checked_sub(frame.bytes as usize + FRAME_BYTES);
                if let Some(start) = start.filter(|start| *start >= at) {
                    return Some((frame, start));
                }
            }
        }
        probe += 1;
    }
    None
}

fn read_entry(file: &[u8], at: usize) -> Option<Entry> {
    let head = file.get(at..at + ENTRY_BYTES)?;
    let length = read_u32(head, 0)?;
    let class = head[8];
    let sequence = read_u64(head, 9)?;
    let start = at + ENTRY_BYTES;
    let record = file.get(start..start.checked_add(length as usize)?)?;
    (read_u32(head, 4)? == checksum(length, class, sequence, record)).then_some(Entry {
        sequence,
        offset: start as u32,
        length,
        class,
    })
}

fn checksum(length: u32, class: u8, sequence: u64, record: &[u8]) -> u32 {
    let mut sum = crc32c::crc32c(&length.to_le_bytes());
    sum = crc32c::crc32c_append(sum, &[class]);
    sum = crc32c::crc32c_append(sum, &sequence.to_le_bytes());
    crc32c::crc32c_append(sum, record)
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
