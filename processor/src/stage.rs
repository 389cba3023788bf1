//! The stage: waits for entries, folds and commits them, keeps the tables tidy, and ends when it is told to.
//!
//! Where a commit fails the tables are opened again and the fold goes on from what they say, as after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use epm_event_log::{EventLog, LogError, Offset, PartitionId};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::ProcessorError;
use crate::metrics::{Metrics, SharedRegistry};
use crate::transaction::{Intake, State};
use crate::upkeep::Upkeep;

/// Waits between attempts after a failed commit: the first, and the longest that doubling leads to.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// Folds `log` into tables until `shutdown`; then folds what is durable and ends.
///
/// # Errors
///
/// Where the log cannot be read, or the tables belong to another log or version. Failing commits, and a log that does not
/// answer, are retried for ever, because nothing is lost while entries wait in the log.
pub async fn run(
    config: Config,
    log: Arc<dyn EventLog>,
    registry: SharedRegistry,
    shutdown: CancellationToken,
) -> Result<(), ProcessorError> {
    let metrics = Metrics::register(&registry);
    let mut wait = RETRY_FIRST;
    loop {
        let started = Instant::now();
        match follow(&config, &*log, &metrics, &shutdown).await {
            Ok(()) => return Ok(()),
            Err(error) if !is_retryable(&error) => return Err(error),
            Err(error) => {
                metrics.retried();
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, wait_ms = wait.as_millis() as u64, "folding was interrupted; trying again");
            }
        }
        if shutdown.is_cancelled() {
            return Ok(());
        }
        if started.elapsed() > RETRY_LONGEST {
            wait = RETRY_FIRST;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        wait = (wait * 2).min(RETRY_LONGEST);
    }
}

fn is_retryable(error: &ProcessorError) -> bool {
    use epm_tables::write::WriteError;
    match error {
        ProcessorError::Tables(error) => {
            matches!(error, WriteError::Table { .. } | WriteError::Rows { .. })
        }
        // A broker that is away: what it holds is there when it is back.
        ProcessorError::Log(error) => error.is_retryable(),
        _ => false,
    }
}

async fn follow(
    config: &Config,
    log: &dyn EventLog,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) -> Result<(), ProcessorError> {
    let mut state = State::open(&config.tables, log).await?;
    let mut upkeep = Upkeep::new(config);
    loop {
        // Asked before reading, so that everything durable when the end was asked for is folded.
        let is_ending = shutdown.is_cancelled();
        let began = Instant::now();
        let intake = state.take_in(log, config.transaction_bytes).await?;
        if intake.is_empty() {
            stand(&state, log, metrics).await?;
            if is_ending {
                return Ok(());
            }
            upkeep.when_idle(&mut state, log).await?;
            wait_for_entries(&state, log, &upkeep, shutdown).await?;
            continue;
        }
        let is_full = commit(&mut state, intake, metrics, config).await?;
        stand(&state, log, metrics).await?;
        upkeep.under_load(&mut state, log).await?;
        if !is_full && !is_ending {
            let rest = config.commit_interval.saturating_sub(began.elapsed());
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

/// True where there was so much that more is likely to wait.
async fn commit(
    state: &mut State,
    intake: Intake,
    metrics: &Metrics,
    config: &Config,
) -> Result<bool, ProcessorError> {
    let entries = intake.entries.iter().flat_map(|(_, entries)| entries);
    let bytes: usize = entries.clone().map(|entry| entry.payload.len()).sum();
    let oldest_ms = entries.map(|entry| entry.received_at_ms).min();
    let began = Instant::now();
    let committed = state.transact(intake).await?;
    let now_ms = Timestamp::now().as_millisecond();
    let took = began.elapsed().as_secs_f64();
    metrics.committed(
        &committed.counts,
        &committed.outcome,
        state.fold.devices.len(),
    );
    let waited = oldest_ms.map(|oldest_ms| (now_ms - oldest_ms) as f64 / 1000.0);
    metrics.took(took, waited, now_ms as f64 / 1000.0);
    metrics.lost(&committed.dead_letters, committed.trimmed);
    tracing::debug!(
        stored = committed.counts.stored,
        duplicate = committed.counts.duplicate,
        rejected = committed.counts.rejected,
        took_ms = (took * 1000.0) as u64,
        "committed"
    );
    Ok(bytes > config.transaction_bytes / 2)
}

async fn stand(state: &State, log: &dyn EventLog, metrics: &Metrics) -> Result<(), ProcessorError> {
    for partition in 0..log.partitions() {
        let end = log.bounds(PartitionId(partition)).await?.end.0;
        metrics.stands(partition, state.store.applied(partition), end);
    }
    Ok(())
}

async fn wait_for_entries(
    state: &State,
    log: &dyn EventLog,
    upkeep: &Upkeep,
    shutdown: &CancellationToken,
) -> Result<(), ProcessorError> {
    let waits = (0..log.partitions()).map(|partition| {
        let from = Offset(state.store.applied(partition));
        log.wait_beyond(PartitionId(partition), from)
    });
    tokio::select! {
        (waited, ..) = futures::future::select_all(waits) => match waited {
            // A log that closes under us is the end of the process; what is durable is folded when it starts again.
            Err(LogError::Closed) => shutdown.cancelled().await,
            waited => waited?,
        },
        () = upkeep.due() => {}
        () = shutdown.cancelled() => {}
    }
    Ok(())
}
