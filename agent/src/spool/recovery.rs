//! Reads a spool folder as it was left. It must not write: `status` and `queue` read the spool of a running agent.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use epm_proto::chain::{HASH_BYTES, record_hash};
use epm_proto::ids::AgentId;

use super::acknowledged::{self, Acknowledged};
use super::segment::{self, Content, Damage, Entry, HEADER_BYTES, Header};

/// Name of the file that remembers what was acknowledged.
pub(super) const CURSOR_NAME: &str = "acknowledged";
const SEGMENT_SUFFIX: &str = "segment";

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) first_sequence: u64,
    pub(super) created_us: i64,
    pub(super) file_bytes: u64,
    pub(super) entries: Vec<Entry>,
}

/// One epoch's segments, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) epoch: u64,
    pub(super) next_sequence: u64,
    pub(super) segments: VecDeque<Segment>,
    pub(super) acknowledged: Acknowledged,
}

impl Life {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            next_sequence: 1,
            segments: VecDeque::new(),
            acknowledged: Acknowledged::default(),
        }
    }

    /// Records that nobody has acknowledged, oldest first, from `from` on.
    pub(super) fn waiting(&self, from: u64) -> impl Iterator<Item = (&Segment, &Entry)> {
        let from = from.max(self.acknowledged.before());
        self.segments
            .iter()
            .filter(move |segment| {
                segment
                    .entries
                    .last()
                    .is_some_and(|last| last.sequence >= from)
            })
            .flat_map(move |segment| {
                let start = segment
                    .entries
                    .partition_point(|entry| entry.sequence < from);
                segment.entries[start..]
                    .iter()
                    .map(move |entry| (segment, entry))
            })
            .filter(|(_, entry)| !self.acknowledged.contains(entry.sequence))
    }
}

/// Where an epoch can go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) previous_hash: Option<[u8; HASH_BYTES]>,
    /// Bytes of the last segment that are good, where it can be written on.
    pub(super) good_bytes: Option<u64>,
}

/// Sequences of `epoch` that were in a file and are gone.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) epoch: u64,
    pub(super) damage: Damage,
    /// The file to set aside; `None` where a file is missing.
    pub(super) path: Option<PathBuf>,
}

/// A spool folder as it was left.
#[derive(Clone, Debug, Default)]
pub(super) struct Recovered {
    /// Oldest epoch first.
    pub(super) lives: Vec<Life>,
    /// How the last one can go on; `None` where it cannot.
    pub(super) end: Option<End>,
    pub(super) found: Vec<Found>,
    /// Files of another agent.
    pub(super) foreign: Vec<(u64, PathBuf)>,
}

/// The name of the segment whose first record is `sequence` of `epoch`.
pub(super) fn segment_path(directory: &Path, epoch: u64, sequence: u64) -> PathBuf {
    directory.join(format!("{epoch:020}-{sequence:020}.{SEGMENT_SUFFIX}"))
}

pub(super) fn parse_name(path: &Path) -> Option<(u64, u64)> {
    if path.extension()? != SEGMENT_SUFFIX {
        return None;
    }
    let (epoch, sequence) = path.file_stem()?.to_str()?.split_once('-')?;
    Some((epoch.parse().ok()?, sequence.parse().ok()?))
}

/// Reads everything in `directory`.
///
/// # Errors
///
/// The system's, where the folder itself cannot be listed. A file that cannot be read is damage, not an error.
pub(super) fn recover(directory: &Path, agent_id: AgentId) -> io::Result<Recovered> {
    let mut names: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    for item in std::fs::read_dir(directory)? {
        let path = item?.path();
        if let Some(name) = parse_name(&path) {
            names.insert(name, path);
        }
    }
    let cursor = acknowledged::load(&directory.join(CURSOR_NAME));
    let mut recovered = Recovered::default();
    for ((epoch, first), path) in names {
        recovered.take_file(agent_id, epoch, first, path);
    }
    for life in &mut recovered.lives {
        let gone: Vec<Damage> = recovered
            .found
            .iter()
            .filter(|found| found.epoch == life.epoch)
            .map(|found| found.damage)
            .collect();
        let known = cursor.as_ref().and_then(|epochs| epochs.get(&life.epoch));
        if let Some(known) = known {
            life.acknowledged = known.clone();
        }
        for damage in gone {
            life.acknowledged.add(damage.first, damage.last);
        }
        // Without the cursor, a segment that was delivered and deleted looks like one that is missing.
        if known.is_some() {
            let missing = missing_files(life);
            for found in &missing {
                life.acknowledged.add(found.damage.first, found.damage.last);
            }
            recovered.found.extend(missing);
        }
    }
    Ok(recovered)
}

impl Recovered {
    fn take_file(&mut self, agent_id: AgentId, epoch: u64, first: u64, path: PathBuf) {
        // An absent file is one that a running agent has just deleted because it was delivered.
        let file = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            other => other.ok(),
        };
        let header = file.as_deref().and_then(Header::decode);
        if header.is_some_and(|header| header.agent_id != *agent_id.as_bytes()) {
            self.foreign.push((epoch, path));
            return;
        }
        if self.lives.last().is_none_or(|life| life.epoch != epoch) {
            self.lives.push(Life::new(epoch));
            self.end = None;
        }
        if let Some(bytes) = file.as_deref().filter(|bytes| bytes.len() < HEADER_BYTES) {
            // Cut while the segment was begun: nothing was ever in it.
            let begun = first == 1
                && self
                    .lives
                    .last()
                    .is_some_and(|life| life.segments.is_empty());
            if begun || bytes.is_empty() && first == 1 {
                self.end = Some(End {
                    previous_hash: None,
                    good_bytes: None,
                });
            }
            return;
        }
        let content = match &file {
            Some(bytes) => segment::read(bytes, first),
            None => unreadable(first),
        };
        self.end = end_of(&content, header, first, file.as_deref(), self.end);
        for damage in &content.damage {
            self.found.push(Found {
                epoch,
                damage: *damage,
                path: Some(path.clone()),
            });
        }
        let Some(life) = self.lives.last_mut() else {
            return;
        };
        let last = content.entries.last().map(|entry| entry.sequence + 1);
        let lost = content.damage.last().map(|damage| damage.last + 1);
        life.next_sequence = life
            .next_sequence
            .max(last.unwrap_or(first))
            .max(lost.unwrap_or(first));
        life.segments.push_back(Segment {
            path,
            first_sequence: first,
            created_us: header.map_or(0, |header| header.created_us),
            file_bytes: file.map_or(0, |bytes| bytes.len() as u64),
            entries: content.entries,
        });
    }
}

fn unreadable(first: u64) -> Content {
    Content {
        damage: vec![Damage {
            first,
            last: first,
            exact: false,
        }],
        ..Content::default()
    }
}

/// How the epoch goes on after this segment, when it is the last one.
fn end_of(
    content: &Content,
    header: Option<Header>,
    first: u64,
    file: Option<&[u8]>,
    before: Option<End>,
) -> Option<End> {
    if !content.end_known {
        return None;
    }
    let last = content.entries.last().and_then(|entry| {
        let start = entry.offset as usize;
        file?.get(start..start + entry.length as usize)
    });
    let previous_hash = match (last, header) {
        (Some(record), _) => Some(record_hash(record)),
        (None, Some(header)) => header.previous_hash,
        (None, None) if first == 1 => None,
        // The header is damaged and nothing follows it: the segment before knows the hash.
        (None, None) => before?.previous_hash,
    };
    Some(End {
        previous_hash,
        // A damaged segment is set aside, not written on.
        good_bytes: (content.damage.is_empty() && header.is_some()).then_some(content.good_bytes),
    })
}

/// Segments that should lie between two others and do not.
fn missing_files(life: &Life) -> Vec<Found> {
    let mut found = Vec::new();
    let mut expected = life.acknowledged.before().max(1);
    for segment in &life.segments {
        if segment.first_sequence > expected {
            let mut first = expected;
            while first < segment.first_sequence && life.acknowledged.contains(first) {
                first += 1;
            }
            let mut last = segment.first_sequence - 1;
            while last > first && life.acknowledged.contains(last) {
                last -= 1;
            }
            if first < segment.first_sequence {
                found.push(Found {
                    epoch: life.epoch,
                    damage: Damage {
                        first,
                        last,
                        exact: true,
                    },
                    path: None,
                });
            }
        }
        expected = expected.max(
            segment
                .entries
                .last()
                .map_or(segment.first_sequence, |entry| entry.sequence + 1),
        );
    }
    found
}
