//! What can be wanted of a request, and why it may be refused.

use std::collections::BTreeSet;

use epm_policy::{DeviceId, RequestState, RuleId, Sha256, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The file that somebody wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAsked {
    /// Hash of its contents: the approval holds for these only.
    pub sha256: Sha256,
    /// Where it lies on the device.
    pub path: String,
    /// Who signed it, as its certificate says.
    pub publisher: Option<String>,
    /// Its version, as it says itself.
    pub version: Option<String>,
}

/// What an agent asks for its user. The control plane adds who stands behind it before it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Who asks, as the device knows the person.
    pub requester: UserId,
    /// The same person as the control plane knows it, if it does.
    pub requester_principal: Option<Uuid>,
    /// Where.
    pub device: DeviceId,
    /// What.
    pub file: FileAsked,
    /// Why, in the requester's words.
    pub justification: String,
    /// The rule that asks for approval; nothing where the default response does.
    pub rule: Option<RuleId>,
    /// Who wrote or changed that rule.
    pub rule_authors: BTreeSet<Uuid>,
    /// How many different people must approve.
    pub reviewers_needed: u8,
}

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    /// As the control plane knows the person.
    pub principal: Uuid,
    /// As devices know the same person.
    pub users: BTreeSet<UserId>,
}

/// What an approval covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// For how long from the approval, in seconds.
    pub duration_s: i64,
    /// For how many launches; nothing means any number.
    pub uses: Option<u32>,
}

impl Terms {
    /// What both grant.
    #[must_use]
    pub fn narrowest(self, other: Self) -> Self {
        Self {
            duration_s: self.duration_s.min(other.duration_s),
            uses: match (self.uses, other.uses) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// What can be wanted of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestCommand {
    /// A user asks.
    Submit(Submission),
    /// A reviewer approves; with enough of them the request is approved.
    Approve {
        /// Who.
        reviewer: Reviewer,
        /// What it covers.
        terms: Terms,
        /// Why; may be empty.
        reason: String,
    },
    /// A reviewer denies; one is enough.
    Deny {
        /// Who.
        reviewer: Reviewer,
        /// Why; may be empty.
        reason: String,
    },
    /// An approval is taken back. Anybody who may review may do that: it only ever takes rights away.
    Revoke {
        /// Who.
        reviewer: Uuid,
        /// Why; may be empty.
        reason: String,
    },
    /// The user takes the request back.
    Withdraw {
        /// Who says so, as the device knows the person.
        user: UserId,
    },
    /// A launch used the approval.
    Use,
    /// Time has passed.
    Expire,
}

impl RequestCommand {
    /// The state that this leads to from `state`, at once or in the end; nothing where it means nothing there.
    pub(super) fn target(&self, state: RequestState) -> Option<RequestState> {
        match self {
            Self::Submit(_) => None,
            // Of an approved request neither is another approval.
            Self::Approve { .. } => {
                (state == RequestState::Pending).then_some(RequestState::Approved)
            }
            Self::Deny { .. } => Some(RequestState::Denied),
            Self::Revoke { .. } => Some(RequestState::Revoked),
            Self::Withdraw { .. } if state == RequestState::Pending => Some(RequestState::Expired),
            Self::Withdraw { .. } => Some(RequestState::Revoked),
            Self::Use => (state == RequestState::Approved).then_some(RequestState::Completed),
            Self::Expire => Some(RequestState::Expired),
        }
        .filter(|target| *target != state)
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// It was never submitted.
    #[error("there is no such request")]
    Unknown,
    /// The id is taken by a request for something else.
    #[error("another request has this id")]
    OtherRequest,
    /// Its state does not allow it.
    #[error("the request is {}: this is not possible any more, or not yet", super::event::name_of(*.state))]
    Move {
        /// Where it stands.
        state: RequestState,
    },
    /// Its time is over.
    #[error("the request's time is over: it has to be asked for again")]
    Over,
    /// Its time is not over.
    #[error("the request's time is not over yet")]
    NotDue,
    /// Nobody decides on an own request.
    #[error("nobody reviews an own request: somebody else has to")]
    OwnRequest,
    /// Nobody decides on a request that an own rule gave rise to.
    #[error("nobody reviews a request that an own rule gave rise to: somebody else has to")]
    OwnRule,
    /// Two approvals need two people.
    #[error("you have approved already: somebody else has to, too")]
    AlreadyApproved,
    /// Only who asked may withdraw.
    #[error("only who asked may withdraw the request")]
    NotTheRequester,
    /// Who asks has to say why.
    #[error("a request needs a justification")]
    NoJustification,
    /// A reason or justification that is too long.
    #[error("the reason has {found} characters, the limit is {limit}")]
    ReasonTooLong {
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Terms that nobody can use.
    #[error("an approval lasts from 1 to {longest_s} seconds, and for one launch at least")]
    Terms {
        /// The longest duration.
        longest_s: i64,
    },
    /// A number of reviewers that cannot be.
    #[error("from 1 to {limit} reviewers can be asked for, not {found}")]
    ReviewersNeeded {
        /// What was asked for.
        found: u8,
        /// The most.
        limit: u8,
    },
}
