//! Makes batches ahead of time, so that sending them costs next to nothing. It must not send.

use bytes::Bytes;
use epm_agent::sources::simulated::load::{Load, Position};
use epm_proto::batch::BatchBuilder;
use epm_proto::v1;

use crate::Shared;

/// The epoch of every stream.
pub(crate) const EPOCH: u64 = 1;
/// Device time between two records of an agent.
const STEP_US: i64 = 1_000;

/// What one stream sends.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Its agent.
    pub(crate) agent_id: [u8; 16],
    /// Batches in order, and the sequence behind each.
    pub(crate) batches: Vec<(v1::Batch, u64)>,
}

/// Everything that is sent in a run.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) streams: Vec<Stream>,
    /// The records, for limits and rivals that take them without the wire.
    pub(crate) records: Vec<Bytes>,
}

impl Prepared {
    /// About `events` records in whole batches, evenly over the streams.
    pub(crate) fn new(shared: &Shared, events: usize, seed: u64) -> anyhow::Result<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let batches = (events / shared.connections / shared.batch).max(1);
        let span_us = (batches * shared.batch) as i64 * STEP_US;
        let compression = match shared.zstd {
            true => v1::Compression::Zstd,
            false => v1::Compression::None,
        };
        let mut load = Load::new(seed);
        let mut prepared = Self {
            streams: Vec::new(),
            records: Vec::new(),
        };
        for number in 0..shared.connections {
            let agent_id = uuid::Uuid::new_v5(
                &uuid::Uuid::NAMESPACE_OID,
                &[&seed.to_le_bytes()[..], &number.to_le_bytes()[..]].concat(),
            );
            let agent_id = agent_id.into_bytes();
            let from_us = now.as_micros() as i64 - span_us;
            let mut position = Position::first(agent_id, EPOCH, from_us);
            let mut made = Vec::with_capacity(batches);
            for _ in 0..batches {
                let records = load.records(&mut position, STEP_US, shared.batch);
                let mut builder = BatchBuilder::default();
                records.iter().for_each(|record| builder.push(record));
                let batch = builder.finish(EPOCH, compression, v1::Lane::Live);
                made.push((batch, position.sequence));
                prepared.records.extend(records);
            }
            prepared.streams.push(Stream {
                agent_id,
                batches: made,
            });
        }
        Ok(prepared)
    }

    /// Records, all streams.
    pub(crate) fn events(&self) -> u64 {
        self.records.len() as u64
    }

    /// Bytes of the records, without what frames them.
    pub(crate) fn bytes(&self) -> u64 {
        self.records.iter().map(|record| record.len() as u64).sum()
    }
}
