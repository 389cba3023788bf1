//! The logs that `epm-agent run` follows: read as `epm-agent follow` reads them, and begun again where that failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1;
use tokio_util::sync::CancellationToken;

use super::failure::{Failure, with_causes};
use super::follow::options;
use super::{FollowArgs, RunArgs, terminal};
use crate::Agent;
use crate::follow::{self, FollowOptions, Follower};

/// Time between two tries to follow where that fails altogether: the disk of the bookmark, or threads.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Logs that are to be followed.
#[derive(Debug)]
pub(super) struct FollowedLogs(FollowOptions);

/// What was asked for; nothing where no log was named.
pub(super) fn configured(args: &RunArgs) -> Result<Option<FollowedLogs>, Failure> {
    if args.follow_log.is_empty() {
        return Ok(None);
    }
    let options = options(FollowArgs {
        paths: args.follow_log.clone(),
        zone: args.zone.clone(),
        poll: args.poll,
    })?;
    Ok(Some(FollowedLogs(options)))
}

impl FollowedLogs {
    /// Follows until `stop`, with the bookmark in `state`. That a log cannot be read is a state of health and no reason to
    /// end.
    pub(super) async fn run(self, agent: Arc<Agent>, state: PathBuf, stop: CancellationToken) {
        let mut told = Vec::new();
        while !stop.is_cancelled() {
            let following = async {
                let follower = Follower::open(&state, self.0.clone())
                    .map_err(|error| format!("the bookmark cannot be read: {error}"))?;
                agent.replace_sensors(&told, Vec::new());
                follow::run(Arc::clone(&agent), follower, stop.clone(), terminal::say)
                    .await
                    .map_err(|error| with_causes(&error))
            };
            let Err(why) = following.await else {
                return;
            };
            tracing::warn!(reason = why, "no log is followed");
            let failing = v1::SensorHealth {
                sensor: v1::SensorKind::FollowedLog.into(),
                state: v1::SensorState::Failing.into(),
                detail: format!("no log is followed: {why}; tried again"),
            };
            agent.replace_sensors(&told, vec![failing.clone()]);
            told = vec![failing];
            tokio::select! {
                () = tokio::time::sleep(TRY_AGAIN) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}
