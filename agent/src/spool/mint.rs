//! Makes a record of an observation: its name, its link to the record before it, the two clocks. It must not do IO.

use epm_proto::chain::HASH_BYTES;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use prost::Message;
use uuid::Uuid;

use crate::clock::Clock;
use crate::source::Observation;

/// Version of the record schema that this program writes.
pub const SCHEMA_VERSION: u32 = 1;
/// Largest record that is spooled. Far above any real one (about a kilobyte) and below the batch limits of collectors,
/// so that one absurd command line cannot block the queue.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;

/// What every record of an agent says alike.
#[derive(Clone, Debug)]
pub struct Mint {
    /// Whose records they are.
    pub agent_id: AgentId,
    /// What may leave the device.
    pub reporting_scope: v1::ReportingScope,
    /// The management system's id of the device, or empty.
    pub device_id: String,
    /// The device's clocks.
    pub clock: Clock,
}

impl Mint {
    /// The encoded record of `observation` at this place of the chain.
    pub(crate) fn record(
        &self,
        epoch: u64,
        sequence: u64,
        previous_hash: Option<[u8; HASH_BYTES]>,
        observation: Observation,
    ) -> Vec<u8> {
        let mut record = v1::Record {
            agent_id: self.agent_id.as_bytes().to_vec(),
            epoch,
            sequence,
            previous_hash: previous_hash.map(|hash| hash.to_vec()).unwrap_or_default(),
            event_id: Uuid::now_v7().as_bytes().to_vec(),
            observed_at_us: observation.observed_at_us,
            monotonic_us: self.clock.monotonic_us(),
            boot_id: self.clock.boot_id().to_vec(),
            schema_version: SCHEMA_VERSION,
            reporting_scope: self.reporting_scope.into(),
            source_event_key: observation
                .source_key
                .map(|key| key.as_bytes().to_vec())
                .unwrap_or_default(),
            tenant_id: String::new(),
            device_id: self.device_id.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            body: Some(observation.body),
        };
        let bytes = record.encode_to_vec();
        if bytes.len() <= MAX_RECORD_BYTES {
            return bytes;
        }
        record.body = Some(v1::record::Body::Loss(v1::Loss {
            reason: v1::LossReason::SourceUnreadable.into(),
            counts: vec![v1::LossCount {
                record_class: observation.class.into(),
                records: 1,
            }],
            detail: format!(
                "an observation of {} bytes; the limit is {MAX_RECORD_BYTES}",
                bytes.len()
            ),
            ..v1::Loss::default()
        }));
        record.encode_to_vec()
    }
}

/// The loss as something to spool.
pub(crate) fn loss_observation(loss: v1::Loss, now_us: i64) -> Observation {
    Observation {
        observed_at_us: now_us,
        source_key: None,
        class: v1::RecordClass::Health,
        body: v1::record::Body::Loss(loss),
    }
}
