//! What happens to a launch. Closed lists: whoever acts on an outcome has to say what it does with each.

use crate::model::{ChildBehaviour, ElevationType, Validation};

/// The account that an elevated program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunAs {
    /// A separate account that nobody signs in with.
    VirtualAccount,
    /// The user's own, with its profile and settings.
    CurrentUser,
}

/// With what a program is elevated. Children inherit from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// As which type the elevation is recorded.
    pub elevation_type: ElevationType,
    /// As which account it runs.
    pub run_as: RunAs,
    /// What happens to its children.
    pub children: ChildBehaviour,
}

impl Grant {
    /// What a rule of this type grants.
    #[must_use]
    pub fn new(elevation_type: ElevationType, children: ChildBehaviour) -> Self {
        let run_as = match elevation_type {
            ElevationType::CurrentUser => RunAs::CurrentUser,
            _ => RunAs::VirtualAccount,
        };
        Self {
            elevation_type,
            run_as,
            children,
        }
    }
}

/// Why elevation was refused. The user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// A deny rule knows the file.
    DenyRule,
    /// The rule that won lists arguments, and another one was given.
    UnlistedArgument,
    /// No rule knows the file, and the default response is to deny, or was never configured.
    DefaultResponse,
}

/// Why a program that an elevated one started runs without elevation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unelevated {
    /// The parent's rule denies elevation to children: recorded as `child_denied_elevation`.
    ParentDeniesChildren,
    /// The parent's rule asks for a rule of the child's own, and there is none.
    NoRule,
    /// The child is a file that cannot be elevated.
    FileNotSupported(Failure),
}

/// Why the launch is left to the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unmanaged {
    /// Elevation is not managed on this device.
    NotActive,
    /// Administrators are never managed, whatever the rules say.
    LocalAdministrator,
    /// An ordinary launch, and no automatic rule won.
    OrdinaryLaunch,
}

/// Why a file cannot be elevated at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// Not an exe, msi or ps1.
    UnsupportedFileType,
    /// It lies on a share or a mapped drive.
    NetworkPath,
    /// It was downloaded and nobody vouched for it.
    BlockedDownload,
    /// Its path is relative or not in the plainest form, so that rules could be passed by.
    PathNotCanonical,
}

/// What happens to a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Elevate at once.
    Elevate(Grant),
    /// Ask the user, and elevate when all that is asked for was given; otherwise it was cancelled.
    Confirm(Grant, Validation),
    /// Ask the user for a reason, and file a request for approval.
    RequestApproval,
    /// Refuse, and tell the user.
    Deny(Denial),
    /// Run without elevation.
    RunUnelevated(Unelevated),
    /// Let the operating system do what it does without an agent.
    Unmanaged(Unmanaged),
    /// Refuse because it cannot be done, and record the failure.
    Fail(Failure),
}

impl Outcome {
    /// How much it lets through: a higher number is more.
    #[must_use]
    pub fn permissiveness(&self) -> u8 {
        match self {
            Self::Elevate(_) => 3,
            Self::Confirm(..) => 2,
            Self::RequestApproval => 1,
            Self::Deny(_) | Self::RunUnelevated(_) | Self::Unmanaged(_) | Self::Fail(_) => 0,
        }
    }
}
