//! What all streams share. It must not hold anything of one stream.

use std::sync::{Arc, OnceLock};

use epm_event_log::{EventLog, LogError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::config::Config;
use crate::identity::Security;
use crate::metrics::Metrics;
use crate::positions::Positions;
use crate::seats::Seats;

/// The collector's state.
pub(crate) struct Stage {
    pub(crate) config: Config,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) positions: Positions,
    pub(crate) seats: Arc<Seats>,
    pub(crate) budget: Budget,
    pub(crate) metrics: Metrics,
    /// What agents are known by; nothing where they are not, on a loopback address.
    pub(crate) security: Option<Security>,
    /// A permit for each stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Streams read no more, and finish what they hold.
    pub(crate) drain: CancellationToken,
    /// Streams send no more either.
    pub(crate) abort: CancellationToken,
    /// The error that stopped the log.
    pub(crate) failure: OnceLock<LogError>,
}

impl Stage {
    pub(crate) fn new(
        config: Config,
        log: Arc<dyn EventLog>,
        positions: Positions,
        metrics: Metrics,
        security: Option<Security>,
        shutdown: &CancellationToken,
    ) -> Self {
        let held = metrics.bytes_in_flight.clone();
        Self {
            budget: Budget::new(config.max_bytes_in_flight, config.max_delay, held),
            streams: Arc::new(Semaphore::new(config.max_streams as usize)),
            config,
            log,
            positions,
            seats: Arc::default(),
            metrics,
            security,
            drain: shutdown.child_token(),
            abort: CancellationToken::new(),
            failure: OnceLock::new(),
        }
    }

    /// The log stopped, and so does the collector: what it would do next cannot be made durable.
    pub(crate) fn stop_for(&self, error: LogError) {
        self.metrics.ready.set(0);
        // The first error is the cause; others follow from it.
        let _ = self.failure.set(error);
        self.drain.cancel();
    }
}
