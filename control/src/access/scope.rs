//! Which devices a grant reaches: by their groups and by their tags.

use std::collections::BTreeSet;

use epm_policy::GroupId;
use serde::{Deserialize, Serialize};

use super::Target;

/// A word that administrators put on devices and on things that concern them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(pub String);

/// Which of something. An empty set is nothing, never everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit<T: Ord> {
    /// No limit.
    Any,
    /// Whatever has one of these.
    OneOf(BTreeSet<T>),
}

impl<T: Ord> Limit<T> {
    fn admits(&self, held: &BTreeSet<T>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(wanted) => !wanted.is_disjoint(held),
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

/// What is known about a device, as far as scopes go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The groups that it is in.
    pub groups: BTreeSet<GroupId>,
    /// The tags that it carries.
    pub tags: BTreeSet<Tag>,
}

/// Which devices. Each limit narrows the other: a device must pass both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// By group.
    pub groups: Limit<GroupId>,
    /// By tag.
    pub tags: Limit<Tag>,
}

impl Scope {
    /// Every device, those to come included.
    pub const EVERYTHING: Self = Self {
        groups: Limit::Any,
        tags: Limit::Any,
    };

    /// Whether all of the target is within.
    #[must_use]
    pub fn reaches(&self, target: Target<'_>) -> bool {
        match target {
            Target::Device(device) => {
                self.groups.admits(&device.groups) && self.tags.admits(&device.tags)
            }
            // Of a group's members, now or later, some may lack the tag.
            Target::Group(group) => {
                self.tags.is_any()
                    && match &self.groups {
                        Limit::Any => true,
                        Limit::OneOf(groups) => groups.contains(group),
                    }
            }
            Target::Everything => self.groups.is_any() && self.tags.is_any(),
        }
    }
}
