//! Upkeep of log and tables: joining small files, forgetting what retention says, removing files that nobody needs.
//!
//! It must not change what a report says, but for rows that retention forgets.

use std::time::{Duration, Instant};

use epm_event_log::{Entry, EntryKind, EventLog, LogError, Offset, PartitionId};
use epm_tables::write::{Change, DataFile};
use jiff::Timestamp;

use crate::config::{Config, Retention};
use crate::error::ProcessorError;
use crate::fold::Indexes;
use crate::fold::usage::UsageSum;
use crate::store::Placed;
use crate::transaction::State;

const DAY_MS: i64 = 86_400_000;
/// Files of one day among which `usage` is summed again: each commit adds one.
const SUM_FROM_FILES: usize = 16;
/// Time between two looks for small files under load: joining them takes time from folding.
const COMPACTION_INTERVAL: Duration = Duration::from_secs(5);
/// Name under which the log keeps how far the tables are.
const CONSUMER: &str = "processor";

/// When which part is due.
#[derive(Debug)]
pub(crate) struct Upkeep {
    retention: Retention,
    interval: Duration,
    last_round: Option<Instant>,
    last_compaction: Instant,
    /// False once nothing was left to join, until something is committed again.
    may_compact: bool,
}

impl Upkeep {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            retention: config.retention,
            interval: config.upkeep_interval,
            last_round: None,
            last_compaction: Instant::now(),
            may_compact: true,
        }
    }

    /// Resolves when a round is due.
    pub(crate) async fn due(&self) {
        let round = self.last_round.map_or(self.interval, |last| last.elapsed());
        let mut wait = self.interval.saturating_sub(round);
        if self.may_compact {
            wait = wait.min(COMPACTION_INTERVAL.saturating_sub(self.last_compaction.elapsed()));
        }
        tokio::time::sleep(wait).await;
    }

    /// Between two transactions of a backlog.
    pub(crate) async fn under_load(
        &mut self,
        state: &mut State,
        log: &dyn EventLog,
    ) -> Result<(), ProcessorError> {
        self.may_compact = true;
        if self.last_compaction.elapsed() >= COMPACTION_INTERVAL {
            self.last_compaction = Instant::now();
            self.may_compact = compact(state).await?;
        }
        self.round(state, log).await
    }

    /// When everything is folded.
    pub(crate) async fn when_idle(
        &mut self,
        state: &mut State,
        log: &dyn EventLog,
    ) -> Result<(), ProcessorError> {
        if self.may_compact && self.last_compaction.elapsed() >= COMPACTION_INTERVAL {
            self.last_compaction = Instant::now();
            self.may_compact = compact(state).await?;
        }
        self.round(state, log).await
    }

    async fn round(&mut self, state: &mut State, log: &dyn EventLog) -> Result<(), ProcessorError> {
        if self
            .last_round
            .is_some_and(|last| last.elapsed() < self.interval)
        {
            return Ok(());
        }
        self.last_round = Some(Instant::now());
        self.forget(state).await?;
        self.trim(state, log).await?;
        let store = &mut state.store;
        for table in [
            &mut store.dead_letters,
            &mut store.elevations,
            &mut store.usage,
            &mut store.devices,
        ] {
            let removed = table.writer.vacuum().await?;
            if removed > 0 {
                tracing::info!(
                    table = table.writer.definition().name,
                    files = removed,
                    "removed files that no kept version needs"
                );
            }
        }
        Ok(())
    }

    async fn forget(&self, state: &mut State) -> Result<(), ProcessorError> {
        let now_ms = Timestamp::now().as_millisecond();
        let store = &mut state.store;
        let tables: [(&mut Placed, Option<u32>); 3] = [
            (&mut store.elevations, self.retention.elevations_days),
            (&mut store.usage, self.retention.usage_days),
            (&mut store.dead_letters, self.retention.dead_letters_days),
        ];
        for (table, days) in tables {
            let Some(days) = days else { continue };
            let before_ms = now_ms - i64::from(days) * DAY_MS;
            let rows = table
                .writer
                .forget_before((before_ms / DAY_MS) as i32, before_ms)
                .await?;
            if rows > 0 {
                // The indexes may know rows that went.
                state.fold.indexes = Indexes::default();
                tracing::info!(
                    table = table.writer.definition().name,
                    rows,
                    days,
                    "forgot rows past their retention"
                );
            }
        }
        Ok(())
    }

    /// Lets the log forget entries past their retention that every table has applied.
    async fn trim(&self, state: &State, log: &dyn EventLog) -> Result<(), ProcessorError> {
        let days = self.retention.log_days.unwrap_or(Retention::LOG_DAYS);
        let before_ms = Timestamp::now().as_millisecond() - i64::from(days) * DAY_MS;
        for number in 0..log.partitions() {
            let partition = PartitionId(number);
            let applied = Offset(state.store.applied(number));
            let trimmed = async {
                log.store_position(CONSUMER, partition, applied).await?;
                let first_kept = first_received_since(log, partition, before_ms).await?;
                log.trim(partition, first_kept.min(applied)).await
            };
            match trimmed.await {
                // Another process writes the log and trims it.
                Err(LogError::ReadOnly) => return Ok(()),
                // Folding does not depend on it, and the next round tries again.
                Err(error @ (LogError::Unavailable { .. } | LogError::Refused { .. })) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the log was not trimmed");
                    return Ok(());
                }
                trimmed => trimmed?,
            };
        }
        Ok(())
    }
}

/// The first entry that was received at `since_ms` or later, by bisection: times of reception grow with the offset, but
/// for a server clock that was set back, and then more is kept. Entries that no collector wrote may name any time.
async fn first_received_since(
    log: &dyn EventLog,
    partition: PartitionId,
    since_ms: i64,
) -> Result<Offset, LogError> {
    let bounds = log.bounds(partition).await?;
    let (mut low, mut high) = (bounds.start.0, bounds.end.0);
    while low < high {
        let middle = low + (high - low) / 2;
        match first_received(log, partition, middle, high).await? {
            Some(entry) if entry.received_at_ms < since_ms => low = entry.offset.0 + 1,
            _ => high = middle,
        }
    }
    Ok(Offset(low))
}

/// The first entry of a collector from `from` on, if it lies before `until`.
async fn first_received(
    log: &dyn EventLog,
    partition: PartitionId,
    mut from: u64,
    until: u64,
) -> Result<Option<Entry>, LogError> {
    while from < until {
        let read = log.read(partition, Offset(from), 1).await?;
        if read.next.0 <= from {
            break;
        }
        from = read.next.0;
        let first = read.entries.into_iter().next();
        if let Some(entry) = first
            && !matches!(entry.kind, EntryKind::Foreign(_))
        {
            return Ok(Some(entry).filter(|entry| entry.offset.0 < until));
        }
    }
    Ok(None)
}

/// One step of joining small files. True where there may be more to do.
async fn compact(state: &mut State) -> Result<bool, ProcessorError> {
    let mut any = false;
    if let Some((day, files)) = state.store.elevations.writer.compaction_candidates() {
        let joined = state
            .store
            .elevations
            .writer
            .compact(day, files.clone())
            .await?;
        if let Some(index) = day.and_then(|day| state.fold.indexes.day_mut(day)) {
            index.moved(&files, &joined.file.path);
        }
        any = true;
    }
    if let Some((day, files)) = state.store.dead_letters.writer.compaction_candidates() {
        state.store.dead_letters.writer.compact(day, files).await?;
        any = true;
    }
    Ok(sum_usage(&mut state.store.usage).await? || any)
}

/// Sums the day of `usage` that has most files: rows that agree in every dimension become one.
async fn sum_usage(usage: &mut Placed) -> Result<bool, ProcessorError> {
    let mut days: std::collections::BTreeMap<i32, Vec<DataFile>> = Default::default();
    for file in usage.writer.files() {
        days.entry(file.day.unwrap_or_default())
            .or_default()
            .push(file.clone());
    }
    let Some((day, files)) = days.into_iter().max_by_key(|(_, files)| files.len()) else {
        return Ok(false);
    };
    if files.len() < SUM_FROM_FILES {
        return Ok(false);
    }
    let mut sum = UsageSum::new()?;
    for file in &files {
        sum.add_usage(&usage.writer.read_file(file, None).await?)?;
    }
    let change = Change {
        add: vec![(Some(day), sum.finish(day)?)],
        remove: files,
        rewrites_only: true,
        ..Change::default()
    };
    usage.writer.commit(change).await?;
    Ok(true)
}
