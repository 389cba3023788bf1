//! What the tasks of one agent share: the spool, how the connection and the sensors are, and who waits for news of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use epm_proto::ids::AgentId;
use epm_proto::v1;
use tokio::sync::watch;

use super::canary::Canary;
use crate::clock::{Clock, now_us};
use crate::spool::Spool;

/// What the tasks of one agent share.
pub(crate) struct Shared {
    pub(super) spool: Mutex<Spool>,
    pub(super) link: Mutex<Link>,
    // Rises with every commit and every answer of the collector.
    pub(super) news: watch::Sender<u64>,
    // Rises when a sensor comes, goes or changes its state.
    pub(super) turns: watch::Sender<u64>,
    /// The newest bundle of policies that nobody has looked at yet.
    pub(super) offered: watch::Sender<Option<Arc<[u8]>>>,
    /// What became of policies, for the collector.
    pub(super) echo: watch::Sender<Option<v1::PolicyEcho>>,
    pub(super) agent_id: AgentId,
    pub(super) clock: Clock,
}

#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) connected: bool,
    pub(super) last_ack_us: Option<i64>,
    pub(super) rejected: u64,
    pub(super) last_hello_us: Option<i64>,
    pub(super) clock_offset_ms: i64,
    pub(super) last_error: Option<String>,
    pub(super) sensors: Vec<v1::SensorHealth>,
    pub(super) canary: Option<Canary>,
    /// What policies say of the device, as the fields of a heartbeat; the other fields mean nothing.
    pub(super) governed: v1::Heartbeat,
}

impl Shared {
    /// Works on the spool. Waits for the disk, so it belongs on a thread that may.
    pub(crate) fn with_spool<T>(&self, work: impl FnOnce(&mut Spool) -> T) -> T {
        // A commit that panicked is cut away by the next one, so the spool stays usable.
        work(&mut self.spool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agent_id(&self) -> AgentId {
        self.agent_id
    }

    pub(crate) fn boot_id(&self) -> [u8; 16] {
        self.clock.boot_id()
    }

    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn tell(&self) {
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn connected(&self, clock_offset_ms: i64) {
        let mut link = self.link();
        link.connected = true;
        link.last_hello_us = Some(now_us());
        link.clock_offset_ms = clock_offset_ms;
        link.last_error = None;
    }

    pub(crate) fn disconnected(&self, error: Option<&impl std::error::Error>) {
        let mut link = self.link();
        link.connected = false;
        if let Some(error) = error {
            link.last_error = Some(error.to_string());
        }
    }

    pub(crate) fn acknowledged(&self, rejected: u64) {
        let mut link = self.link();
        link.last_ack_us = Some(now_us());
        link.rejected += rejected;
    }

    pub(crate) fn clock_offset_ms(&self) -> i64 {
        self.link().clock_offset_ms
    }

    pub(crate) fn sensors(&self) -> Vec<v1::SensorHealth> {
        self.link().sensors.clone()
    }

    pub(crate) fn governed(&self) -> v1::Heartbeat {
        self.link().governed.clone()
    }

    pub(crate) fn offer_policies(&self, envelope: Vec<u8>) {
        self.offered.send_replace(Some(envelope.into()));
    }

    pub(crate) fn policy_echo(&self) -> watch::Receiver<Option<v1::PolicyEcho>> {
        self.echo.subscribe()
    }

    /// Told when a sensor comes, goes or changes its state, and not of its details.
    pub(crate) fn turns(&self) -> watch::Receiver<u64> {
        self.turns.subscribe()
    }

    pub(super) fn change_sensors(&self, change: impl FnOnce(&mut Vec<v1::SensorHealth>)) {
        let turned = {
            let sensors = &mut self.link().sensors;
            let before = states(sensors);
            change(sensors);
            before != states(sensors)
        };
        if turned {
            self.turns
                .send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

/// What of sensors' health is worth a heartbeat of its own.
fn states(sensors: &[v1::SensorHealth]) -> Vec<(i32, i32)> {
    let mut states: Vec<_> = sensors.iter().map(|of| (of.sensor, of.state)).collect();
    states.sort_unstable();
    states
}
