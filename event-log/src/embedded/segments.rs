//! The segments of one partition as readers see them: which file holds an offset, and where in it.
//!
//! It must not write. The writer adds to it what became durable.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::BytesMut;

use super::format::{
    ENTRY_HEADER_BYTES, MAX_PAYLOAD_BYTES, Parsed, SEGMENT_HEADER_BYTES, check_segment_header,
    parse,
};
use super::recovery::{INDEX_INTERVAL_BYTES, scan};
use crate::entry::{Offset, PartitionId, ReadBatch};
use crate::error::LogError;

/// Ending of a segment's file name, after its base offset in twenty digits.
const SEGMENT_ENDING: &str = ".log";

/// The file of the segment that begins at `base`.
pub(crate) fn segment_path(directory: &Path, base: Offset) -> PathBuf {
    directory.join(format!("{:020}{SEGMENT_ENDING}", base.0))
}

/// Base offsets of the segments in `directory`, ascending.
pub(crate) fn list(directory: &Path) -> Result<Vec<Offset>, LogError> {
    let entries = std::fs::read_dir(directory).map_err(|cause| LogError::io(directory, cause))?;
    let mut bases = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(|cause| LogError::io(directory, cause))?
            .file_name();
        let base = name
            .to_str()
            .and_then(|name| name.strip_suffix(SEGMENT_ENDING))
            .and_then(|digits| digits.parse().ok());
        bases.extend(base.map(Offset));
    }
    bases.sort_unstable();
    Ok(bases)
}

type Index = Vec<(Offset, u64)>;

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    pub(crate) path: PathBuf,
    file: File,
    /// Sparse, ascending. Of a segment that this process did not write, made at the first read.
    index: OnceLock<Mutex<Index>>,
}

impl Segment {
    /// Opens a segment and checks its header.
    pub(crate) fn open(
        directory: &Path,
        partition: PartitionId,
        base: Offset,
    ) -> Result<Self, LogError> {
        let path = segment_path(directory, base);
        let file = File::open(&path).map_err(|cause| LogError::io(&path, cause))?;
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0)
            .map_err(|cause| LogError::io(&path, cause))?;
        check_segment_header(&header, partition, base).map_err(|reason| LogError::Format {
            path: path.clone(),
            reason,
        })?;
        Ok(Self {
            base,
            path,
            file,
            index: OnceLock::new(),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn set_index(&self, index: Index) {
        // Set once; a second scan of the same file finds the same points.
        let _ = self.index.set(Mutex::new(index));
    }

    /// Notes that the entry at `offset` stands at `position`.
    pub(crate) fn note(&self, offset: Offset, position: u64) {
        let index = self.index.get_or_init(|| Mutex::new(Vec::new()));
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        if index
            .last()
            .is_none_or(|(_, last)| position.saturating_sub(*last) >= INDEX_INTERVAL_BYTES)
        {
            index.push((offset, position));
        }
    }

    /// A position at or before the entry at `offset`.
    fn position_before(&self, offset: Offset) -> Result<u64, LogError> {
        if self.index.get().is_none() {
            let scanned = scan(&self.file, self.base, self.base, true)
                .map_err(|cause| LogError::io(&self.path, cause))?;
            self.set_index(scanned.index);
        }
        let Some(index) = self.index.get() else {
            return Ok(SEGMENT_HEADER_BYTES);
        };
        let index = index.lock().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|(point, _)| *point <= offset);
        Ok(after
            .checked_sub(1)
            .map_or(SEGMENT_HEADER_BYTES, |at| index[at].1))
    }
}

/// The segments of one partition.
#[derive(Debug)]
pub(crate) struct Segments {
    pub(crate) partition: PartitionId,
    pub(crate) directory: PathBuf,
    pub(crate) list: RwLock<Vec<Arc<Segment>>>,
    /// True where damaged entries are passed over on the operator's word.
    pub(crate) skip_damage: bool,
}

impl Segments {
    pub(crate) fn snapshot(&self) -> Vec<Arc<Segment>> {
        self.list
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn start(&self) -> Offset {
        self.snapshot()
            .first()
            .map_or(Offset(0), |segment| segment.base)
    }

    /// Entries from `from` up to the durable `end`, out of one segment.
    pub(crate) fn read(
        &self,
        from: Offset,
        end: Offset,
        max_bytes: usize,
    ) -> Result<ReadBatch, LogError> {
        let empty = ReadBatch {
            entries: Vec::new(),
            next: from,
        };
        if from >= end {
            return Ok(empty);
        }
        let segments = self.snapshot();
        let after = segments.partition_point(|segment| segment.base <= from);
        let Some(at) = after.checked_sub(1) else {
            return Err(LogError::Trimmed {
                asked: from,
                start: self.start(),
            });
        };
        let limit = segments.get(after).map_or(end, |next| next.base.min(end));
        let batch = self.read_segment(&segments[at], from, limit, max_bytes)?;
        if batch.entries.is_empty() {
            if self.skip_damage {
                // The rest of the segment is beyond reading; go on with the next one.
                return Ok(ReadBatch {
                    entries: Vec::new(),
                    next: limit,
                });
            }
            return Err(LogError::Damaged {
                partition: self.partition,
                at: from,
                path: segments[at].path.clone(),
            });
        }
        Ok(batch)
    }

    fn read_segment(
        &self,
        segment: &Segment,
        from: Offset,
        limit: Offset,
        max_bytes: usize,
    ) -> Result<ReadBatch, LogError> {
        let failed = |cause| LogError::io(&segment.path, cause);
        let mut position = segment.position_before(from)?;
        let file_bytes = segment.file.metadata().map_err(failed)?.len();
        // What lies between the index point and the entry, and at least one whole entry.
        let slack = INDEX_INTERVAL_BYTES as usize + ENTRY_HEADER_BYTES + MAX_PAYLOAD_BYTES;
        let mut entries = Vec::new();
        let mut taken = 0;
        let mut next = from;
        'chunks: while next < limit && (taken == 0 || taken < max_bytes) && position < file_bytes {
            let wanted = (max_bytes - taken.min(max_bytes) + slack) as u64;
            let mut buffer = BytesMut::zeroed(wanted.min(file_bytes - position) as usize);
            segment
                .file
                .read_exact_at(&mut buffer, position)
                .map_err(failed)?;
            let bytes = buffer.freeze();
            let mut at = 0;
            loop {
                match parse(&bytes, at) {
                    Parsed::Entry(entry, header) => {
                        at += header.entry_bytes();
                        if entry.offset >= limit {
                            break 'chunks;
                        }
                        if entry.offset >= from {
                            if entry.offset != next && !self.skip_damage {
                                break 'chunks;
                            }
                            if taken > 0 && taken + header.entry_bytes() > max_bytes {
                                break 'chunks;
                            }
                            taken += header.entry_bytes();
                            next = Offset(entry.offset.0 + 1);
                            entries.push(entry);
                        }
                    }
                    Parsed::Short(_) if at > 0 => break,
                    Parsed::Short(_) | Parsed::Invalid => {
                        let Some(later) = self.pass_damage(segment, next)? else {
                            break 'chunks;
                        };
                        position = later;
                        continue 'chunks;
                    }
                }
            }
            position += at as u64;
        }
        Ok(ReadBatch { entries, next })
    }

    /// Where reading goes on behind damage, where the operator allowed it and the index knows a later entry.
    fn pass_damage(&self, segment: &Segment, next: Offset) -> Result<Option<u64>, LogError> {
        if !self.skip_damage {
            return Ok(None);
        }
        segment.position_before(next)?;
        let Some(index) = segment.index.get() else {
            return Ok(None);
        };
        let index = index.lock().unwrap_or_else(PoisonError::into_inner);
        let later = index.iter().find(|(offset, _)| *offset > next);
        Ok(later.map(|(_, position)| *position))
    }
}
