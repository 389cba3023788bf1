//! The envelope of a record, read without looking into its body: who sent it, where it stands, what kind it is.
//!
//! The collector needs no more before it makes a record durable. It must not decode a body.

use crate::ids::{AgentId, Epoch, EventId, RecordName, Sequence, SourceKey};
use crate::wire::{Fields, WireError, zigzag};

/// Field numbers of the record's body, lowest to highest that this version knows.
const ELEVATION: u32 = 32;
const ELEVATION_EXIT: u32 = 33;
const HEARTBEAT: u32 = 34;
const LOSS: u32 = 35;

/// Why bytes are not a record that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not protobuf.
    #[error("the envelope cannot be read: {0}")]
    Wire(#[from] WireError),
    /// The agent id is absent or has another length than sixteen bytes.
    #[error("agent_id must have 16 bytes")]
    AgentId,
    /// The event id is absent or has another length than sixteen bytes.
    #[error("event_id must have 16 bytes")]
    EventId,
    /// Sequences begin at 1.
    #[error("sequence must be 1 or more")]
    Sequence,
    /// Epochs begin at 1.
    #[error("epoch must be 1 or more")]
    Epoch,
    /// Present, but not sixteen bytes.
    #[error("source_event_key must be empty or have 16 bytes")]
    SourceKey,
    /// Present, but not 32 bytes.
    #[error("previous_hash must be empty or have 32 bytes")]
    PreviousHash,
}

/// Field number of `Elevation.management`.
const MANAGEMENT: u32 = 2;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// No body.
    None,
    /// `v1::Elevation`.
    Elevation,
    /// `v1::ElevationExit`.
    ElevationExit,
    /// `v1::Heartbeat`.
    Heartbeat,
    /// `v1::Loss`.
    Loss,
    /// A body that a newer agent wrote, by its field number.
    Unknown(u32),
}

/// The envelope of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead<'a> {
    /// The record's name.
    pub name: RecordName,
    /// SHA-256 of the record before it; empty for the first of an epoch.
    pub previous_hash: &'a [u8],
    /// Its event id.
    pub event_id: EventId,
    /// Device wall clock, microseconds since 1970.
    pub observed_at_us: i64,
    /// Version of the schema that the agent wrote.
    pub schema_version: u32,
    /// Reporting scope as its number.
    pub reporting_scope: i32,
    /// Identity at the source, where it has one.
    pub source_key: Option<SourceKey>,
    /// What it is about.
    pub body: BodyKind,
    body_bytes: &'a [u8],
}

impl<'a> RecordHead<'a> {
    /// Reads the envelope of `record` and walks the whole of its top level.
    ///
    /// # Errors
    ///
    /// Where the bytes are not protobuf, or the envelope does not name the record.
    pub fn scan(record: &'a [u8]) -> Result<Self, HeadError> {
        let mut agent_id: &[u8] = &[];
        let mut event_id: &[u8] = &[];
        let mut source_key: &[u8] = &[];
        let mut previous_hash: &[u8] = &[];
        let mut body_bytes: &[u8] = &[];
        let (mut epoch, mut sequence, mut observed_at_us) = (0, 0, 0);
        let (mut schema_version, mut reporting_scope, mut body) = (0, 0, BodyKind::None);
        let mut fields = Fields::new(record);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => agent_id = value.bytes(1)?,
                2 => epoch = value.varint(2)?,
                3 => sequence = value.varint(3)?,
                4 => previous_hash = value.bytes(4)?,
                5 => event_id = value.bytes(5)?,
                6 => observed_at_us = zigzag(value.varint(6)?),
                9 => schema_version = value.varint(9)? as u32,
                10 => reporting_scope = value.varint(10)? as i32,
                11 => source_key = value.bytes(11)?,
                ELEVATION.. => {
                    body_bytes = value.bytes(number)?;
                    body = body_kind(number);
                }
                _ => {}
            }
        }
        if previous_hash.len() != crate::chain::HASH_BYTES && !previous_hash.is_empty() {
            return Err(HeadError::PreviousHash);
        }
        Ok(Self {
            name: RecordName {
                agent_id: AgentId::from_slice(agent_id).ok_or(HeadError::AgentId)?,
                epoch: Epoch(
                    Some(epoch)
                        .filter(|epoch| *epoch > 0)
                        .ok_or(HeadError::Epoch)?,
                ),
                sequence: Sequence(
                    Some(sequence)
                        .filter(|sequence| *sequence > 0)
                        .ok_or(HeadError::Sequence)?,
                ),
            },
            previous_hash,
            event_id: EventId::from_slice(event_id).ok_or(HeadError::EventId)?,
            observed_at_us,
            schema_version,
            reporting_scope,
            source_key: match source_key {
                [] => None,
                bytes => Some(SourceKey::from_slice(bytes).ok_or(HeadError::SourceKey)?),
            },
            body,
            body_bytes,
        })
    }

    /// Whether the record is an elevation that happened without the agent: the one field of a body that decides what a
    /// reporting scope lets through. Bytes that cannot be read are none.
    #[must_use]
    pub fn is_unmanaged_elevation(&self) -> bool {
        if self.body != BodyKind::Elevation {
            return false;
        }
        let mut management = 0;
        let mut fields = Fields::new(self.body_bytes);
        while let Ok(Some((number, value))) = fields.next() {
            if number == MANAGEMENT {
                management = value.varint(MANAGEMENT).unwrap_or(0);
            }
        }
        i32::try_from(management) == Ok(crate::v1::Management::Unmanaged as i32)
    }
}

/// The sequence that `record` states, read from bytes that need not be a whole record: what a refusal names.
#[must_use]
pub fn stated_sequence(record: &[u8]) -> Option<Sequence> {
    let mut fields = Fields::new(record);
    while let Ok(Some((number, value))) = fields.next() {
        if number == 3 {
            let sequence = value.varint(3).ok()?;
            return (sequence > 0).then_some(Sequence(sequence));
        }
    }
    None
}

fn body_kind(number: u32) -> BodyKind {
    match number {
        ELEVATION => BodyKind::Elevation,
        ELEVATION_EXIT => BodyKind::ElevationExit,
        HEARTBEAT => BodyKind::Heartbeat,
        LOSS => BodyKind::Loss,
        other => BodyKind::Unknown(other),
    }
}
