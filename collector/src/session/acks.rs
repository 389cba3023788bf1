//! The acknowledging half of a stream: an append that is durable is settled, counted and acknowledged, in the order of
//! sending. It must not acknowledge anything else.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use epm_event_log::{AppendReceipt, LogError, LogFuture, NewEntry, PartitionId};
use epm_proto::v1;
use epm_proto::v1::collector_message::Message as Answer;
use futures::future::{BoxFuture, MaybeDone};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Answers;
use crate::admit::Sender;
use crate::budget::Reserved;
use crate::metrics::Counts;
use crate::ranges::RangeSet;
use crate::refusal::Refusal;
use crate::stage::Stage;

/// An append that the log was handed.
pub(super) type Append = MaybeDone<BoxFuture<'static, Result<(), Refusal>>>;

/// A batch that waits for the log.
pub(super) struct InFlight {
    pub(super) append: Pin<Box<Append>>,
    pub(super) fresh: RangeSet,
    pub(super) sequences: RangeSet,
    pub(super) rejects: Vec<v1::Reject>,
    pub(super) counts: Counts,
    pub(super) nameless: bool,
    pub(super) arrived: Instant,
    pub(super) reserved: Reserved,
}

/// Where acks go.
pub(super) struct Acks<'a> {
    pub(super) stage: &'a Arc<Stage>,
    pub(super) sender: Sender,
    pub(super) answers: Answers,
    pub(super) leave: CancellationToken,
}

impl Acks<'_> {
    /// Awaits every append until no more follow, also after one failed or the agent left: the agent's next stream must
    /// find their fate known.
    pub(super) async fn run(
        &self,
        mut appends: mpsc::Receiver<InFlight>,
        failed: &CancellationToken,
    ) -> Result<(), Refusal> {
        let mut end = Ok(());
        while let Some(mut batch) = appends.recv().await {
            batch.append.as_mut().await;
            match batch.append.as_mut().take_output() {
                Some(Ok(())) if end.is_ok() => {
                    let durable_before = self.settle(&batch);
                    self.acknowledge(batch, durable_before).await;
                }
                Some(Ok(())) => {
                    // What it repeats may be of the batch that failed: known only is what it brought itself.
                    batch.counts.duplicate = 0;
                    self.settle(&batch);
                }
                Some(Err(refusal)) => {
                    failed.cancel();
                    end = end.and(Err(refusal));
                }
                // The output is taken once, here.
                None => {}
            }
        }
        end
    }

    fn settle(&self, batch: &InFlight) -> u64 {
        let Sender {
            agent_id, epoch, ..
        } = self.sender;
        let positions = &self.stage.positions;
        let durable_before = positions.settle(agent_id, epoch, &batch.fresh);
        let metrics = &self.stage.metrics;
        metrics.settled(&batch.counts, batch.arrived.elapsed());
        metrics.agents.set(positions.len() as i64);
        durable_before
    }

    async fn acknowledge(&self, batch: InFlight, durable_before: u64) {
        drop(batch.reserved);
        // The batch's own ranges, however full of holes the epoch is: the agent adds them up.
        let ranges = batch.sequences.beyond(durable_before, usize::MAX);
        let ack = v1::Ack {
            epoch: self.sender.epoch.0,
            durable_before,
            durable_ranges: ranges
                .map(|(first, last)| v1::SequenceRange { first, last })
                .collect(),
            rejects: batch.rejects,
            delay_ms: self.stage.budget.delay_ms(),
        };
        let message = v1::CollectorMessage {
            message: Some(Answer::Ack(ack)),
        };
        tokio::select! {
            biased;
            // An agent that is gone asks again when it is back.
            _ = self.answers.send(Ok(message)) => {}
            () = self.leave.cancelled() => {}
        }
    }
}

/// What the log answers. A log that takes long is told about: its brokers may be away, and agents wait.
async fn answered(
    stage: &Stage,
    mut append: LogFuture<'_, AppendReceipt>,
) -> Result<AppendReceipt, LogError> {
    match tokio::time::timeout(stage.config.append_patience, &mut append).await {
        Ok(answer) => answer,
        Err(_) => {
            stage.metrics.ready.set(0);
            tracing::warn!("the log takes long to answer; agents keep their records meanwhile");
            append.await
        }
    }
}

/// Appends, and tries again while there is no room, until the stream has to end.
pub(super) fn append_durably(
    stage: Arc<Stage>,
    leave: CancellationToken,
    partition: PartitionId,
    entries: Vec<NewEntry>,
) -> BoxFuture<'static, Result<(), Refusal>> {
    Box::pin(async move {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut wait, longest) = stage.config.full_backoff;
        loop {
            // The entries share their bytes: a copy costs a count for each.
            let append = stage.log.append(partition, entries.clone());
            match answered(&stage, append).await {
                Ok(_) => {
                    stage.metrics.ready.set(1);
                    return Ok(());
                }
                Err(error) if error.is_retryable() => {
                    stage.metrics.ready.set(0);
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "append waits");
                }
                Err(error @ LogError::TooLarge { .. }) => return Err(Refusal::Unstorable(error)),
                Err(error) => {
                    stage.stop_for(error);
                    return Err(Refusal::Log);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(longest),
                () = stage.drain.cancelled() => return Err(Refusal::Full),
                () = leave.cancelled() => return Err(Refusal::Full),
            }
        }
    })
}
