//! What the collector counts. Every record counts once, when its fate is durable, so that received is always stored plus
//! duplicate plus rejected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use epm_control::CloneSign;
use epm_proto::v1;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::refusal::Refusal;

/// The metrics of every stage in the process; each registers its own.
pub type SharedRegistry = Arc<Mutex<Registry>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sign {
    sign: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    call: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallReason {
    call: &'static str,
    reason: &'static str,
}

/// Fates of the records of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    /// A code for each rejected record; there are few.
    pub(crate) rejected: Vec<v1::RejectCode>,
}

/// The collector's counters and gauges.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    received: Counter,
    stored: Counter,
    duplicate: Counter,
    rejected: Family<Code, Counter>,
    batches_refused: Family<Reason, Counter>,
    streams_refused: Family<Reason, Counter>,
    clones_seen: Family<Sign, Counter>,
    certificates_issued: Family<Call, Counter>,
    certificates_refused: Family<CallReason, Counter>,
    append_seconds: Histogram,
    pub(crate) streams: Gauge,
    pub(crate) bytes_in_flight: Gauge,
    pub(crate) agents: Gauge,
    /// 1 while the log takes appends.
    pub(crate) ready: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &SharedRegistry) -> Self {
        let metrics = Self {
            received: Counter::default(),
            stored: Counter::default(),
            duplicate: Counter::default(),
            rejected: Family::default(),
            batches_refused: Family::default(),
            streams_refused: Family::default(),
            clones_seen: Family::default(),
            certificates_issued: Family::default(),
            certificates_refused: Family::default(),
            // From a quarter of a millisecond, an idle disk's sync, to four seconds, a disk in trouble.
            append_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            streams: Gauge::default(),
            bytes_in_flight: Gauge::default(),
            agents: Gauge::default(),
            ready: Gauge::default(),
        };
        let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.name(registry.sub_registry_with_prefix("epm_collector"));
        metrics
    }

    fn name(&self, names: &mut Registry) {
        names.register(
            "received",
            "Records whose fate is durable: stored, duplicate or rejected",
            self.received.clone(),
        );
        names.register("stored", "Records appended to the log", self.stored.clone());
        names.register(
            "duplicate",
            "Records that the log already held",
            self.duplicate.clone(),
        );
        names.register(
            "rejected",
            "Records refused for ever and kept as dead letters",
            self.rejected.clone(),
        );
        names.register(
            "batches_refused",
            "Batches refused whole, which ended their stream",
            self.batches_refused.clone(),
        );
        names.register(
            "streams_refused",
            "Streams that ended for another reason than the agent's wish or a batch",
            self.streams_refused.clone(),
        );
        names.register(
            "clones_seen",
            "Signs that two devices are one agent",
            self.clones_seen.clone(),
        );
        names.register(
            "certificates_issued",
            "Certificates that agents got, by the call",
            self.certificates_issued.clone(),
        );
        names.register(
            "certificates_refused",
            "Calls by which an agent got no certificate",
            self.certificates_refused.clone(),
        );
        names.register(
            "append_seconds",
            "Time until a batch was durable",
            self.append_seconds.clone(),
        );
        names.register("streams", "Open streams", self.streams.clone());
        names.register(
            "bytes_in_flight",
            "Bytes of batches that arrived and are not yet durable",
            self.bytes_in_flight.clone(),
        );
        names.register(
            "agents",
            "Agents whose positions are remembered",
            self.agents.clone(),
        );
        names.register(
            "ready",
            "1 while the log takes appends, 0 while it is full or being read at the start",
            self.ready.clone(),
        );
    }

    /// Counts a batch whose fate is durable.
    pub(crate) fn settled(&self, counts: &Counts, took: Duration) {
        self.stored.inc_by(counts.stored);
        self.duplicate.inc_by(counts.duplicate);
        for code in &counts.rejected {
            let code = code_name(*code);
            self.rejected.get_or_create(&Code { code }).inc();
        }
        let rejected = counts.rejected.len() as u64;
        self.received
            .inc_by(counts.stored + counts.duplicate + rejected);
        self.append_seconds.observe(took.as_secs_f64());
    }

    /// Counts a sign that two devices are one agent.
    pub(crate) fn clone_seen(&self, sign: CloneSign) {
        let sign = match sign {
            CloneSign::TwoBoots => "two_boots",
            CloneSign::SequenceWentBack => "sequence_went_back",
        };
        self.clones_seen.get_or_create(&Sign { sign }).inc();
    }

    /// Counts a certificate that an agent got by `call`.
    pub(crate) fn certificate_issued(&self, call: &'static str) {
        self.certificates_issued.get_or_create(&Call { call }).inc();
    }

    /// Counts a `call` by which an agent got none.
    pub(crate) fn certificate_refused(&self, call: &'static str, reason: &'static str) {
        let label = CallReason { call, reason };
        self.certificates_refused.get_or_create(&label).inc();
    }

    /// Counts the end of a stream that the collector refused.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let reasons = if refusal.is_of_a_batch() {
            &self.batches_refused
        } else {
            &self.streams_refused
        };
        let reason = refusal.reason();
        reasons.get_or_create(&Reason { reason }).inc();
    }
}

fn code_name(code: v1::RejectCode) -> &'static str {
    match code {
        v1::RejectCode::Unspecified => "unspecified",
        v1::RejectCode::TooLarge => "too_large",
        v1::RejectCode::Malformed => "malformed",
        v1::RejectCode::SchemaUnknown => "schema_unknown",
        v1::RejectCode::WrongIdentity => "wrong_identity",
        v1::RejectCode::OutOfScope => "out_of_scope",
    }
}
