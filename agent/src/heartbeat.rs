//! The agent's own state as an observation, on a timer. It must not say anything about people.

use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, Shared};
use crate::clock::now_us;
use crate::source::Observation;

/// How often a device says that it lives: a minute of silence is the least that anyone acts on.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// Least time between a heartbeat and one that tells that a sensor changed its state: sensors that start together are
/// told of together, and one that comes and goes does not fill the spool.
const SHORTEST_GAP: Duration = Duration::from_secs(5);

/// What does not change between two heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: Duration,
    pub(crate) device_name: String,
    pub(crate) os_version: String,
    pub(crate) started_at_us: i64,
}

impl Heartbeat {
    /// A heartbeat that tells of a transition of the life cycle.
    pub(crate) fn of_transition(&self, shared: &Shared, change: v1::LifeCycle) -> Observation {
        let mut observation = self.observation(shared);
        if let v1::record::Body::Heartbeat(beat) = &mut observation.body {
            beat.life_cycle = Some(change);
        }
        observation
    }

    fn observation(&self, shared: &Shared) -> Observation {
        let now = now_us();
        let governed = shared.governed();
        let (depth, drops, scope) = shared.with_spool(|spool| {
            let drops = spool
                .drops()
                .iter()
                .map(|(reason, records)| v1::DropCount {
                    reason: *reason,
                    records: *records,
                })
                .collect();
            (spool.depth(), drops, spool.mint().reporting_scope)
        });
        Observation {
            observed_at_us: now,
            source_key: None,
            class: v1::RecordClass::Health,
            body: v1::record::Body::Heartbeat(v1::Heartbeat {
                spool_records: depth.records,
                spool_bytes: depth.bytes,
                oldest_unsent_us: depth.oldest_us.unwrap_or_default(),
                drops,
                clock_offset_ms: shared.clock_offset_ms(),
                device_name: self.device_name.clone(),
                os_version: self.os_version.clone(),
                policy_revision: governed.policy_revision,
                sensors: shared.sensors(),
                effective_scope: scope.into(),
                started_at_us: self.started_at_us as u64,
                interval_s: self.interval.as_secs() as u32,
                life_cycle: governed.life_cycle,
                applicability: governed.applicability,
            }),
        }
    }
}

/// Beats at once, then every interval and when a sensor changes its state, until `stop`.
pub(crate) async fn run(
    heartbeat: Heartbeat,
    shared: Arc<Shared>,
    requests: crate::agent::Requests,
    stop: CancellationToken,
) {
    let mut timer = tokio::time::interval(heartbeat.interval);
    // A device that slept says once that it is back.
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut turns = shared.turns();
    let mut beaten = None;
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = turned(&mut turns, beaten) => timer.reset(),
            () = stop.cancelled() => return,
        }
        beaten = Some(Instant::now());
        turns.mark_unchanged();
        let (source, beat) = (Arc::clone(&shared), heartbeat.clone());
        let made = tokio::task::spawn_blocking(move || beat.observation(&source)).await;
        let Ok(observation) = made else {
            return;
        };
        if let Err(error) = Agent::observe_through(&requests, vec![observation]).await {
            tracing::warn!(agent = %shared.agent_id(), %error, "a heartbeat could not be spooled");
        }
    }
}

/// Ends when a sensor changed its state and the last heartbeat is long enough ago.
async fn turned(turns: &mut watch::Receiver<u64>, beaten: Option<Instant>) {
    if turns.changed().await.is_err() {
        return std::future::pending().await;
    }
    // Whoever waits here may be dropped for a regular heartbeat, which then tells the change.
    turns.mark_changed();
    if let Some(beaten) = beaten {
        tokio::time::sleep_until(beaten + SHORTEST_GAP).await;
    }
}
