//! How long to wait before the next try: longer each time, up to a bound, and never in step with other agents.

use std::time::Duration;

/// First wait: a collector that restarts is back in about this time.
pub const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait: a fleet that lost its collector asks once a minute each, and finds it soon after.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Waits that grow.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Starts at [`FIRST_WAIT`] and grows to `longest`.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self {
            longest,
            next: FIRST_WAIT.min(longest),
        }
    }

    /// The next wait: between half of the bound and the whole of it, so that agents that lost their collector together
    /// do not come back together.
    pub fn wait(&mut self) -> Duration {
        let bound = self.next;
        self.next = (bound * 2).min(self.longest);
        bound.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = FIRST_WAIT.min(self.longest);
    }
}
