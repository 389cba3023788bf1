//! What happens to a request. Stored for ever: a field is only ever added, with a default.

use epm_policy::RequestState;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{Submission, Terms};
use crate::event::TimeUs;

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum RequestEvent {
    /// A user asked.
    Submitted {
        /// For what.
        submission: Submission,
        /// When it ends at the latest, whatever is decided.
        expires_at: TimeUs,
    },
    /// A reviewer approved.
    ReviewerApproved {
        /// Who.
        reviewer: Uuid,
        /// What that reviewer grants.
        terms: Terms,
        /// Why.
        reason: String,
    },
    /// Enough reviewers approved.
    Approved {
        /// First moment at which it no longer holds.
        ends_at: TimeUs,
        /// For how many launches; nothing means any number.
        uses: Option<u32>,
    },
    /// A reviewer denied. An exit.
    Denied {
        /// Who.
        reviewer: Uuid,
        /// Why.
        reason: String,
    },
    /// A launch used the approval.
    Used {
        /// How many launches are left; nothing means any number.
        uses_left: Option<u32>,
    },
    /// The last launch was used. An exit.
    Completed {},
    /// A reviewer took the approval back. An exit.
    Revoked {
        /// Who.
        reviewer: Uuid,
        /// Why.
        reason: String,
    },
    /// The user took the request back. An exit.
    Withdrawn {},
    /// Time passed. An exit.
    Expired {
        /// Which time.
        reason: ExpiryReason,
    },
}

/// Why a request expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryReason {
    /// Too few reviewers acted in time.
    NobodyDecided,
    /// The approval's time is over.
    ApprovalOver,
}

impl RequestEvent {
    /// The state after this event, for a request in `state`; nothing if it stays as it is.
    #[must_use]
    pub fn leads_to(&self, state: Option<RequestState>) -> Option<RequestState> {
        match self {
            Self::Submitted { .. } => Some(RequestState::Pending),
            Self::ReviewerApproved { .. } | Self::Used { .. } => None,
            Self::Approved { .. } => Some(RequestState::Approved),
            Self::Denied { .. } => Some(RequestState::Denied),
            Self::Completed {} => Some(RequestState::Completed),
            Self::Revoked { .. } => Some(RequestState::Revoked),
            Self::Withdrawn {} if state == Some(RequestState::Pending) => {
                Some(RequestState::Expired)
            }
            Self::Withdrawn {} => Some(RequestState::Revoked),
            Self::Expired { .. } => Some(RequestState::Expired),
        }
    }
}

/// A state's name, in tables and messages.
#[must_use]
pub fn name_of(state: RequestState) -> &'static str {
    match state {
        RequestState::Pending => "pending",
        RequestState::Approved => "approved",
        RequestState::Denied => "denied",
        RequestState::Expired => "expired",
        RequestState::Revoked => "revoked",
        RequestState::Completed => "completed",
    }
}
