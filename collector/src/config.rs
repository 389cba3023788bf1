//! How the collector is bounded: every limit with the reason for its number. It must not hold what a stream does.

use std::time::Duration;

use epm_proto::v1;

/// Records that an agent may put into one batch: a few milliseconds of work, so that no stream starves another.
const MAX_BATCH_RECORDS: u32 = 4096;
/// Bytes of one batch before compression: several hundred full records, and one allocation that is still cheap.
const MAX_BATCH_BYTES: u32 = 2 << 20;
/// Bytes of one record: a command line of 32 KiB in every text field, four times over. The log takes 1 MiB.
const MAX_RECORD_BYTES: u32 = 256 << 10;
/// Unacknowledged bytes of one agent: four full batches hide the time of a sync.
const MAX_IN_FLIGHT_BYTES: u64 = 8 << 20;
/// Batches of one stream that wait for the log together. More than four small ones help when syncs are slow.
const MAX_IN_FLIGHT_BATCHES: usize = 16;
/// Bytes of all batches between arrival and durability: bounds memory, whatever the size of the fleet.
const MAX_BYTES_IN_FLIGHT: u32 = 256 << 20;
/// Streams at once: one for each agent of a server's share of the fleet.
const MAX_STREAMS: u32 = 20_000;
/// Agents whose positions are remembered: about 300 bytes each.
const MAX_AGENTS: usize = 1_000_000;

/// What the collector allows, and for how long it waits.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes that one agent may have sent and not seen acknowledged.
    pub max_in_flight_bytes: u64,
    /// Batches of one stream that may wait for the log.
    pub max_in_flight_batches: usize,
    /// Bytes of one record; at most what the log takes.
    pub max_record_bytes: u32,
    /// Bytes of one batch before compression.
    pub max_batch_bytes: u32,
    /// Records of one batch.
    pub max_batch_records: u32,
    /// Bytes of batches, over all streams, that arrived and are not yet durable.
    pub max_bytes_in_flight: u32,
    /// Streams open at once.
    pub max_streams: u32,
    /// Agents whose positions are remembered.
    pub max_agents: usize,
    /// How long a new stream may take to say who it is.
    pub hello_timeout: Duration,
    /// How long a new stream waits for the older one of its agent to finish.
    pub takeover_timeout: Duration,
    /// Longest delay that an agent is asked for, before jitter.
    pub max_delay: Duration,
    /// First and longest wait before an append is tried again because the disk is full.
    pub full_backoff: (Duration, Duration),
    /// How long an append may take before the collector says that it is not ready. It goes on waiting.
    pub append_patience: Duration,
    /// How often a silent connection is asked whether it lives.
    pub keepalive_interval: Duration,
    /// How long it may take to answer.
    pub keepalive_timeout: Duration,
    /// How long streams may take to finish what they hold when the collector stops.
    pub shutdown_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_in_flight_bytes: MAX_IN_FLIGHT_BYTES,
            max_in_flight_batches: MAX_IN_FLIGHT_BATCHES,
            max_record_bytes: MAX_RECORD_BYTES,
            max_batch_bytes: MAX_BATCH_BYTES,
            max_batch_records: MAX_BATCH_RECORDS,
            max_bytes_in_flight: MAX_BYTES_IN_FLIGHT,
            max_streams: MAX_STREAMS,
            max_agents: MAX_AGENTS,
            // A slow link needs a few round trips; a stranger gets no more.
            hello_timeout: Duration::from_secs(10),
            takeover_timeout: Duration::from_secs(10),
            max_delay: Duration::from_secs(2),
            full_backoff: (Duration::from_millis(100), Duration::from_secs(5)),
            // A disk in trouble or an election of another leader; more is an outage.
            append_patience: Duration::from_secs(5),
            // Half of the idle time after which common NAT devices forget a connection.
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// What an agent is told.
    #[must_use]
    pub fn limits(&self) -> v1::Limits {
        v1::Limits {
            max_in_flight_bytes: self.max_in_flight_bytes,
            max_record_bytes: self.max_record_bytes,
            max_batch_bytes: self.max_batch_bytes,
            max_batch_records: self.max_batch_records,
        }
    }

    /// Why these limits cannot work together, where they cannot.
    pub(crate) fn contradiction(&self) -> Option<String> {
        // A compressed batch counts twice: as it came, and as it opens.
        let largest = u64::from(self.max_batch_bytes) * 2;
        if u64::from(self.max_bytes_in_flight) < largest {
            return Some(format!(
                "max_bytes_in_flight is {} and must hold at least one batch, {largest}",
                self.max_bytes_in_flight
            ));
        }
        if self.max_record_bytes > self.max_batch_bytes {
            return Some(format!(
                "max_record_bytes is {} and must fit into max_batch_bytes, {}",
                self.max_record_bytes, self.max_batch_bytes
            ));
        }
        if self.max_streams == 0 || self.max_in_flight_batches == 0 || self.max_batch_records == 0 {
            return Some(
                "max_streams, max_in_flight_batches and max_batch_records must be at least 1"
                    .to_owned(),
            );
        }
        None
    }
}
