//! The spool: what the device saw, durable before anyone is told so, until a collector has it.
//!
//! A record gets its name, its link to the record before it and its place in a segment file here. Nothing leaves the
//! spool unseen: what cannot be kept becomes a loss record. One thread at a time works on it; it must not know a
//! network.

pub mod acknowledged;
mod eviction;
mod limits;
mod look;
pub mod mint;
mod recovery;
pub mod segment;
mod tail;
pub mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use epm_proto::chain::HASH_BYTES;
use epm_proto::head::RecordHead;
use epm_proto::v1;

use crate::clock::now_us;
use crate::disk::{Disk, RealDisk, replace};
use crate::source::Observation;
pub use limits::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES, DEFAULT_SEGMENT_BYTES, MAX_COMMIT_OBSERVATIONS, SpoolError,
    SpoolLimits, WhenFull,
};
pub use look::class_name;
use mint::{Mint, loss_observation};
use recovery::{CURSOR_NAME, Found, Life, Recovered, recover};
use tail::Tail;

/// A record as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRecord {
    /// Its epoch.
    pub epoch: u64,
    /// Its sequence.
    pub sequence: u64,
    /// Its eviction class.
    pub class: u8,
    /// The encoded record.
    pub bytes: Bytes,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Records that no collector has acknowledged.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest of them happened, microseconds since 1970.
    pub oldest_us: Option<i64>,
}

/// A place in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The epoch.
    pub epoch: u64,
    /// The sequence in it.
    pub sequence: u64,
}

/// The spool of one agent.
pub struct Spool {
    directory: PathBuf,
    epoch_file: PathBuf,
    disk: Arc<dyn Disk>,
    mint: Mint,
    limits: SpoolLimits,
    // Oldest epoch first; the last one is written on.
    lives: VecDeque<Life>,
    previous_hash: Option<[u8; HASH_BYTES]>,
    tail: Option<Tail>,
    // Losses that are not durable yet: they go first in the next commit.
    pending: Vec<v1::Loss>,
    // Damaged files, set aside once their loss is durable.
    damaged: Vec<Found>,
    foreign: Vec<PathBuf>,
    drops: BTreeMap<i32, u64>,
    cursor_changed: bool,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool")
            .field("directory", &self.directory)
            .field("next", &self.next())
            .finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool in `state`, or begins one. A damaged spool opens too: what it lost is counted in its first
    /// commit. Writes nothing but the folder.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be created or listed.
    pub fn open(state: &Path, mint: Mint, limits: SpoolLimits) -> io::Result<Self> {
        Self::open_on(Arc::new(RealDisk), state, mint, limits)
    }

    /// The same on another disk.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be created or listed.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        state: &Path,
        mint: Mint,
        limits: SpoolLimits,
    ) -> io::Result<Self> {
        let directory = state.join("spool");
        std::fs::create_dir_all(&directory)?;
        let epoch_file = state.join("epoch");
        let known_epoch = read_epoch(&epoch_file);
        let recovered = recover(&directory, mint.agent_id)?;
        let mut spool = Self {
            directory,
            epoch_file,
            disk,
            mint,
            limits,
            lives: VecDeque::new(),
            previous_hash: None,
            tail: None,
            pending: Vec::new(),
            damaged: Vec::new(),
            foreign: Vec::new(),
            drops: BTreeMap::new(),
            cursor_changed: false,
        };
        spool.take_over(recovered, known_epoch);
        Ok(spool)
    }

    fn take_over(&mut self, recovered: Recovered, known_epoch: Option<u64>) {
        let Recovered {
            lives,
            end,
            found,
            foreign,
        } = recovered;
        for found in &found {
            self.lose(v1::Loss {
                reason: v1::LossReason::Corrupt.into(),
                lost_epoch: found.epoch,
                first_sequence: found.damage.first,
                last_sequence: found.damage.last,
                counts: Vec::new(),
                detail: match found.damage.exact {
                    true => String::new(),
                    false => "this and perhaps later records of the epoch".to_owned(),
                },
            });
        }
        self.damaged = found;
        let newest = lives.last().map(|life| life.epoch);
        let oldest_possible = newest.max(known_epoch);
        self.lives = lives.into();
        // A spool that is older than the epoch on record was put back from a copy.
        let goes_on = newest.is_some() && newest >= known_epoch;
        match end.filter(|_| goes_on) {
            Some(end) => {
                self.previous_hash = end.previous_hash;
                let segment = self.lives.back().and_then(|life| life.segments.back());
                if let (Some(segment), Some(good_bytes)) = (segment, end.good_bytes) {
                    self.tail = Some(Tail::resume(segment, good_bytes));
                }
            }
            None => {
                self.lives
                    .push_back(Life::new(later_epoch(oldest_possible)));
                if let Some(lost_epoch) = oldest_possible.filter(|_| !goes_on) {
                    self.lose(reset_loss(lost_epoch, "the spool was missing"));
                }
            }
        }
        for (epoch, path) in foreign {
            self.lose(reset_loss(epoch, "records of another agent were set aside"));
            self.foreign.push(path);
        }
    }

    /// Sequences `observations` and makes them durable, all of them or none.
    ///
    /// # Errors
    ///
    /// Where they are not durable; see [`SpoolError::is_retryable`].
    pub fn append(&mut self, observations: Vec<Observation>) -> Result<(), SpoolError> {
        if observations.len() > MAX_COMMIT_OBSERVATIONS {
            return Err(SpoolError::TooMany {
                given: observations.len(),
            });
        }
        if self.limits.when_full == WhenFull::Refuse {
            self.refuse_where_full()?;
        }
        self.commit(observations)?;
        self.set_damage_aside();
        if let Err(error) = self.make_room() {
            tracing::warn!(%error, "the spool could not make room");
        }
        Ok(())
    }

    /// Counts records that could not be spooled because the disk was full; told with the next commit.
    pub fn count_lost(&mut self, reason: v1::LossReason, class: v1::RecordClass, records: u64) {
        self.lose(v1::Loss {
            reason: reason.into(),
            counts: vec![v1::LossCount {
                record_class: class.into(),
                records,
            }],
            ..v1::Loss::default()
        });
    }

    /// Counts records that may not leave the device. Heartbeats tell the number, so that a report can say that it is not
    /// everything; there is no loss record of it, which would tell when something happened.
    pub(crate) fn withhold(&mut self, records: u64) {
        if records > 0 {
            let reason = v1::LossReason::OutOfScope.into();
            *self.drops.entry(reason).or_default() += records;
        }
    }

    /// What may leave the device from now on; it stands in every record.
    pub(crate) fn set_reporting_scope(&mut self, scope: v1::ReportingScope) {
        self.mint.reporting_scope = scope;
    }

    fn lose(&mut self, loss: v1::Loss) {
        let counted: u64 = loss.counts.iter().map(|count| count.records).sum();
        let ranged = match loss.first_sequence {
            0 => 0,
            first => loss.last_sequence - first + 1,
        };
        *self.drops.entry(loss.reason).or_default() += match counted {
            0 => ranged,
            counted => counted,
        };
        self.pending.push(loss);
    }

    /// Gives up one record that no collector takes: it is counted and not sent again.
    pub fn give_up(&mut self, record: &WaitingRecord, detail: &str) {
        self.acknowledge(record.epoch, 0, &[(record.sequence, record.sequence)]);
        self.lose(v1::Loss {
            reason: v1::LossReason::Evicted.into(),
            lost_epoch: record.epoch,
            first_sequence: record.sequence,
            last_sequence: record.sequence,
            counts: vec![v1::LossCount {
                record_class: record.class.into(),
                records: 1,
            }],
            detail: detail.to_owned(),
        });
    }

    /// The epoch that is to be delivered first, its oldest waiting sequence and its next one.
    #[must_use]
    pub fn oldest_epoch(&self) -> (u64, u64, u64) {
        let life = self
            .lives
            .iter()
            .find(|life| life.waiting(0).next().is_some());
        let Some(life) = life.or_else(|| self.lives.back()) else {
            return (0, 1, 1);
        };
        let first = life
            .waiting(0)
            .next()
            .map_or(life.next_sequence, |(_, entry)| entry.sequence);
        (life.epoch, first, life.next_sequence)
    }

    /// Where the next record goes.
    #[must_use]
    pub fn next(&self) -> Place {
        self.lives.back().map_or(Place::default(), |life| Place {
            epoch: life.epoch,
            sequence: life.next_sequence,
        })
    }

    /// Whether everything before `place` needs no sending any more.
    #[must_use]
    pub fn is_delivered_before(&self, place: Place) -> bool {
        self.lives
            .iter()
            .all(|life| match life.epoch.cmp(&place.epoch) {
                std::cmp::Ordering::Less => life.waiting(0).next().is_none(),
                std::cmp::Ordering::Equal => life
                    .waiting(0)
                    .next()
                    .is_none_or(|(_, entry)| entry.sequence >= place.sequence),
                std::cmp::Ordering::Greater => true,
            })
    }

    /// Waiting records of `epoch` from `from` on, in order, up to `max_records` and `max_bytes`, but at least one where
    /// one waits.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn read(
        &self,
        epoch: u64,
        from: u64,
        max_records: usize,
        max_bytes: usize,
    ) -> io::Result<Vec<WaitingRecord>> {
        let Some(life) = self.lives.iter().find(|life| life.epoch == epoch) else {
            return Ok(Vec::new());
        };
        let mut records = Vec::new();
        let mut taken = 0;
        let mut open: Option<(&Path, std::fs::File)> = None;
        for (segment, entry) in life.waiting(from).take(max_records) {
            taken += entry.length as usize;
            if taken > max_bytes && !records.is_empty() {
                break;
            }
            let file = match open.take().filter(|(path, _)| *path == segment.path) {
                Some((_, file)) => file,
                None => std::fs::File::open(&segment.path)?,
            };
            let mut bytes = vec![0; entry.length as usize];
            file.read_exact_at(&mut bytes, u64::from(entry.offset))?;
            open = Some((&segment.path, file));
            records.push(WaitingRecord {
                epoch,
                sequence: entry.sequence,
                class: entry.class,
                bytes: bytes.into(),
            });
        }
        Ok(records)
    }

    /// Whether a record of `epoch` from `first` to `last` still waits.
    #[must_use]
    pub fn waits_between(&self, epoch: u64, first: u64, last: u64) -> bool {
        let life = self.lives.iter().find(|life| life.epoch == epoch);
        life.and_then(|life| life.waiting(first).next())
            .is_some_and(|(_, entry)| entry.sequence <= last)
    }

    /// Takes note that a collector has, or finally refused, what is below `before` and in `ranges` of `epoch`.
    pub fn acknowledge(&mut self, epoch: u64, before: u64, ranges: &[(u64, u64)]) {
        let Some(life) = self.lives.iter_mut().find(|life| life.epoch == epoch) else {
            return;
        };
        let next = life.next_sequence;
        life.acknowledged.raise(before.min(next));
        for (first, last) in ranges {
            life.acknowledged.add(*first, (*last).min(next - 1));
        }
        // Below the oldest record that waits there is nothing to remember.
        let oldest = life
            .waiting(0)
            .next()
            .map_or(next, |(_, entry)| entry.sequence);
        life.acknowledged.raise(oldest);
        self.cursor_changed = true;
    }

    /// Writes down what is acknowledged and deletes the segments that nobody needs.
    ///
    /// # Errors
    ///
    /// The disk's; nothing is lost by one, the same is tried again.
    pub fn tidy(&mut self) -> io::Result<()> {
        // A range that was given up counts as acknowledged here only once its loss is durable.
        if !self.cursor_changed || !self.pending.is_empty() {
            return Ok(());
        }
        let bytes = acknowledged::encode(
            self.lives
                .iter()
                .map(|life| (life.epoch, &life.acknowledged)),
        );
        replace(
            self.disk.as_ref(),
            &self.directory.join(CURSOR_NAME),
            &bytes,
        )?;
        self.cursor_changed = false;
        self.delete_delivered()
    }

    /// Begins a new epoch because the collector knows more of this one than the spool does: it was put back from a copy.
    pub fn begin_epoch(&mut self, detail: &str) {
        let lost = self.next();
        self.tail = None;
        self.previous_hash = None;
        self.lives
            .push_back(Life::new(later_epoch(Some(lost.epoch))));
        self.lose(reset_loss(lost.epoch, detail));
    }

    /// How much waits.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let mut depth = Depth::default();
        for (_, entry) in self.lives.iter().flat_map(|life| life.waiting(0)) {
            depth.records += 1;
            depth.bytes += u64::from(entry.length);
        }
        let (epoch, first, _) = self.oldest_epoch();
        let oldest = self.read(epoch, first, 1, 0).unwrap_or_default();
        depth.oldest_us = oldest
            .first()
            .and_then(|record| RecordHead::scan(&record.bytes).ok())
            .map(|head| head.observed_at_us);
        depth
    }

    /// Records lost since the spool was opened, by `v1::LossReason`.
    #[must_use]
    pub fn drops(&self) -> &BTreeMap<i32, u64> {
        &self.drops
    }

    /// The epochs that have records, oldest first, and how far each is acknowledged.
    pub fn epochs(&self) -> impl Iterator<Item = Place> + '_ {
        self.lives.iter().map(|life| Place {
            epoch: life.epoch,
            sequence: life.acknowledged.before(),
        })
    }

    /// What every record of this spool says alike.
    #[must_use]
    pub fn mint(&self) -> &Mint {
        &self.mint
    }

    fn file_bytes(&self) -> u64 {
        self.lives
            .iter()
            .flat_map(|life| &life.segments)
            .map(|segment| segment.file_bytes)
            .sum()
    }

    fn pending_observations(&self) -> impl Iterator<Item = Observation> + '_ {
        let now = now_us();
        self.pending
            .iter()
            .map(move |loss| loss_observation(loss.clone(), now))
    }
}

fn reset_loss(lost_epoch: u64, detail: &str) -> v1::Loss {
    v1::Loss {
        reason: v1::LossReason::SpoolReset.into(),
        lost_epoch,
        detail: detail.to_owned(),
        ..v1::Loss::default()
    }
}

fn later_epoch(before: Option<u64>) -> u64 {
    let now = (now_us() / 1_000_000).max(1) as u64;
    now.max(before.map_or(0, |epoch| epoch + 1))
}

fn read_epoch(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}
