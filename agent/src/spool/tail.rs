//! Writing: one commit is one write and one fsync at the end of the last segment. After a failure nothing of it counts.

use std::path::PathBuf;

use epm_proto::chain::record_hash;
use epm_proto::v1;

use super::recovery::{Segment, segment_path};
use super::segment::{Group, HEADER_BYTES, Header};
use super::{Spool, SpoolError};
use crate::clock::now_us;
use crate::disk::{DiskFile, replace};
use crate::source::Observation;

/// A segment is closed after a day even when it is small, so that age is given up by the day.
const MAX_OPEN_US: i64 = 24 * 60 * 60 * 1_000_000;

/// The end of the last segment.
pub(super) struct Tail {
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    good_bytes: u64,
    created_us: i64,
    // What follows the good bytes is unknown and is cut before anything is written.
    suspect: bool,
}

impl Tail {
    /// The end of a segment that an earlier run wrote.
    pub(super) fn resume(segment: &Segment, good_bytes: u64) -> Self {
        Self {
            path: segment.path.clone(),
            file: None,
            good_bytes,
            created_us: segment.created_us,
            suspect: true,
        }
    }
}

impl Spool {
    /// Makes pending losses and `observations` durable as one group.
    pub(super) fn commit(&mut self, observations: Vec<Observation>) -> Result<(), SpoolError> {
        if observations.is_empty() && self.pending.is_empty() {
            return Ok(());
        }
        self.reach_end()?;
        let (epoch, mut sequence) = {
            let next = self.next();
            (next.epoch, next.sequence)
        };
        let mut group = Group::default();
        let mut hash = self.previous_hash;
        let losses: Vec<Observation> = self.pending_observations().collect();
        for observation in losses.into_iter().chain(observations) {
            let class = observation.class as i32 as u8;
            let record = self.mint.record(epoch, sequence, hash, observation);
            group.push(sequence, class, &record);
            hash = Some(record_hash(&record));
            sequence += 1;
        }
        let Some(tail) = self.tail.as_mut() else {
            return Ok(());
        };
        let (bytes, entries) = group.finish(tail.good_bytes);
        if let Some(file) = &tail.file {
            tail.suspect = true;
            file.write_all_at(&bytes, tail.good_bytes)?;
            file.sync()?;
            tail.suspect = false;
        }
        tail.good_bytes += bytes.len() as u64;
        self.previous_hash = hash;
        self.pending.clear();
        if let Some(life) = self.lives.back_mut() {
            life.next_sequence = sequence;
            if let Some(segment) = life.segments.back_mut() {
                segment.entries.extend(entries);
                segment.file_bytes = tail.good_bytes;
            }
        }
        Ok(())
    }

    /// Makes the end of the last segment ready to be written: open, cut where something failed, or a new segment.
    fn reach_end(&mut self) -> Result<(), SpoolError> {
        let limit = self.limits.segment_bytes;
        let closes = self.tail.as_ref().is_none_or(|tail| {
            tail.good_bytes > HEADER_BYTES as u64
                && (tail.good_bytes >= limit || now_us() - tail.created_us > MAX_OPEN_US)
        });
        if closes {
            return self.begin_segment();
        }
        if let Some(tail) = &mut self.tail {
            let file = match &mut tail.file {
                Some(file) => file,
                none => none.insert(self.disk.open(&tail.path)?),
            };
            if tail.suspect {
                file.cut(tail.good_bytes)?;
                file.sync()?;
                tail.suspect = false;
            }
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), SpoolError> {
        let next = self.next();
        // The epoch is on record before anything carries it, so that it is never used again.
        if self
            .lives
            .back()
            .is_some_and(|life| life.segments.is_empty())
        {
            let text = format!("{}\n", next.epoch);
            replace(self.disk.as_ref(), &self.epoch_file, text.as_bytes())?;
        }
        let header = Header {
            agent_id: *self.mint.agent_id.as_bytes(),
            epoch: next.epoch,
            first_sequence: next.sequence,
            previous_hash: self.previous_hash,
            created_us: now_us(),
        };
        let path = segment_path(&self.directory, next.epoch, next.sequence);
        let file = self.disk.open(&path)?;
        file.cut(0)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync()?;
        self.disk.sync_directory(&self.directory)?;
        if let Some(life) = self.lives.back_mut() {
            // An earlier try, or a segment that held nothing good, had the same name.
            life.segments.retain(|segment| segment.path != path);
            life.segments.push_back(Segment {
                path: path.clone(),
                first_sequence: next.sequence,
                created_us: header.created_us,
                file_bytes: HEADER_BYTES as u64,
                entries: Vec::new(),
            });
        }
        self.tail = Some(Tail {
            path,
            file: Some(file),
            good_bytes: HEADER_BYTES as u64,
            created_us: header.created_us,
            suspect: false,
        });
        Ok(())
    }

    /// The class of an entry by its stored number.
    pub(super) fn class_of(number: u8) -> v1::RecordClass {
        v1::RecordClass::try_from(i32::from(number)).unwrap_or_default()
    }
}
