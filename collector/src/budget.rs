//! One budget of bytes for all streams: what arrived and is not yet durable. It bounds memory whatever the fleet does,
//! and says how long agents should wait when it runs low.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Share of the budget, in percent, above which agents are asked to wait: half leaves room for what is on its way.
const DELAY_ABOVE_PERCENT: u64 = 50;

/// The bytes that may be held at once.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    total: u32,
    max_delay: Duration,
    held: Gauge,
    /// Spreads the agents: not a secret, only different for each answer.
    jitter: RandomState,
    answers: AtomicU64,
}

/// Bytes reserved. They go back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    permit: OwnedSemaphorePermit,
    held: Gauge,
}

impl Budget {
    pub(crate) fn new(total: u32, max_delay: Duration, held: Gauge) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(total as usize)),
            total,
            max_delay,
            held,
            jitter: RandomState::new(),
            answers: AtomicU64::new(0),
        }
    }

    /// Waits for `bytes`, in the order of asking. More than the whole budget is taken as the whole.
    pub(crate) async fn reserve(&self, bytes: u32) -> Reserved {
        let bytes = bytes.min(self.total);
        let permit = match Arc::clone(&self.bytes).acquire_many_owned(bytes).await {
            Ok(permit) => permit,
            // Nothing closes the semaphore.
            Err(_) => std::future::pending().await,
        };
        self.held.inc_by(i64::from(bytes));
        Reserved {
            permit,
            held: self.held.clone(),
        }
    }

    /// How long an agent should wait before its next batch of backlog, in milliseconds: nothing below the threshold,
    /// then growing to the longest delay, each time between half and the whole of it.
    pub(crate) fn delay_ms(&self) -> u32 {
        let total = u64::from(self.total);
        let held = total - (self.bytes.available_permits() as u64).min(total);
        let threshold = total * DELAY_ABOVE_PERCENT / 100;
        if held <= threshold {
            return 0;
        }
        let longest = self.max_delay.as_millis() as u64;
        let wanted = longest * (held - threshold) / (total - threshold).max(1);
        let answer = self.answers.fetch_add(1, Ordering::Relaxed);
        let spread = self.jitter.hash_one(answer) % (wanted / 2 + 1);
        u32::try_from(wanted - spread).unwrap_or(u32::MAX)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.held.dec_by(self.permit.num_permits() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_budget_in_use_makes_others_wait_and_agents_slow_down() {
        let held = Gauge::default();
        let budget = Budget::new(100, Duration::from_millis(1000), held.clone());
        let first = budget.reserve(50).await;
        assert_eq!(budget.delay_ms(), 0);
        let second = budget.reserve(50).await;
        assert!((500..=1000).contains(&budget.delay_ms()));
        assert!(budget.reserve(1).now_or_never().is_none());
        assert_eq!(held.get(), 100);
        drop((first, second));
        assert_eq!((held.get(), budget.delay_ms()), (0, 0));
    }
}
