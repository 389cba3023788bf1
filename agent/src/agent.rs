//! One agent in this process: its spool, the task that writes to it, its uplink and its heartbeat.
//!
//! Many agents may live in one process: each is a few tasks, and its disk work borrows threads of the runtime.

mod canary;
mod config;
mod shared;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use epm_proto::ids::AgentId;
use epm_proto::v1;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, now_us};
use crate::heartbeat::{self, Heartbeat};
use crate::identity::{IdentityError, StateFolder};
use crate::scope;
use crate::source::Observation;
use crate::spool::mint::Mint;
use crate::spool::{Depth, MAX_COMMIT_OBSERVATIONS, Place, Spool, SpoolError};
use crate::uplink::address::{AddressError, CollectorAddress};
use crate::uplink::{self, UplinkConfig};

pub use config::AgentConfig;
use shared::Link;
pub(crate) use shared::Shared;

/// Calls that wait for the same commit: their observers wait with them, so this bounds memory and no more.
const MAX_WAITING_CALLS: usize = 256;

/// Why an agent cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Stop: the state folder is another's or cannot be used.
    #[error(transparent)]
    State(#[from] IdentityError),
    /// Stop: records may not be sent to this address.
    #[error(transparent)]
    Collector(#[from] AddressError),
    /// Stop: the folder of the spool cannot be used.
    #[error("the spool in {} cannot be opened", path.display())]
    OpenSpool {
        /// The state folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing was recorded; [`SpoolError::is_retryable`] says whether to try again.
    #[error(transparent)]
    Spool(Arc<SpoolError>),
    /// Stop: the agent was stopped.
    #[error("the agent was stopped")]
    Stopped,
}

/// How an agent is.
#[derive(Clone, Debug, Default)]
pub struct AgentStatus {
    /// Who it is.
    pub agent_id: AgentId,
    /// Where its next record goes.
    pub next: Place,
    /// What waits.
    pub waiting: Depth,
    /// Whether a collector is connected.
    pub connected: bool,
    /// When a collector last acknowledged something, microseconds since 1970.
    pub last_ack_us: Option<i64>,
    /// Records that the collector finally refused, since the start.
    pub rejected: u64,
    /// When a collector last answered a hello, microseconds since 1970.
    pub last_hello_us: Option<i64>,
    /// Server clock less device clock at the last hello, milliseconds.
    pub clock_offset_ms: i64,
    /// Why the last connection ended.
    pub last_error: Option<String>,
    /// What sensors say of themselves.
    pub sensors: Vec<v1::SensorHealth>,
    /// Records that were lost or withheld since the start, by `v1::LossReason`.
    pub drops: BTreeMap<i32, u64>,
    /// What may leave the device.
    pub reporting_scope: v1::ReportingScope,
    /// What policies say of the device: revision, life cycle and applicability.
    pub governed: v1::Heartbeat,
}

type Answer = oneshot::Sender<Result<(), Arc<SpoolError>>>;
/// The way to the task that writes.
pub(crate) type Requests = mpsc::Sender<(Vec<Observation>, Answer)>;

/// A running agent.
pub struct Agent {
    shared: Arc<Shared>,
    requests: Requests,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    heartbeat: Heartbeat,
    // Locked until the agent is dropped.
    state: StateFolder,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("agent_id", &self.shared.agent_id)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Locks the state folder, opens the spool, and starts delivering and beating. Within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Where the folder or the address cannot be used. A collector that is not there is no error: records wait.
    pub fn start(config: AgentConfig) -> Result<Self, AgentError> {
        let collector = CollectorAddress::parse(&config.collector)?;
        let state = StateFolder::open(&config.state_dir, config.agent_id)?;
        let clock = Clock::of_this_boot();
        let mint = Mint {
            agent_id: state.agent_id(),
            reporting_scope: config.reporting_scope,
            device_id: config.device_id,
            clock,
        };
        let spool = Spool::open(state.path(), mint, config.spool).map_err(|source| {
            AgentError::OpenSpool {
                path: config.state_dir.clone(),
                source,
            }
        })?;
        let shared = Arc::new(Shared {
            spool: Mutex::new(spool),
            link: Mutex::new(Link {
                sensors: config.sensors,
                ..Link::default()
            }),
            news: watch::Sender::new(0),
            turns: watch::Sender::new(0),
            offered: watch::Sender::new(None),
            echo: watch::Sender::new(None),
            agent_id: state.agent_id(),
            clock,
        });
        let (requests, waiting) = mpsc::channel(MAX_WAITING_CALLS);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Arc::clone(&shared), waiting, stop.clone()));
        let uplink = UplinkConfig {
            collector,
            longest_wait: config.longest_wait,
            takes_policies: config.takes_policies,
        };
        tasks.spawn(uplink::run(Arc::clone(&shared), uplink, stop.clone()));
        let heartbeat = Heartbeat {
            interval: config
                .heartbeat_interval
                .unwrap_or(heartbeat::DEFAULT_INTERVAL),
            device_name: config.device_name,
            os_version: config.os_version,
            started_at_us: now_us(),
        };
        if config.heartbeat_interval.is_some() {
            let (shared, requests) = (Arc::clone(&shared), requests.clone());
            let heartbeat = heartbeat.clone();
            tasks.spawn(heartbeat::run(heartbeat, shared, requests, stop.clone()));
        }
        Ok(Self {
            shared,
            requests,
            stop,
            tasks: Mutex::new(tasks),
            heartbeat,
            state,
        })
    }

    /// Who this agent is.
    #[must_use]
    pub fn agent_id(&self) -> AgentId {
        self.state.agent_id()
    }

    /// Records `observations`; returns once they are durable, all of them. Calls that come together share one commit.
    ///
    /// # Errors
    ///
    /// Where nothing of them was recorded.
    pub async fn observe(&self, observations: Vec<Observation>) -> Result<(), AgentError> {
        Self::observe_through(&self.requests, observations).await
    }

    /// [`Agent::observe`] for a source that keeps what it has until it is recorded, such as a log: where the spool is
    /// full, nothing makes room for it.
    ///
    /// # Errors
    ///
    /// Where nothing of them was recorded; a full spool is to be tried again.
    pub async fn observe_where_room(
        &self,
        observations: Vec<Observation>,
    ) -> Result<(), AgentError> {
        let room = self.on_spool(Spool::refuse_where_full).await;
        room.ok_or(AgentError::Stopped)?
            .map_err(|error| AgentError::Spool(Arc::new(error)))?;
        self.observe(observations).await
    }

    pub(crate) async fn observe_through(
        requests: &Requests,
        observations: Vec<Observation>,
    ) -> Result<(), AgentError> {
        if observations.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let sent = requests.send((observations, answer)).await;
        sent.map_err(|_| AgentError::Stopped)?;
        let done = answered.await.map_err(|_| AgentError::Stopped)?;
        done.map_err(AgentError::Spool)
    }

    /// Counts records that a source had and could not wait to record; they are told as lost with the next commit.
    pub async fn count_lost(&self, reason: v1::LossReason, class: v1::RecordClass, records: u64) {
        self.on_spool(move |spool| spool.count_lost(reason, class, records))
            .await;
    }

    /// What may leave the device from now on. What is out of scope is counted and not spooled; what was spooled before
    /// is sent as it is.
    pub async fn set_reporting_scope(&self, scope: v1::ReportingScope) {
        self.on_spool(move |spool| spool.set_reporting_scope(scope))
            .await;
    }

    /// What policies say of the device from now on: revision, life cycle and applicability of `governed`.
    pub fn set_governed(&self, governed: v1::Heartbeat) {
        let revision = governed.policy_revision.clone();
        let before = std::mem::replace(&mut self.shared.link().governed, governed);
        if before.policy_revision != revision {
            self.shared.tell();
        }
    }

    /// Bundles of policies that the collector sent; the newest replaces one that was not taken.
    #[must_use]
    pub fn offered_policies(&self) -> watch::Receiver<Option<Arc<[u8]>>> {
        self.shared.offered.subscribe()
    }

    /// What the collector is told of policies from now on.
    pub fn echo_policies(&self, echo: v1::PolicyEcho) {
        self.shared.echo.send_replace(Some(echo));
    }

    /// Waits until policies of this revision say what may leave the device; false where they do not for `patience`.
    pub async fn wait_governed(&self, revision: &str, patience: Duration) -> bool {
        let mut news = self.shared.news();
        let governed = async {
            while self.shared.link().governed.policy_revision != revision {
                news.changed().await.ok()?;
            }
            Some(())
        };
        let waited = tokio::time::timeout(patience, governed).await;
        waited.is_ok_and(|governed| governed.is_some())
    }

    /// Records that the life cycle went on, in a heartbeat of its own; returns once it is durable.
    ///
    /// # Errors
    ///
    /// Where it was not recorded.
    pub async fn record_transition(&self, change: v1::LifeCycle) -> Result<(), AgentError> {
        let (shared, heartbeat) = (Arc::clone(&self.shared), self.heartbeat.clone());
        let making = tokio::task::spawn_blocking(move || heartbeat.of_transition(&shared, change));
        let observation = making.await.map_err(|_| AgentError::Stopped)?;
        self.observe(vec![observation]).await
    }

    /// What one sensor says of itself, for the heartbeats from now on; the others stay as they are.
    pub fn set_sensor(&self, health: v1::SensorHealth) {
        self.shared.change_sensors(|sensors| {
            match sensors.iter_mut().find(|old| old.sensor == health.sensor) {
                Some(old) => *old = health,
                None => sensors.push(health),
            }
        });
    }

    /// What sensors say of themselves that may be several of one kind, in place of what they said `before`.
    pub fn replace_sensors(&self, before: &[v1::SensorHealth], now: Vec<v1::SensorHealth>) {
        self.shared.change_sensors(|sensors| {
            sensors.retain(|health| !before.contains(health));
            sensors.extend(now);
        });
    }

    /// Looks out for the agent's own harmless elevation from now on; see [`crate::self_test`].
    pub(crate) fn expect_canary(&self, token: String) {
        self.shared.expect_canary(token);
    }

    /// Which sensors saw it so far.
    pub(crate) fn canary_seen_by(&self) -> Vec<v1::SensorKind> {
        self.shared.canary_seen_by()
    }

    /// Waits until everything recorded so far is durable at the collector, finally refused, or told as lost.
    pub async fn wait_delivered(&self) {
        let mut news = self.shared.news();
        let Some(end) = self.on_spool(|spool| spool.next()).await else {
            return;
        };
        loop {
            let delivered = self
                .on_spool(move |spool| spool.is_delivered_before(end))
                .await;
            if delivered.unwrap_or(true) {
                return;
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Waits until something was recorded or a collector answered; false where nothing happened for `patience`.
    pub async fn wait_for_news(&self, patience: Duration) -> bool {
        let mut news = self.shared.news();
        let changed = tokio::time::timeout(patience, news.changed()).await;
        matches!(changed, Ok(Ok(())))
    }

    /// Waits until a sensor comes, goes or changes its state.
    pub(crate) async fn wait_for_turn(&self, turns: &mut watch::Receiver<u64>) {
        if turns.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Told of sensors that come, go or change their state from now on.
    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.shared.turns()
    }

    /// How the agent is.
    pub async fn status(&self) -> AgentStatus {
        let spool = self.on_spool(|spool| {
            let scope = spool.mint().reporting_scope;
            (spool.next(), spool.depth(), spool.drops().clone(), scope)
        });
        let (next, waiting, drops, reporting_scope) = spool.await.unwrap_or_default();
        let link = self.shared.link();
        AgentStatus {
            agent_id: self.shared.agent_id,
            next,
            waiting,
            connected: link.connected,
            last_ack_us: link.last_ack_us,
            rejected: link.rejected,
            last_hello_us: link.last_hello_us,
            clock_offset_ms: link.clock_offset_ms,
            last_error: link.last_error.clone(),
            sensors: link.sensors.clone(),
            drops,
            reporting_scope,
            governed: link.governed.clone(),
        }
    }

    /// Ends the tasks: what was recorded is durable, what was not delivered waits for the next start.
    ///
    /// # Errors
    ///
    /// Where what was acknowledged could not be written down; records are then sent again.
    pub async fn stop(&self) -> Result<(), AgentError> {
        self.stop.cancel();
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while tasks.join_next().await.is_some() {}
        match self.on_spool(Spool::tidy).await {
            Some(Err(error)) => Err(AgentError::Spool(Arc::new(error.into()))),
            _ => Ok(()),
        }
    }

    /// `None` where the runtime shuts down.
    async fn on_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.with_spool(work))
            .await
            .ok()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Commits what comes in: everything that waits goes in one commit. After `stop`, what came before is still done.
async fn write(
    shared: Arc<Shared>,
    mut waiting: mpsc::Receiver<(Vec<Observation>, Answer)>,
    stop: CancellationToken,
) {
    let mut next = None;
    loop {
        let (mut observations, answer) = match next.take() {
            Some(request) => request,
            None => {
                let request = tokio::select! {
                    biased;
                    request = waiting.recv() => request,
                    () = stop.cancelled() => {
                        waiting.close();
                        waiting.recv().await
                    }
                };
                let Some(request) = request else {
                    return;
                };
                request
            }
        };
        let mut answers = vec![answer];
        while let Ok((more, answer)) = waiting.try_recv() {
            if observations.len() + more.len() > MAX_COMMIT_OBSERVATIONS {
                next = Some((more, answer));
                break;
            }
            observations.extend(more);
            answers.push(answer);
        }
        let on = Arc::clone(&shared);
        shared.notice_canary(&mut observations);
        let committing = tokio::task::spawn_blocking(move || {
            on.with_spool(|spool| {
                let (kept, withheld) = scope::within(spool.mint().reporting_scope, observations);
                spool.withhold(withheld);
                if kept.is_empty() {
                    Ok(())
                } else {
                    spool.append(kept)
                }
            })
        });
        let Ok(committed) = committing.await else {
            return;
        };
        if committed.is_ok() {
            shared.tell();
        }
        let outcome = committed.map_err(Arc::new);
        for answer in answers {
            // An observer that no longer waits does not need to know.
            let _ = answer.send(outcome.clone());
        }
    }
}
