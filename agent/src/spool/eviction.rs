//! Making room: by class when the spool is full, by age, and by setting damage aside.
//!
//! A loss is durable before what it tells of is removed; told twice is better than never.

use std::collections::BTreeMap;
use std::io;

use epm_proto::v1;

use super::recovery::Segment;
use super::segment::{Group, HEADER_BYTES, Header};
use super::{Spool, SpoolError, WhenFull};
use crate::clock::now_us;
use crate::disk::replace;

/// Ranges that one eviction from one segment tells exactly; where more lie apart, one range spans the rest and its count
/// says how many of it are lost.
const MAX_EXACT_RANGES: usize = 32;
/// Bytes of one group when a segment is rewritten.
const REWRITE_GROUP_BYTES: u32 = 512 * 1024;
/// Damaged files that are kept for an investigation; older ones go.
const MAX_SET_ASIDE: usize = 8;
const SET_ASIDE_SUFFIX: &str = "quarantine";

/// One victim: the records of these classes in this segment.
#[derive(Clone, Copy, Debug)]
struct Victim {
    life: usize,
    segment: usize,
    class: Option<u8>,
    reason: v1::LossReason,
}

impl Spool {
    /// Refuses where only a segment's worth of room is left. Sources that can wait ask before they record, so that their
    /// records never make others go.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Full`], which passes when records are delivered.
    pub fn refuse_where_full(&mut self) -> Result<(), SpoolError> {
        // The last segment's worth stays free, so that a later start that may evict has nothing to evict.
        let limit = self
            .limits
            .max_bytes
            .saturating_sub(self.limits.segment_bytes);
        if self.file_bytes() >= limit {
            self.tidy()?;
        }
        match self.file_bytes() {
            bytes if bytes >= limit => Err(SpoolError::Full { bytes, limit }),
            _ => Ok(()),
        }
    }

    /// Gives up what is too old, then the least important while the spool is larger than its limit.
    pub(super) fn make_room(&mut self) -> Result<(), SpoolError> {
        let oldest = now_us() - self.limits.max_age.as_micros() as i64;
        while let Some(victim) = self.expired(oldest) {
            self.evict(victim)?;
        }
        if self.limits.when_full == WhenFull::Refuse {
            return Ok(());
        }
        if self.file_bytes() > self.limits.max_bytes {
            self.tidy()?;
        }
        while self.file_bytes() > self.limits.max_bytes {
            let Some(victim) = self.least_important() else {
                break;
            };
            self.evict(victim)?;
        }
        Ok(())
    }

    /// Closed segments: every one but the last, which is being written.
    fn closed(&self) -> impl Iterator<Item = (usize, usize, &Segment)> {
        let last_life = self.lives.len().saturating_sub(1);
        self.lives.iter().enumerate().flat_map(move |(at, life)| {
            let open = usize::from(at == last_life);
            let count = life.segments.len().saturating_sub(open);
            life.segments
                .iter()
                .take(count)
                .enumerate()
                .map(move |(place, segment)| (at, place, segment))
        })
    }

    fn expired(&self, oldest_us: i64) -> Option<Victim> {
        let (life, segment, _) = self.closed().find(|(at, place, _)| {
            // A segment is as young as its last record, and that is older than the segment after it.
            let life = &self.lives[*at];
            let after = life
                .segments
                .get(place + 1)
                .or_else(|| self.lives.get(at + 1)?.segments.front());
            after.is_some_and(|after| after.created_us < oldest_us)
        })?;
        Some(Victim {
            life,
            segment,
            class: None,
            reason: v1::LossReason::Expired,
        })
    }

    fn least_important(&self) -> Option<Victim> {
        self.closed()
            .map(|(life, place, segment)| {
                let class = segment.entries.iter().map(|entry| entry.class).min();
                // A segment without records is only a file to delete.
                (class.unwrap_or(0), life, place)
            })
            .min()
            .map(|(class, life, segment)| Victim {
                life,
                segment,
                class: Some(class),
                reason: v1::LossReason::Evicted,
            })
    }

    fn evict(&mut self, victim: Victim) -> Result<(), SpoolError> {
        let life = &self.lives[victim.life];
        let segment = &life.segments[victim.segment];
        let gone = |class: u8| victim.class.is_none_or(|victim| victim == class);
        let lost: Vec<(u64, u8)> = segment
            .entries
            .iter()
            .filter(|entry| gone(entry.class) && !life.acknowledged.contains(entry.sequence))
            .map(|entry| (entry.sequence, entry.class))
            .collect();
        let epoch = life.epoch;
        let path = segment.path.clone();
        if !lost.is_empty() {
            for loss in losses(epoch, &lost, victim.reason) {
                self.lose(loss);
            }
            self.commit(Vec::new())?;
            let runs = runs_of(&lost);
            self.acknowledge(epoch, 0, &runs);
            self.tidy()?;
        }
        // Delivered and given-up records both leave; the segment may already be gone as a whole.
        let Some(segment) = self.find(&path) else {
            return Ok(());
        };
        let acknowledged = self.lives[segment.0].acknowledged.clone();
        self.rewrite(segment, |entry| {
            !gone(entry.class) && !acknowledged.contains(entry.sequence)
        })?;
        Ok(())
    }

    fn find(&self, path: &std::path::Path) -> Option<(usize, usize)> {
        self.closed()
            .find(|(_, _, segment)| segment.path == path)
            .map(|(life, place, _)| (life, place))
    }

    /// Writes a closed segment anew with the records to keep, or deletes it where there are none.
    fn rewrite(
        &mut self,
        (life, place): (usize, usize),
        keep: impl Fn(&super::segment::Entry) -> bool,
    ) -> io::Result<()> {
        let epoch = self.lives[life].epoch;
        let segment = self.lives[life].segments[place].clone();
        let kept: Vec<_> = segment
            .entries
            .iter()
            .filter(|entry| keep(entry))
            .copied()
            .collect();
        if kept.is_empty() {
            self.remove_file(&segment.path)?;
            self.lives[life].segments.remove(place);
            return Ok(());
        }
        let old = std::fs::read(&segment.path)?;
        let header = Header {
            agent_id: *self.mint.agent_id.as_bytes(),
            epoch,
            first_sequence: segment.first_sequence,
            previous_hash: Header::decode(&old).and_then(|header| header.previous_hash),
            created_us: segment.created_us,
        };
        let mut new = header.encode();
        debug_assert_eq!(new.len(), HEADER_BYTES);
        let mut entries = Vec::with_capacity(kept.len());
        let mut group = Group::default();
        let mut grouped = 0;
        for entry in kept {
            let start = entry.offset as usize;
            let record = old.get(start..start + entry.length as usize);
            group.push(entry.sequence, entry.class, record.unwrap_or_default());
            grouped += entry.length;
            if grouped >= REWRITE_GROUP_BYTES {
                append_group(&mut new, &mut entries, std::mem::take(&mut group));
                grouped = 0;
            }
        }
        if !group.is_empty() {
            append_group(&mut new, &mut entries, group);
        }
        replace(self.disk.as_ref(), &segment.path, &new)?;
        let segment = &mut self.lives[life].segments[place];
        segment.entries = entries;
        segment.file_bytes = new.len() as u64;
        Ok(())
    }

    /// Keeps a copy of each damaged file beside the spool and rewrites the file without the damage, once the loss is
    /// durable. A failure leaves the file for the next start, which tells the same loss again.
    pub(super) fn set_damage_aside(&mut self) {
        for path in std::mem::take(&mut self.foreign) {
            let aside = path.with_extension(SET_ASIDE_SUFFIX);
            if let Err(error) = self.disk.rename(&path, &aside) {
                tracing::warn!(%error, "a spool file of another agent could not be set aside");
            }
        }
        for found in std::mem::take(&mut self.damaged) {
            let Some(path) = found.path else {
                self.cursor_changed = true;
                continue;
            };
            if let Err(error) = self.set_aside(&path) {
                tracing::warn!(%error, "a damaged spool file could not be set aside");
            }
        }
    }

    fn set_aside(&mut self, path: &std::path::Path) -> io::Result<()> {
        let Some(place) = self.find(path) else {
            return Ok(());
        };
        // The range counts as gone from here on, also for a later start.
        self.cursor_changed = true;
        self.tidy()?;
        let Some(place) = self.find(path).or(Some(place).filter(|_| path.exists())) else {
            return Ok(());
        };
        let aside = path.with_extension(SET_ASIDE_SUFFIX);
        match std::fs::read(path) {
            Ok(bytes) => {
                replace(self.disk.as_ref(), &aside, &bytes)?;
                self.forget_oldest_set_aside()?;
                self.rewrite(place, |_| true)
            }
            Err(_) => {
                self.disk.rename(path, &aside)?;
                self.lives[place.0].segments.remove(place.1);
                Ok(())
            }
        }
    }

    fn forget_oldest_set_aside(&self) -> io::Result<()> {
        let mut aside: Vec<_> = std::fs::read_dir(&self.directory)?
            .filter_map(|item| Some(item.ok()?.path()))
            .filter(|path| {
                path.extension()
                    .is_some_and(|suffix| suffix == SET_ASIDE_SUFFIX)
            })
            .collect();
        aside.sort();
        let surplus = aside.len().saturating_sub(MAX_SET_ASIDE);
        for path in aside.drain(..surplus) {
            self.disk.remove(&path)?;
        }
        Ok(())
    }

    /// Deletes closed segments that hold nothing that waits, and epochs that are over.
    pub(super) fn delete_delivered(&mut self) -> io::Result<()> {
        let done: Vec<_> = self
            .closed()
            .filter(|(life, _, segment)| {
                let acknowledged = &self.lives[*life].acknowledged;
                segment
                    .entries
                    .iter()
                    .all(|entry| acknowledged.contains(entry.sequence))
            })
            .map(|(_, _, segment)| segment.path.clone())
            .collect();
        for path in done {
            // Damage waits until its loss is told and a copy is kept.
            if self
                .damaged
                .iter()
                .any(|found| found.path.as_ref() == Some(&path))
            {
                continue;
            }
            self.remove_file(&path)?;
            for life in &mut self.lives {
                life.segments.retain(|segment| segment.path != path);
            }
        }
        while self.lives.len() > 1 && self.lives[0].segments.is_empty() {
            self.lives.pop_front();
        }
        Ok(())
    }

    fn remove_file(&self, path: &std::path::Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn append_group(file: &mut Vec<u8>, entries: &mut Vec<super::segment::Entry>, group: Group) {
    let (bytes, placed) = group.finish(file.len() as u64);
    file.extend_from_slice(&bytes);
    entries.extend(placed);
}

fn runs_of(lost: &[(u64, u8)]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (sequence, _) in lost {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *sequence => *last = *sequence,
            _ => runs.push((*sequence, *sequence)),
        }
    }
    runs
}

fn losses(epoch: u64, lost: &[(u64, u8)], reason: v1::LossReason) -> Vec<v1::Loss> {
    let mut ranges = runs_of(lost);
    if ranges.len() > MAX_EXACT_RANGES {
        let end = ranges.last().map_or(0, |(_, last)| *last);
        ranges.truncate(MAX_EXACT_RANGES);
        if let Some((_, last)) = ranges.last_mut() {
            *last = end;
        }
    }
    ranges
        .into_iter()
        .map(|(first, last)| {
            let mut counts: BTreeMap<u8, u64> = BTreeMap::new();
            for (sequence, class) in lost {
                if (first..=last).contains(sequence) {
                    *counts.entry(*class).or_default() += 1;
                }
            }
            v1::Loss {
                reason: reason.into(),
                lost_epoch: epoch,
                first_sequence: first,
                last_sequence: last,
                counts: counts
                    .into_iter()
                    .map(|(class, records)| v1::LossCount {
                        record_class: Spool::class_of(class).into(),
                        records,
                    })
                    .collect(),
                detail: String::new(),
            }
        })
        .collect()
}
