//! Who may do what on which devices. Pure: it is given a person's grants and answers; it must not know who signed in.
//!
//! A grant joins rights with a scope, and both must come from one grant: who may approve for laptops and read everything
//! may not approve everything.

mod right;
mod role;
mod scope;

use epm_policy::GroupId;

pub use right::{Right, Rights, UnknownRight};
pub use role::{BuiltInRole, CustomRole, InvalidRole};
pub use scope::{DeviceFacts, Limit, Scope, Tag};

/// What one assignment of a role gives to a person or service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What may be done.
    pub rights: Rights,
    /// On which devices, and with things that concern them.
    pub scope: Scope,
}

/// What is to be done something with.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// One device, its records and requests.
    Device(&'a DeviceFacts),
    /// The members of one group of devices, whoever they will be: assigning to it, or enrolling into it.
    Group(&'a GroupId),
    /// What concerns every device: retention, the audit trail, roles.
    Everything,
}

/// All that one person or service was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    grants: Vec<Grant>,
}

impl Access {
    /// What these grants give together. None give nothing.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
    }

    /// Whether one grant has the right and reaches the target.
    #[must_use]
    pub fn may(&self, right: Right, target: Target<'_>) -> bool {
        self.with(right).any(|scope| scope.reaches(target))
    }

    /// Whether requests from this device may be decided: seeing and modifying them, both.
    #[must_use]
    pub fn may_review(&self, device: &DeviceFacts) -> bool {
        let target = Target::Device(device);
        self.may(Right::RequestsView, target) && self.may(Right::RequestsModify, target)
    }

    /// The scopes within which the right is held; a query must be narrowed to their union before it runs. None: refuse.
    pub fn with(&self, right: Right) -> impl Iterator<Item = &Scope> {
        self.grants
            .iter()
            .filter(move |grant| grant.rights.contains(right))
            .map(|grant| &grant.scope)
    }
}
