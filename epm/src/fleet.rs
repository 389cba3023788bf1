//! The demo's fleet: one real agent for each simulated device, with a spool and a stream of its own. It must not reach
//! past the agents into the pipeline.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use epm_agent::source::Observation;
use epm_agent::sources::simulated::{Fleet, FleetDevice, Presence};
use epm_agent::{Agent, AgentConfig};
use epm_proto::ids::AgentId;
use epm_proto::v1::{self, record::Body};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// Observations handed to a spool at once: one commit to disk each.
const CHUNK: usize = 500;
/// Time between two elevations of one device in live traffic, for each device of the fleet: the fleet has one a second.
const GAP_PER_DEVICE: Duration = Duration::from_secs(1);
/// Often, so that somebody who watches sees the fleet's state change.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// When a device that is late delivers what it held back: long enough to be seen.
const LATE_AFTER: Duration = Duration::from_secs(20);
/// How long the end waits for a device's last records.
const LAST_DELIVERY: Duration = Duration::from_secs(10);
const HOUR_US: i64 = 3_600_000_000;

/// How far the fleet is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Records in spools, heartbeats aside.
    pub(crate) recorded: u64,
    /// Every device has delivered its history, but for those that are late.
    pub(crate) history_done: bool,
    /// Devices that have nothing more to say.
    pub(crate) silent: u64,
}

#[derive(Default)]
struct Shared {
    recorded: AtomicU64,
    busy: AtomicUsize,
}

/// A running fleet.
pub(crate) struct FleetRun {
    shared: Arc<Shared>,
    stop: CancellationToken,
    devices: JoinSet<()>,
    silent: u64,
}

impl FleetRun {
    /// Starts an agent for each device.
    pub(crate) fn start(
        fleet: Fleet,
        collector: SocketAddr,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let stop = CancellationToken::new();
        let mut devices = JoinSet::new();
        let is_silent = |device: &&FleetDevice| matches!(device.presence, Presence::Silent { .. });
        let silent = fleet.devices().iter().filter(is_silent).count() as u64;
        for device in fleet.devices() {
            let agent = start_agent(device, collector, folder)?;
            let now_us = Timestamp::now().as_microsecond();
            agent.set_governed(fleet.governed(device.index, now_us));
            shared.busy.fetch_add(1, Ordering::Relaxed);
            let life = Life {
                fleet: fleet.clone(),
                device: device.clone(),
                agent,
                shared: Arc::clone(&shared),
                stop: stop.clone(),
            };
            devices.spawn(life.live());
        }
        Ok(Self {
            shared,
            stop,
            devices,
            silent,
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            recorded: self.shared.recorded.load(Ordering::Relaxed),
            history_done: self.shared.busy.load(Ordering::Relaxed) == 0,
            silent: self.silent,
        }
    }

    /// Ends every device after it delivered what it holds; returns how many records there were.
    pub(crate) async fn finish(mut self) -> u64 {
        self.stop.cancel();
        while self.devices.join_next().await.is_some() {}
        self.shared.recorded.load(Ordering::Relaxed)
    }
}

fn start_agent(
    device: &FleetDevice,
    collector: SocketAddr,
    folder: &Path,
) -> Result<Agent, Failure> {
    let state = folder.join(&device.name);
    let mut config = AgentConfig::new(state, format!("http://{collector}"));
    config.device_name.clone_from(&device.name);
    config.device_id.clone_from(&device.device_id);
    config.os_version.clone_from(&device.os_version);
    config.agent_id = uuid::Uuid::parse_str(&device.device_id)
        .ok()
        .map(AgentId::from);
    config.heartbeat_interval = match device.presence {
        Presence::Silent { .. } => None,
        _ => Some(HEARTBEAT_INTERVAL),
    };
    Agent::start(config).map_err(|error| {
        Failure::because(
            &format!("the agent of {} cannot start", device.name),
            &error,
        )
    })
}

struct Life {
    fleet: Fleet,
    device: FleetDevice,
    agent: Agent,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Life {
    async fn live(self) {
        let now_us = Timestamp::now().as_microsecond();
        let held_us = match self.device.presence {
            Presence::Late { held_hours } => i64::from(held_hours) * HOUR_US,
            _ => 0,
        };
        tokio::select! {
            () = self.past(i64::MIN / 2, now_us - held_us) => {}
            () = self.stop.cancelled() => {}
        }
        self.shared.busy.fetch_sub(1, Ordering::Relaxed);
        let rest = async {
            if held_us > 0 {
                tokio::time::sleep(LATE_AFTER).await;
                self.past(now_us - held_us, now_us).await;
            }
            match self.device.presence {
                Presence::Silent { .. } => std::future::pending().await,
                _ => self.present(now_us).await,
            }
        };
        tokio::select! {
            () = rest => {}
            () = self.stop.cancelled() => {}
        }
        // What is left stays in the spool, where a real device would find it at its next start.
        let _ = tokio::time::timeout(LAST_DELIVERY, self.agent.wait_delivered()).await;
        if let Err(error) = self.agent.stop().await {
            tracing::error!(device = %self.device.device_id, %error, "an agent did not stop well");
        }
    }

    /// Records and delivers what happened from `from_us` to `until_us`.
    async fn past(&self, from_us: i64, until_us: i64) {
        let from_us = from_us.max(self.fleet.start_us());
        let mut history = self.fleet.history(self.device.index, from_us, until_us);
        loop {
            let chunk: Vec<Observation> = history.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            self.record(chunk).await;
        }
        if let Presence::Silent { .. } = self.device.presence {
            self.record(vec![self.last_heartbeat()]).await;
        }
        self.agent.wait_delivered().await;
    }

    /// The last sign of life of a device that has been silent since.
    fn last_heartbeat(&self) -> Observation {
        let at_us = self.fleet.heard_until_us(self.device.index);
        let beat = v1::Heartbeat {
            device_name: self.device.name.clone(),
            os_version: self.device.os_version.clone(),
            effective_scope: v1::ReportingScope::All.into(),
            // So short that it counts as silent at once.
            interval_s: 1,
            ..self.fleet.governed(self.device.index, at_us)
        };
        Observation {
            observed_at_us: at_us,
            source_key: None,
            class: v1::RecordClass::Health,
            body: Body::Heartbeat(beat),
        }
    }

    /// Records what happens from now on, when it happens.
    async fn present(&self, now_us: i64) {
        let gap = GAP_PER_DEVICE * u32::try_from(self.fleet.devices().len()).unwrap_or(u32::MAX);
        for seen in self.fleet.live(self.device.index, now_us, gap) {
            let wait_us = seen.observed_at_us - Timestamp::now().as_microsecond();
            tokio::time::sleep(Duration::from_micros(wait_us.max(0) as u64)).await;
            self.record(vec![seen]).await;
        }
    }

    async fn record(&self, chunk: Vec<Observation>) {
        let records = chunk.len() as u64;
        match self.agent.observe(chunk).await {
            Ok(()) => {
                self.shared.recorded.fetch_add(records, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(device = %self.device.device_id, %error, "records were not spooled")
            }
        }
    }
}
