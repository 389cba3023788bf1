//! The policies of an organisation: settings policies, rules policies and certificate groups, as one thing that changes as a
//! whole. So rules that refer to each other are valid together at any time, and whoever applies a file changes everything in
//! it or nothing. It must not sign or deliver.

mod change;
mod resolve;

use std::collections::BTreeMap;

use epm_policy::{
    CertificateGroup, GroupId, Policies, PolicyError, PolicyId, PolicySet, PolicyVersion,
    RulesPolicy, SettingsPolicy,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::Aggregate;
use crate::event::{TimeUs, Version};
use crate::store::{MAX_BODY_BYTES, MAX_EVENTS};

pub use change::{Change, PolicyKind};

/// The id of the one stream.
pub const POLICY_BOOK: Uuid = Uuid::nil();
/// Bytes of one policy as JSON: an event of the store, less the words around it. A policy with more rules is better two.
const MAX_POLICY_BYTES: usize = MAX_BODY_BYTES - 4 * 1024;

/// All policies and groups, as the events made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyBook {
    settings: BTreeMap<PolicyId, SettingsPolicy>,
    rules: BTreeMap<PolicyId, RulesPolicy>,
    certificate_groups: BTreeMap<GroupId, CertificateGroup>,
}

/// What can be wanted of the policies.
#[derive(Clone, Debug)]
pub enum PolicyCommand {
    /// They shall be exactly these, whatever they were. The version in `policies` does not count.
    Apply(Box<Policies>),
}

/// What happened to the policies. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum PolicyEvent {
    /// A settings policy is new, or another.
    SettingsPolicyPut {
        /// From now on.
        policy: Box<SettingsPolicy>,
    },
    /// There is no such settings policy any more.
    SettingsPolicyRemoved {
        /// Its id.
        id: PolicyId,
    },
    /// A rules policy is new, or another.
    RulesPolicyPut {
        /// From now on.
        policy: Box<RulesPolicy>,
    },
    /// There is no such rules policy any more.
    RulesPolicyRemoved {
        /// Its id.
        id: PolicyId,
    },
    /// A certificate group is new, or another.
    CertificateGroupPut {
        /// From now on.
        group: Box<CertificateGroup>,
    },
    /// There is no such certificate group any more.
    CertificateGroupRemoved {
        /// Its id.
        id: GroupId,
    },
}

/// Why policies are not applied.
#[derive(Debug, thiserror::Error)]
pub enum PolicyRefusal {
    /// Correct what it names.
    #[error("the policies cannot be applied")]
    Invalid(#[source] PolicyError),
    /// Split it.
    #[error(
        "{kind} {id:?} takes {bytes} bytes; the control plane keeps {MAX_POLICY_BYTES}: split it into several"
    )]
    TooLarge {
        /// What.
        kind: PolicyKind,
        /// Its id.
        id: String,
        /// As JSON.
        bytes: usize,
    },
    /// Apply it in parts.
    #[error("{0} things would change at once; {MAX_EVENTS} may: apply the file in several parts")]
    TooMany(usize),
}

impl PolicyBook {
    /// Everything, as the set of this version. Assignments name device groups as they were written.
    #[must_use]
    pub fn policies(&self, version: Version) -> Policies {
        Policies {
            version: PolicyVersion(version.0),
            settings: self.settings.values().cloned().collect(),
            rules: self.rules.values().cloned().collect(),
            certificate_groups: self.certificate_groups.values().cloned().collect(),
        }
    }

    /// What applying these would change, in the order in which it is stored.
    ///
    /// # Errors
    ///
    /// [`PolicyRefusal`]: then it would be refused as well.
    pub fn changes(&self, wanted: &Policies) -> Result<Vec<Change>, PolicyRefusal> {
        PolicySet::new(wanted.clone()).map_err(PolicyRefusal::Invalid)?;
        let wanted = Self {
            settings: by(&wanted.settings, |policy| &policy.id),
            rules: by(&wanted.rules, |policy| &policy.id),
            certificate_groups: by(&wanted.certificate_groups, |group| &group.id),
        };
        change::between(self, &wanted)
    }
}

fn by<K: Ord + Clone, T: Clone>(all: &[T], id: impl Fn(&T) -> &K) -> BTreeMap<K, T> {
    all.iter()
        .map(|one| (id(one).clone(), one.clone()))
        .collect()
}

impl Aggregate for PolicyBook {
    const KIND: &'static str = "policies";
    type Command = PolicyCommand;
    type Event = PolicyEvent;
    type Refusal = PolicyRefusal;

    fn decide(
        &self,
        command: &PolicyCommand,
        _at: TimeUs,
    ) -> Result<Vec<PolicyEvent>, PolicyRefusal> {
        let PolicyCommand::Apply(wanted) = command;
        let changes = self.changes(wanted)?;
        Ok(changes.into_iter().map(|change| change.event).collect())
    }

    fn apply(&mut self, event: &PolicyEvent) {
        match event.clone() {
            PolicyEvent::SettingsPolicyPut { policy } => {
                self.settings.insert(policy.id.clone(), *policy);
            }
            PolicyEvent::SettingsPolicyRemoved { id } => {
                self.settings.remove(&id);
            }
            PolicyEvent::RulesPolicyPut { policy } => {
                self.rules.insert(policy.id.clone(), *policy);
            }
            PolicyEvent::RulesPolicyRemoved { id } => {
                self.rules.remove(&id);
            }
            PolicyEvent::CertificateGroupPut { group } => {
                self.certificate_groups.insert(group.id.clone(), *group);
            }
            PolicyEvent::CertificateGroupRemoved { id } => {
                self.certificate_groups.remove(&id);
            }
        }
    }
}
