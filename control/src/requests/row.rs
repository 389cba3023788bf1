//! A request as one row: what a reviewer's list shows, and what the clock has to look at. A pure fold of its events.

use epm_policy::{DeviceId, RequestState, Sha256, UserId};
use uuid::Uuid;

use super::RequestEvent;
use crate::aggregate::event_of;
use crate::error::StoreError;
use crate::event::{RecordedEvent, TimeUs, Version};

/// One request in the table `elevation_requests`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Its id, also that of its stream.
    pub id: Uuid,
    /// Version of the stream that the row shows, for a command that must not meet another one.
    pub version: Version,
    /// Where it stands.
    pub state: RequestState,
    /// Who asked.
    pub requester: UserId,
    /// Where.
    pub device: DeviceId,
    /// For which file.
    pub file_sha256: Sha256,
    /// When.
    pub submitted_at: TimeUs,
    /// When it expires; when it ended, if it has.
    pub due_at: TimeUs,
}

impl RequestRow {
    /// The row after `event`.
    pub(crate) fn after(before: Option<Self>, event: &RecordedEvent) -> Result<Self, StoreError> {
        let what: RequestEvent = event_of(event)?;
        if let RequestEvent::Submitted {
            submission,
            expires_at,
        } = what
        {
            return Ok(Self {
                id: event.stream.id,
                version: event.version,
                state: RequestState::Pending,
                requester: submission.requester,
                device: submission.device,
                file_sha256: submission.file.sha256,
                submitted_at: event.at,
                due_at: expires_at,
            });
        }
        let Some(mut row) = before else {
            return Err(StoreError::Unreadable {
                sequence: event.sequence,
                stream: event.stream.clone(),
                name: event.name.clone(),
                why: "the request was never submitted".to_owned(),
            });
        };
        row.version = event.version;
        match what.leads_to(Some(row.state)) {
            None => {}
            Some(state) => {
                row.state = state;
                row.due_at = match what {
                    RequestEvent::Approved { ends_at, .. } => ends_at,
                    _ => event.at,
                };
            }
        }
        Ok(row)
    }
}
