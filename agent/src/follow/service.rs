//! Runs a follower beside an agent: looks when something changed, records through the agent, and says in its heartbeats
//! how the followed paths are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::desk::{Moment, Recorder};
use super::watch::{Names, Watch};
use super::{Follower, Looked, News};
use crate::source::Observation;
use crate::{Agent, AgentError};

/// What comes within so short a time is read with one look.
const GATHER: Duration = Duration::from_millis(50);

/// Why following ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Stop: the agent records nothing more.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The bookmark could not be written in the end; more is read again, and counted once.
    #[error("the bookmark cannot be written")]
    Bookmark(#[source] io::Error),
    /// Stop: a thread ended that should not have.
    #[error("following stopped")]
    Ended(#[source] tokio::task::JoinError),
}

struct ThroughAgent {
    agent: Arc<Agent>,
    runtime: Handle,
    device_name: String,
}

impl Recorder for ThroughAgent {
    fn record(&mut self, mut observations: Vec<Observation>) -> Result<(), AgentError> {
        for observation in &mut observations {
            name_device(observation, &self.device_name);
        }
        self.runtime
            .block_on(self.agent.observe_where_room(observations))
    }
}

/// A log that names no host, as sudo's own and an audit log without `node=`, is of the device where it is followed.
fn name_device(observation: &mut Observation, device_name: &str) {
    if let v1::record::Body::Elevation(elevation) = &mut observation.body {
        let device = elevation.device.get_or_insert_default();
        if device.device_name.is_empty() {
            device_name.clone_into(&mut device.device_name);
        }
    }
}

/// Follows until `stop`, and gives the follower back with its bookmark saved. `tell` is told what a person should know.
///
/// # Errors
///
/// Where the agent ends before, or the bookmark cannot be saved. A path that cannot be read is no error.
pub async fn run(
    agent: Arc<Agent>,
    follower: Follower,
    stop: CancellationToken,
    tell: impl FnMut(News),
) -> Result<Follower, FollowError> {
    let mut health = Vec::new();
    let done = follow(&agent, follower, stop, tell, &mut health).await;
    if done.is_err() {
        // Nobody looks at the paths any more, so what they said of themselves no longer holds.
        agent.replace_sensors(&health, Vec::new());
    }
    done
}

async fn follow(
    agent: &Arc<Agent>,
    mut follower: Follower,
    stop: CancellationToken,
    mut tell: impl FnMut(News),
    health: &mut Vec<v1::SensorHealth>,
) -> Result<Follower, FollowError> {
    let long_look = follower.stop_token();
    let mut watch = Watch::new()
        .inspect_err(|error| tracing::warn!(%error, "no hints from the kernel, only polling"))
        .ok();
    loop {
        let names = follower.watched();
        if let Some(watch) = &mut watch {
            // Before the look, so that nothing that follows it is without a hint.
            watch.ask_for(&names);
        }
        let looking = look(Arc::clone(agent), follower);
        let looked;
        (follower, looked) = {
            tokio::pin!(looking);
            tokio::select! {
                done = &mut looking => done?,
                () = stop.cancelled() => {
                    long_look.cancel();
                    looking.await?
                }
            }
        };
        looked.news.into_iter().for_each(&mut tell);
        if let Some(error) = looked.error {
            return Err(error.into());
        }
        let now = follower.health();
        if now != *health {
            agent.replace_sensors(health, now.clone());
            *health = now;
        }
        let longest = looked.again_in.unwrap_or(follower.poll).min(follower.poll);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = hint(watch.as_ref(), &names) => {
                // More of the same usually follows at once.
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(GATHER.min(longest)) => {}
                }
            }
            () = tokio::time::sleep(longest) => {}
        }
    }
    let saving = tokio::task::spawn_blocking(move || {
        let saved = follower.save();
        (follower, saved)
    });
    let (follower, saved) = saving.await.map_err(FollowError::Ended)?;
    saved.map_err(FollowError::Bookmark)?;
    Ok(follower)
}

async fn look(
    agent: Arc<Agent>,
    mut follower: Follower,
) -> Result<(Follower, Looked), FollowError> {
    let runtime = Handle::current();
    let looking = tokio::task::spawn_blocking(move || {
        let mut recorder = ThroughAgent {
            agent,
            runtime,
            device_name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        };
        let looked = follower.look(&mut recorder, Moment::now());
        (follower, looked)
    });
    looking.await.map_err(FollowError::Ended)
}

/// Never comes where there are no hints.
async fn hint(watch: Option<&Watch>, names: &Names) {
    match watch {
        Some(watch) if watch.changed(names).await.is_ok() => {}
        _ => std::future::pending().await,
    }
}
