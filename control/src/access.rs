//! Who may do what on which devices. Pure: it is given a person's grants and answers; it must not know who signed in.
//!
//! A grant joins rights with a scope, and both must come from one grant: who may approve for laptops and read everything
//! may not approve everything.

mod right;
mod role;
mod scope;

use epm_policy::GroupId;

pub use right::{Right, Rights, UnknownRight};
pub use role::{BuiltInRole, CustomRole, InvalidRole, NotARole, RoleRef};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    grants: Vec<Grant>,
    /// No grant reaches beyond this.
    within: Scope,
}

/// The devices on which a right is held: what a query must be narrowed to before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// A device is reached by any of these.
    any_of: Vec<Scope>,
    /// And by this one.
    within: Scope,
}

impl Default for Access {
    /// Nothing.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Access {
    /// What these grants give together. None give nothing.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        Self {
            grants,
            within: Scope::EVERYTHING,
        }
    }

    /// The same with these rights only, where some are named, and on the devices of `scope` only.
    #[must_use]
    pub fn narrowed(mut self, rights: Option<&Rights>, scope: &Scope) -> Self {
        if let Some(rights) = rights {
            for grant in &mut self.grants {
                grant.rights = grant
                    .rights
                    .iter()
                    .filter(|of| rights.contains(*of))
                    .collect();
            }
        }
        self.within = scope.clone();
        self
    }

    /// Whether one grant has the right and reaches the target.
    #[must_use]
    pub fn may(&self, right: Right, target: Target<'_>) -> bool {
        self.reach(right).reaches(target)
    }

    /// Whether requests from this device may be decided: seeing and modifying them, both.
    #[must_use]
    pub fn may_review(&self, device: &DeviceFacts) -> bool {
        let target = Target::Device(device);
        self.may(Right::RequestsView, target) && self.may(Right::RequestsModify, target)
    }

    /// Where the right is held. A query must be narrowed to this before it runs.
    #[must_use]
    pub fn reach(&self, right: Right) -> Reach {
        let holding = self.grants.iter().filter(|of| of.rights.contains(right));
        Reach {
            any_of: holding.map(|grant| grant.scope.clone()).collect(),
            within: self.within.clone(),
        }
    }
}

impl Reach {
    /// Whether the right is held nowhere.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        self.any_of.is_empty()
    }

    /// Whether all of the target is within.
    #[must_use]
    pub fn reaches(&self, target: Target<'_>) -> bool {
        self.within.reaches(target) && self.any_of.iter().any(|scope| scope.reaches(target))
    }
}
