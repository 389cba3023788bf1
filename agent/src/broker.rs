//! The broker: hears from `elevate` over a socket, decides by the policies, records, and has programs started as root.
//!
//! Where to read: [`protocol`] is what is said over the socket; `conversation.rs` is one elevation from the question to the
//! start; [`spawner`] and `monitor.rs` are the processes that start a program and stand over it. It must not decide by
//! itself: what happens is the policy engine's answer, or a refusal.

pub mod approvals;
pub mod authentication;
pub mod caller;
pub mod child;
mod conversation;
pub mod ending;
pub mod environment;
mod family;
pub mod fixed_path;
pub mod journal;
pub mod limits;
mod monitor;
pub mod order;
pub mod program;
pub mod protocol;
pub mod record;
pub mod seats;
pub mod spawner;
mod steps;
pub mod verdict;
pub mod visible;
pub mod wire;

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use epm_policy::DeviceId;
use epm_policy::bundle::TrustedKeys;
use epm_proto::v1;
use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::now_us;
use crate::file_facts::{FactsCache, Witnesses};
use crate::launch::Device;
use crate::platform::linux::peer::Peer;
use crate::policies::PolicySource;
use crate::source::Observation;
use crate::{Agent, AgentError};
use approvals::Approvals;
use family::Family;
use journal::Journal;
use limits::{
    MAX_ASKING, MAX_ASKING_PER_USER, MAX_HELD_BYTES, MAX_HELD_BYTES_PER_USER, MAX_RUNNING,
    MAX_RUNNING_PER_USER, RETRY_INTERVAL,
};
use protocol::ToElevate;
use seats::{Seat, Seats};
use spawner::Spawner;

/// Everybody may connect: who it is, the kernel says, and what comes of it, the policies.
const SOCKET_MODE: u32 = 0o666;

/// What the broker is told at its start.
#[derive(Debug)]
pub struct BrokerConfig {
    /// Where to listen.
    pub socket: PathBuf,
    /// State folder of the agent.
    pub state: PathBuf,
    /// Name of the device in records.
    pub device_name: String,
    /// The policies.
    pub policies: Arc<PolicySource>,
    /// The process that starts programs.
    pub spawner: Spawner,
    /// The file of `/etc/pam.d` by which people authenticate.
    pub pam_service: String,
    /// Whose approvals count.
    pub approval_keys: Option<TrustedKeys>,
    /// What files and their signers are judged by.
    pub witnesses: Witnesses,
}

/// Whether the start of an elevation is in the spool.
#[derive(Clone, Copy, Debug)]
enum Began {
    /// It is.
    Recorded,
    /// Nobody knows: it is recorded once more, under the same key.
    Unknown,
}

/// A broker at work.
#[derive(Debug)]
pub struct Broker {
    listener: UnixListener,
    socket: PathBuf,
    agent: Arc<Agent>,
    policies: Arc<PolicySource>,
    spawner: Spawner,
    pam_service: String,
    approvals: Approvals,
    journal: Journal,
    witnesses: Witnesses,
    facts: FactsCache,
    device: Device,
    device_name: String,
    asking: Arc<Seats>,
    running: Arc<Seats>,
    /// Bytes of copied programs.
    held: Arc<Seats>,
    /// What waits for the end of a program.
    watching: Mutex<JoinSet<()>>,
    stop: CancellationToken,
    runtime: Handle,
}

impl Broker {
    /// Listens until `stop`, and takes up elevations that an agent before this one left open. Within a tokio runtime.
    ///
    /// # Errors
    ///
    /// Where the socket or the journal cannot be made.
    pub fn open(
        config: BrokerConfig,
        agent: Arc<Agent>,
        stop: CancellationToken,
    ) -> io::Result<Arc<Self>> {
        let journal = Journal::open(&config.state)?;
        let broker = Arc::new(Self {
            listener: listen(&config.socket)?,
            socket: config.socket,
            device: Device {
                // Until a management system names the device, it is known by its agent.
                id: Some(DeviceId::from(agent.agent_id().to_string().as_str())),
                ..Device::default()
            },
            agent,
            policies: config.policies,
            spawner: config.spawner,
            pam_service: config.pam_service,
            approvals: Approvals::open(&config.state, config.approval_keys)?,
            journal,
            witnesses: config.witnesses,
            facts: FactsCache::default(),
            device_name: config.device_name,
            asking: Seats::new(MAX_ASKING, MAX_ASKING_PER_USER),
            running: Seats::new(MAX_RUNNING, MAX_RUNNING_PER_USER),
            held: Seats::new(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_USER),
            watching: Mutex::default(),
            stop,
            runtime: Handle::current(),
        });
        broker.take_up_what_was_left()?;
        Ok(broker)
    }

    /// Serves until it is to stop, and records what has ended by then. What runs goes on running.
    pub async fn serve(self: Arc<Self>) {
        let telling = tokio::spawn(Arc::clone(&self).tell_of_itself());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream),
                    Err(error) => {
                        // No descriptor left: those who hold one give it back sooner than we would help.
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                },
                () = self.stop.cancelled() => break,
            }
        }
        let _ = std::fs::remove_file(&self.socket);
        let _ = telling.await;
        let mut watching = {
            let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *watching)
        };
        while watching.join_next().await.is_some() {}
    }

    /// A thread for whoever asks, where there is room.
    fn admit(self: &Arc<Self>, stream: tokio::net::UnixStream) {
        let Ok(peer) = Peer::of(&stream) else {
            tracing::warn!("the kernel does not name a peer; it is not served");
            return;
        };
        let Ok(stream) = stream.into_std() else {
            return;
        };
        if stream.set_nonblocking(false).is_err() {
            return;
        }
        let Some(seat) = self.asking.take(peer.uid) else {
            let busy = "too many elevations are being asked for: try again when one is settled";
            let refused = ToElevate::Refused(busy.to_owned()).encode();
            // The message is short: an empty socket takes it without waiting.
            let _ = wire::send(&stream, &refused, &[]);
            return;
        };
        let broker = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            conversation::converse(&broker, stream, peer, seat);
        });
    }

    /// From a thread that may wait: records, and returns once it is durable.
    fn observe(&self, observations: Vec<Observation>) -> Result<(), AgentError> {
        self.runtime.block_on(self.agent.observe(observations))
    }

    /// Records the end of an elevation when the process that stands over it is gone. When the agent is to stop, an end that is
    /// there already is recorded; others are for the agent after this one.
    fn watch(self: &Arc<Self>, watch: UnixStream, watched: Watched) {
        let Watched {
            journal: path,
            began,
            seats,
            mut family,
        } = watched;
        let broker = Arc::clone(self);
        let work = async move {
            if let Err(error) = listened(watch, &mut family, &broker.stop).await {
                tracing::error!(%error, "an elevation cannot be watched; its end is recorded at the next start");
                return;
            }
            if let Some(family) = family {
                let ended = tokio::task::spawn_blocking(move || family.end());
                let _ = ended.await;
            }
            steps::reached(steps::Step::Ended);
            broker.conclude(path, began).await;
            drop(seats);
        };
        self.keep_watching(work);
    }

    fn keep_watching(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        while watching.try_join_next().is_some() {}
        watching.spawn_on(work, &self.runtime);
    }

    /// Records the end that a journal file tells. Waits while the program runs, unless the agent is to stop.
    async fn conclude(self: &Arc<Self>, path: PathBuf, began: Began) {
        loop {
            let (from, journal) = (path.clone(), self.journal.clone());
            let Ok(read) = tokio::task::spawn_blocking(move || journal.read(&from)).await else {
                return;
            };
            let entry = match read {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    tracing::error!("an elevation's journal is damaged; it is set aside");
                    let _ = std::fs::rename(&path, path.with_extension("damaged"));
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.goes_on_after(RETRY_INTERVAL).await {
                        continue;
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "an elevation's journal cannot be read");
                    return;
                }
            };
            let exit = record::exit(&entry.start, entry.key, entry.ending, now_us());
            let observations = match began {
                Began::Recorded => vec![exit],
                Began::Unknown => vec![entry.start.clone(), exit],
            };
            match self.agent.observe(observations).await {
                Ok(()) => {
                    steps::reached(steps::Step::Concluded);
                    let _ = entry.forget();
                    return;
                }
                Err(AgentError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "the end of an elevation is not recorded yet");
                    if !self.goes_on_after(RETRY_INTERVAL).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits; false where the agent is to stop.
    async fn goes_on_after(&self, wait: Duration) -> bool {
        let stopped = self.stop.run_until_cancelled(tokio::time::sleep(wait));
        stopped.await.is_some()
    }

    /// For the heartbeats, and for whoever looks at the agent.
    fn tell_health(&self) {
        let version = self.policies.current().policies().version.0;
        let (state, detail) = match (self.spawner.trouble(), self.policies.trouble()) {
            (Some(trouble), _) => (v1::SensorState::Failing, trouble.to_owned()),
            (None, Some(trouble)) => {
                let detail = format!("policies stay at version {version}: {trouble}");
                (v1::SensorState::Failing, detail)
            }
            (None, None) => {
                let detail = format!("answers elevate by policies of version {version}");
                (v1::SensorState::Running, detail)
            }
        };
        self.agent.set_sensor(v1::SensorHealth {
            sensor: v1::SensorKind::Broker.into(),
            state: state.into(),
            detail,
        });
    }

    /// Elevations of an agent before this one.
    fn take_up_what_was_left(self: &Arc<Self>) -> io::Result<()> {
        for path in self.journal.open_entries()? {
            if path.extension().is_some() {
                continue;
            }
            let broker = Arc::clone(self);
            self.keep_watching(async move { broker.conclude(path, Began::Unknown).await });
        }
        Ok(())
    }

    /// Tells of its health whenever that may have changed.
    async fn tell_of_itself(self: Arc<Self>) {
        let mut timer = tokio::time::interval(RETRY_INTERVAL);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.stop.run_until_cancelled(timer.tick()).await.is_some() {
            self.tell_health();
        }
    }
}

/// What is known of a program that runs.
struct Watched {
    journal: PathBuf,
    began: Began,
    seats: [Seat; 2],
    /// Those that it starts, where they are confined.
    family: Option<Family>,
}

/// Answers the process that stands over a program, until it is gone or the agent is to stop. It asks one question at a time.
async fn listened(
    watch: UnixStream,
    family: &mut Option<Family>,
    stop: &CancellationToken,
) -> io::Result<()> {
    watch.set_nonblocking(true)?;
    let asking = Arc::new(watch.try_clone()?);
    let watch = tokio::net::UnixStream::from_std(watch)?;
    loop {
        let Some(readable) = stop.run_until_cancelled(watch.readable()).await else {
            return Ok(());
        };
        readable?;
        // Waits anew from here on: what is readable now is read below, whole.
        let seen = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = watch.try_io(tokio::io::Interest::READABLE, seen);
        // Nobody asks who is not confined: readable means closed.
        let Some(mut hearing) = family.take() else {
            return Ok(());
        };
        let asking = Arc::clone(&asking);
        let heard = tokio::task::spawn_blocking(move || {
            let open = hearing.hear(&asking);
            (hearing, open)
        });
        let (hearing, open) = heard.await.map_err(io::Error::other)?;
        *family = Some(hearing);
        if !open {
            return Ok(());
        }
    }
}

/// A socket that everybody can reach and nobody but root can replace.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)?;
    }
    // The state folder's lock says that no other agent is there, so that a socket here is a dead one's.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}
