//! What the processor counts for Prometheus. It must not decide anything.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::fold::{Counts, Outcome};

/// The metrics of every stage in the process; each registers its own.
pub type SharedRegistry = Arc<Mutex<Registry>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Became {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCode {
    code: String,
}

/// The processor's figures.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    entries: Family<Became, Counter>,
    observations: Family<Became, Counter>,
    position: Family<OfPartition, Gauge<i64>>,
    behind: Family<OfPartition, Gauge<i64>>,
    commit_seconds: Histogram,
    visible_seconds: Histogram,
    retries: Counter,
    dead_letters: Family<OfCode, Counter>,
    trimmed: Counter,
    devices: Gauge<i64>,
    last_commit: Gauge<f64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self {
            entries: Family::default(),
            observations: Family::default(),
            position: Family::default(),
            behind: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.005, 2.0, 12)),
            visible_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            retries: Counter::default(),
            dead_letters: Family::default(),
            trimmed: Counter::default(),
            devices: Gauge::default(),
            last_commit: Gauge::default(),
        };
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        let part = registry.sub_registry_with_prefix("epm_processor");
        part.register(
            "entries",
            "Log entries folded, by what became of them",
            metrics.entries.clone(),
        );
        part.register(
            "observations",
            "Observations that another record of the same one made needless (repeated), or that became part of another sensor's row (joined)",
            metrics.observations.clone(),
        );
        part.register(
            "position",
            "Offset that every table has applied",
            metrics.position.clone(),
        );
        part.register(
            "behind_entries",
            "Entries in the log that are not in every table",
            metrics.behind.clone(),
        );
        part.register(
            "commit_seconds",
            "Time to commit one transaction to all tables",
            metrics.commit_seconds.clone(),
        );
        part.register(
            "visible_seconds",
            "Time from reception to commit of the oldest entry of a transaction",
            metrics.visible_seconds.clone(),
        );
        part.register(
            "retries",
            "Transactions that failed and were started again",
            metrics.retries.clone(),
        );
        part.register(
            "dead_letters",
            "Rows of the table dead_letters: what could not be folded, by its code",
            metrics.dead_letters.clone(),
        );
        part.register(
            "trimmed_offsets",
            "Offsets that the log let go before they were folded: at most so many entries are lost",
            metrics.trimmed.clone(),
        );
        part.register("devices", "Agents known", metrics.devices.clone());
        part.register(
            "last_commit_timestamp_seconds",
            "When the last transaction was committed",
            metrics.last_commit.clone(),
        );
        metrics.clone()
    }

    pub(crate) fn committed(&self, counts: &Counts, outcome: &Outcome, devices: usize) {
        let add = |family: &Family<Became, Counter>, result, number| {
            family.get_or_create(&Became { result }).inc_by(number);
        };
        add(&self.entries, "stored", counts.stored);
        add(&self.entries, "duplicate", counts.duplicate);
        add(&self.entries, "rejected", counts.rejected);
        add(&self.observations, "repeated", outcome.repeated);
        add(&self.observations, "joined", outcome.joined);
        self.devices.set(devices as i64);
    }

    pub(crate) fn took(&self, commit_seconds: f64, waited_seconds: Option<f64>, now_seconds: f64) {
        self.commit_seconds.observe(commit_seconds);
        if let Some(waited) = waited_seconds {
            self.visible_seconds.observe(waited.max(0.0));
        }
        self.last_commit.set(now_seconds);
    }

    pub(crate) fn stands(&self, partition: u32, position: u64, end: u64) {
        let label = OfPartition { partition };
        self.position.get_or_create(&label).set(position as i64);
        self.behind
            .get_or_create(&label)
            .set(end.saturating_sub(position) as i64);
    }

    pub(crate) fn lost(&self, dead_letters: &BTreeMap<String, u64>, offsets: u64) {
        for (code, rows) in dead_letters {
            let label = OfCode { code: code.clone() };
            self.dead_letters.get_or_create(&label).inc_by(*rows);
        }
        self.trimmed.inc_by(offsets);
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }
}
