//! One transaction: entries of the log into all four tables, or as many of them as a crash allows; then again from there.
//!
//! It must not wait for entries, and must not answer for upkeep.

use std::collections::{BTreeMap, BTreeSet};

use epm_event_log::{Entry, EntryKind, EventLog, LogError, Offset, PartitionId, ReadBatch};
use epm_proto::head::{BodyKind, RecordHead};
use jiff::Timestamp;
use url::Url;

use crate::error::ProcessorError;
use crate::fold::{Counts, Fold, Gap, Outcome, Rows, day_of};
use crate::store::{Positions, Store};

/// Bytes read at a time while catching up.
const CATCH_UP_BYTES: usize = 8 << 20;

/// The tables and what the fold remembers: everything that a restart reads back.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) fold: Fold,
}

/// Entries to fold, in order within each partition.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(crate) entries: Vec<(PartitionId, Vec<Entry>)>,
    /// What lay before them and is gone.
    pub(crate) gaps: Vec<Gap>,
    pub(crate) next: Positions,
}

impl Intake {
    /// True at the end of the log.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_empty()
    }
}

/// What a transaction did.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) counts: Counts,
    pub(crate) outcome: Outcome,
    /// Rows of `dead_letters` by their code.
    pub(crate) dead_letters: BTreeMap<String, u64>,
    /// Offsets that were gone before they were folded.
    pub(crate) trimmed: u64,
}

impl State {
    /// Opens the tables and brings them to one position.
    pub(crate) async fn open(tables: &Url, log: &dyn EventLog) -> Result<Self, ProcessorError> {
        let store = Store::open(tables, log.partitions()).await?;
        let mut fold = Fold::default();
        let devices = &store.devices.writer;
        for file in devices.files_of(None) {
            let rows = devices.read_file(&file, None).await?;
            fold.devices.load(&rows).map_err(ProcessorError::Devices)?;
        }
        let mut state = Self { store, fold };
        state.catch_up_usage(log).await?;
        Ok(state)
    }

    /// After a crash between the commits of `elevations` and `usage`: the days that those entries touched are counted
    /// again from `elevations`, which is their source in any case.
    async fn catch_up_usage(&mut self, log: &dyn EventLog) -> Result<(), ProcessorError> {
        let mut days = BTreeSet::new();
        let mut next = Positions::new();
        for partition in 0..log.partitions() {
            let until = self.store.elevations.position(partition);
            let mut from = self.store.usage.position(partition);
            while from < until {
                let read = log
                    .read(PartitionId(partition), Offset(from), CATCH_UP_BYTES)
                    .await;
                let batch = match read {
                    Ok(batch) => batch,
                    Err(LogError::Trimmed { .. }) => {
                        days.extend(
                            self.store
                                .elevations
                                .writer
                                .files()
                                .filter_map(|file| file.day),
                        );
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                if batch.next.0 <= from {
                    break;
                }
                let records = batch
                    .entries
                    .iter()
                    .filter(|entry| entry.kind == EntryKind::Record);
                days.extend(records.filter_map(touched_day));
                from = batch.next.0;
            }
            next.insert(partition, until);
        }
        let is_behind = next
            .iter()
            .any(|(partition, next)| self.store.usage.position(*partition) < *next);
        if is_behind {
            tracing::info!(
                days = days.len(),
                "counting usage again after an interrupted commit"
            );
            self.store
                .commit_usage(Default::default(), &days, &next)
                .await?;
        }
        Ok(())
    }

    /// Folds and commits.
    pub(crate) async fn transact(&mut self, intake: Intake) -> Result<Committed, ProcessorError> {
        let mut rows = Rows::default();
        let trimmed = self.tell_gaps(&intake.gaps, &mut rows);
        for (partition, entries) in &intake.entries {
            let needed = self.store.needed(partition.0);
            for entry in entries {
                self.fold.entry(&mut rows, *partition, entry, &needed);
            }
        }
        let store = &self.store;
        let needed = |partition: PartitionId| store.needed(partition.0).dead_letters;
        let mut outcome = self
            .fold
            .settle(&mut rows, &store.elevations.writer, needed)
            .await?;
        let dead_letters = std::mem::take(&mut rows.dead_letters);
        let next = &intake.next;
        if dead_letters.len() > 0 {
            tracing::warn!(
                records = dead_letters.len(),
                "records could not be folded; see the table dead_letters"
            );
        }
        let codes = dead_letters.codes();
        self.store
            .commit_dead_letters(dead_letters.finish(), next)
            .await?;
        let additions = std::mem::take(&mut outcome.additions);
        self.store
            .commit_elevations(additions, &mut self.fold.indexes, next)
            .await?;
        let counted = std::mem::take(&mut outcome.counted);
        self.store
            .commit_usage(counted, &outcome.recount, next)
            .await?;
        self.store
            .commit_devices(self.fold.devices.rows(), next)
            .await?;
        self.fold.indexes.bound();
        Ok(Committed {
            counts: rows.counts,
            outcome,
            dead_letters: codes,
            trimmed,
        })
    }

    /// What is gone is a loss that everybody can see: a row that says which offsets, and, for each agent, sequences that
    /// are missing.
    fn tell_gaps(&self, gaps: &[Gap], rows: &mut Rows) -> u64 {
        for gap in gaps {
            let partition = gap.partition.0;
            let (from, to) = (gap.from, gap.to);
            tracing::error!(
                partition,
                from,
                to,
                "retention let entries go before they were folded"
            );
            // Told already, where a crash came between two tables.
            if to > self.store.dead_letters.position(partition) {
                let found_at_ms = Timestamp::now().as_millisecond();
                rows.dead_letters.gap(gap, found_at_ms);
            }
        }
        gaps.iter().map(|gap| gap.to - gap.from).sum()
    }

    /// Makes tables that are empty begin at `starts`, because the log no longer holds what lies before.
    pub(crate) async fn begin_at(&mut self, starts: &Positions) -> Result<(), ProcessorError> {
        let store = &mut self.store;
        store.commit_dead_letters(Vec::new(), starts).await?;
        store
            .commit_elevations(Vec::new(), &mut self.fold.indexes, starts)
            .await?;
        store
            .commit_usage(Default::default(), &BTreeSet::new(), starts)
            .await?;
        store.commit_devices(self.fold.devices.rows(), starts).await
    }

    /// Reads what the tables have yet to apply, up to `bytes` over all partitions; empty at the end of the log.
    pub(crate) async fn take_in(
        &self,
        log: &dyn EventLog,
        bytes: usize,
    ) -> Result<Intake, ProcessorError> {
        let mut intake = Intake::default();
        let share = bytes / log.partitions().max(1) as usize;
        for partition in 0..log.partitions() {
            let applied = self.store.applied(partition);
            let (batch, from) = read_from(log, PartitionId(partition), applied, share).await?;
            if from > applied {
                intake.gaps.push(Gap {
                    partition: PartitionId(partition),
                    from: applied,
                    to: from,
                });
            }
            // Also where there is no entry, but offsets without one.
            if batch.next.0 > applied {
                intake.next.insert(partition, batch.next.0);
            }
            if !batch.entries.is_empty() {
                intake.entries.push((PartitionId(partition), batch.entries));
            }
        }
        Ok(intake)
    }
}

/// Reads at `from`, or where the log begins now if that is later; says which it was.
async fn read_from(
    log: &dyn EventLog,
    partition: PartitionId,
    mut from: u64,
    bytes: usize,
) -> Result<(ReadBatch, u64), LogError> {
    loop {
        match log.read(partition, Offset(from), bytes).await {
            Err(LogError::Trimmed { start, .. }) if start.0 > from => from = start.0,
            batch => return Ok((batch?, from)),
        }
    }
}

/// The day whose counts an entry may have changed.
fn touched_day(entry: &Entry) -> Option<i32> {
    let head = RecordHead::scan(&entry.payload).ok()?;
    (head.body == BodyKind::Elevation).then(|| day_of(head.observed_at_us))
}
