//! Learns at the start what the log already holds of each agent, so that nothing is stored twice after a restart.
//!
//! It reads the envelopes of the whole retained log, and nothing is served before it is done. Measured
//! at two million small records a second, on two shared cores with the log in the page cache. It must not decode a body,
//! and must not write.

use std::time::Duration;

use epm_event_log::{Entry, EntryKind, EventLog, LogError, LogFuture, PartitionId};
use epm_proto::head::RecordHead;
use epm_proto::ids::{AgentId, Epoch};
use epm_proto::v1;
use prost::Message;

use crate::positions::Positions;

/// Bytes read at a time: large enough that the call costs nothing, small enough to yield often.
const READ_BYTES: usize = 4 << 20;
/// Wait before a log that does not answer is asked again: short beside the time that its request took.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Fills `positions` from the log. Returns the entries that were read.
pub(crate) async fn recover(log: &dyn EventLog, positions: &Positions) -> Result<u64, LogError> {
    let mut entries = 0;
    for number in 0..log.partitions() {
        entries += recover_partition(log, PartitionId(number), positions).await?;
    }
    Ok(entries)
}

async fn recover_partition(
    log: &dyn EventLog,
    partition: PartitionId,
    positions: &Positions,
) -> Result<u64, LogError> {
    let bounds = patiently(|| log.bounds(partition)).await?;
    let mut next = bounds.start;
    let mut read = 0;
    while next < bounds.end {
        let batch = match patiently(|| log.read(partition, next, READ_BYTES)).await {
            Ok(batch) => batch,
            // Retention went on meanwhile.
            Err(LogError::Trimmed { start, .. }) if start > next => {
                next = start;
                continue;
            }
            Err(error) => return Err(error),
        };
        if batch.next <= next {
            break;
        }
        read += batch.entries.len() as u64;
        for entry in &batch.entries {
            recover_entry(entry, positions);
        }
        next = batch.next;
        tokio::task::yield_now().await;
    }
    Ok(read)
}

/// Asks the log again for as long as it says that this may help: agents wait meanwhile, and keep their records.
async fn patiently<'a, T>(ask: impl Fn() -> LogFuture<'a, T>) -> Result<T, LogError> {
    loop {
        match ask().await {
            Err(error) if error.is_retryable() => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the log is asked again");
                tokio::time::sleep(ASK_AGAIN).await;
            }
            answer => return answer,
        }
    }
}

fn recover_entry(entry: &Entry, positions: &Positions) {
    match entry.kind {
        EntryKind::Record => {
            // What does not read as a record was never admitted by this version: the processor reports it.
            if let Ok(head) = RecordHead::scan(&entry.payload) {
                let name = head.name;
                positions.recover(name.agent_id, name.epoch, name.sequence.0);
            }
        }
        EntryKind::Rejected => {
            if let Ok(rejected) = v1::RejectedRecord::decode(entry.payload.clone())
                && let Some(agent_id) = AgentId::from_slice(&rejected.agent_id)
                && rejected.sequence > 0
            {
                positions.recover(agent_id, Epoch(rejected.epoch), rejected.sequence);
            }
        }
        EntryKind::Foreign(_) | EntryKind::Unknown(_) => {}
    }
}
