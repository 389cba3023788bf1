//! A request for support's approval: its states, and whether an approval covers a launch. It must not store or grant one.

use crate::limits::APPROVAL_S;
use crate::model::{DeviceId, Sha256, UserId};
use crate::request::Request;

/// Where a request stands. An unset state is never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestState {
    /// Submitted, nobody acted.
    Pending,
    /// Approved.
    Approved,
    /// Denied.
    Denied,
    /// Nobody acted in time, or the approval's time is over.
    Expired,
    /// Approved and withdrawn.
    Revoked,
    /// Approved and used.
    Completed,
}

impl RequestState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Revoked,
        Self::Completed,
    ];

    /// Whether a request may go from this state to `next`. No other moves exist.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Approved | Self::Denied | Self::Expired),
            Self::Approved => matches!(next, Self::Completed | Self::Revoked | Self::Expired),
            Self::Denied | Self::Expired | Self::Revoked | Self::Completed => false,
        }
    }
}

/// What somebody answered to the request of this user to run this file on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// For whom.
    pub user: UserId,
    /// Where.
    pub device: DeviceId,
    /// What.
    pub file: Sha256,
    /// Where the request stands.
    pub state: RequestState,
    /// When it was approved, in seconds since 1970.
    pub approved_s: i64,
    /// First second at which it no longer holds.
    pub ends_s: i64,
}

impl Approval {
    /// An approval of the usual length: 24 hours from the moment of approval.
    #[must_use]
    pub fn for_a_day(user: UserId, device: DeviceId, file: Sha256, approved_s: i64) -> Self {
        Self {
            user,
            device,
            file,
            state: RequestState::Approved,
            approved_s,
            ends_s: approved_s.saturating_add(APPROVAL_S),
        }
    }

    /// Whether it stands and is for this launch. Where a fact is not known, it is not.
    #[must_use]
    pub fn covers(&self, request: &Request<'_>) -> bool {
        let lasting = |now_s| now_s >= self.approved_s && now_s < self.ends_s;
        self.state == RequestState::Approved
            && request.user.id == Some(&self.user)
            && request.device.id == Some(&self.device)
            && request.file.sha256 == Some(self.file)
            && request.moment.is_some_and(|now| lasting(now.unix_s))
    }
}
