//! What people did that changed nothing: they signed in, and they read. Each is an event of its own, in the same chain as
//! what they changed, so that nobody can take it out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::new_event;
use crate::error::StoreError;
use crate::event::{Actor, StreamId, TimeUs, Version};
use crate::store::ControlStore;

/// Kind of the streams; each has one event.
const KIND: &str = "activity";

/// What somebody did. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum ActivityEvent {
    /// Somebody began a session in the console.
    SignedIn {
        /// With which token.
        token: Uuid,
        /// From where.
        address: String,
    },
    /// Somebody ended it.
    SignedOut {
        /// With which token it was begun.
        token: Uuid,
        /// From where.
        address: String,
    },
    /// Somebody read a report.
    ReportRead {
        /// Which.
        report: String,
        /// What was asked of it, as it was asked.
        query: String,
        /// From where.
        address: String,
    },
    /// Somebody took all rows of a report out, as a file.
    ReportExported {
        /// Which.
        report: String,
        /// What was asked of it, as it was asked.
        query: String,
        /// Of which kind.
        format: String,
        /// From where.
        address: String,
    },
}

impl ControlStore {
    /// Records what somebody did, as event of a stream of its own: it meets no other event and needs none.
    ///
    /// # Errors
    ///
    /// The store's; then what was done must not be answered.
    pub async fn note(
        &self,
        id: Uuid,
        what: &ActivityEvent,
        actor: Actor,
        at: TimeUs,
    ) -> Result<(), StoreError> {
        let stream = StreamId::new(KIND, id);
        self.append(&stream, Version(0), vec![new_event(what)?], actor, at)
            .await
            .map(drop)
    }
}
