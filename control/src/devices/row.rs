//! A device as one row: what the collector asks at each connection, and what an operator's list shows. A pure fold of its
//! events.

use uuid::Uuid;

use super::{DeviceEvent, KnownDevice};
use crate::aggregate::event_of;
use crate::error::StoreError;
use crate::event::{RecordedEvent, TimeUs, Version};

/// One device in the table `devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The agent's id, also that of its stream.
    pub id: Uuid,
    /// Version of the stream that the row shows.
    pub version: Version,
    /// What is known of it.
    pub device: KnownDevice,
    /// When it enrolled.
    pub enrolled_at: TimeUs,
    /// When a clone of it was last told of.
    pub clone_seen_at: Option<TimeUs>,
}

impl DeviceRow {
    /// The row after `event`; none while the device has not enrolled.
    pub(crate) fn after(
        before: Option<Self>,
        event: &RecordedEvent,
    ) -> Result<Option<Self>, StoreError> {
        let what: DeviceEvent = event_of(event)?;
        let (enrolled_at, mut clone_seen_at) = match &before {
            Some(row) => (row.enrolled_at, row.clone_seen_at),
            None => (event.at, None),
        };
        if matches!(what, DeviceEvent::CloneSeen { .. }) {
            clone_seen_at = Some(event.at);
        }
        let known = KnownDevice::after(before.map(|row| row.device), &what);
        Ok(known.map(|device| Self {
            id: event.stream.id,
            version: event.version,
            device,
            enrolled_at,
            clone_seen_at,
        }))
    }
}
