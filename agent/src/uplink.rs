//! The uplink: delivers the spool to a collector, over and over, for as long as the agent runs.
//!
//! It must not delete a record: the spool does, once the collector says that it is durable or finally refused.

pub mod address;
pub mod backoff;
mod in_flight;
pub mod probe;
mod session;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::agent::Shared;
use address::CollectorAddress;
use backoff::Backoff;
use session::{End, Session};

/// What the uplink needs to know.
#[derive(Clone, Debug)]
pub(crate) struct UplinkConfig {
    pub(crate) collector: CollectorAddress,
    pub(crate) longest_wait: Duration,
    /// Bundles of policies are taken.
    pub(crate) takes_policies: bool,
}

/// Delivers until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, config: UplinkConfig, stop: CancellationToken) {
    let mut backoff = Backoff::new(config.longest_wait);
    while !stop.is_cancelled() {
        let mut session = Session::new(&shared, &config);
        let end = tokio::select! {
            end = session.run() => end,
            () = stop.cancelled() => Ok(End::Stopped),
        };
        if session.moved() {
            backoff.reset();
        }
        shared.disconnected(end.as_ref().err());
        match end {
            Ok(End::Stopped) => break,
            Ok(End::EpochDone) => continue,
            Err(error) => {
                let wait = backoff.wait();
                tracing::info!(
                    agent = %shared.agent_id(),
                    error = %error,
                    wait_ms = wait.as_millis() as u64,
                    "not connected to the collector"
                );
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
}
