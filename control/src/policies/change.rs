//! What differs between policies as they are and as they are wanted.

use std::collections::BTreeMap;
use std::fmt;

use epm_policy::{CertificateGroup, GroupId, PolicyId, RulesPolicy, SettingsPolicy};
use serde::Serialize;

use super::{MAX_POLICY_BYTES, PolicyBook, PolicyEvent, PolicyRefusal};
use crate::store::MAX_EVENTS;

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the thing of that name")]
pub enum PolicyKind {
    CertificateGroup,
    SettingsPolicy,
    RulesPolicy,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CertificateGroup => "certificate group",
            Self::SettingsPolicy => "settings policy",
            Self::RulesPolicy => "rules policy",
        })
    }
}

/// One thing that becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub kind: PolicyKind,
    /// Its id.
    pub id: String,
    /// Its name, before where it goes.
    pub name: String,
    /// There was one before.
    pub was_there: bool,
    /// What happens.
    pub event: PolicyEvent,
}

impl Change {
    /// It is there afterwards.
    #[must_use]
    pub fn stays(&self) -> bool {
        !matches!(
            self.event,
            PolicyEvent::SettingsPolicyRemoved { .. }
                | PolicyEvent::RulesPolicyRemoved { .. }
                | PolicyEvent::CertificateGroupRemoved { .. }
        )
    }
}

/// In this order, so that a reader who stops in between never sees a name that nothing defines: groups come before the
/// policies that name them, and go after them.
pub(super) fn between(
    before: &PolicyBook,
    after: &PolicyBook,
) -> Result<Vec<Change>, PolicyRefusal> {
    let certificates = Differing {
        kind: PolicyKind::CertificateGroup,
        id: |id: &GroupId| id.as_str().to_owned(),
        name: |group: &CertificateGroup| group.name.clone(),
        put: |group: CertificateGroup| PolicyEvent::CertificateGroupPut {
            group: Box::new(group),
        },
        removed: |id| PolicyEvent::CertificateGroupRemoved { id },
    };
    let settings = Differing {
        kind: PolicyKind::SettingsPolicy,
        id: |id: &PolicyId| id.as_str().to_owned(),
        name: |policy: &SettingsPolicy| policy.name.clone(),
        put: |policy: SettingsPolicy| PolicyEvent::SettingsPolicyPut {
            policy: Box::new(policy),
        },
        removed: |id| PolicyEvent::SettingsPolicyRemoved { id },
    };
    let rules = Differing {
        kind: PolicyKind::RulesPolicy,
        id: |id: &PolicyId| id.as_str().to_owned(),
        name: |policy: &RulesPolicy| policy.name.clone(),
        put: |policy: RulesPolicy| PolicyEvent::RulesPolicyPut {
            policy: Box::new(policy),
        },
        removed: |id| PolicyEvent::RulesPolicyRemoved { id },
    };
    let (mut changes, mut gone) =
        certificates.between(&before.certificate_groups, &after.certificate_groups);
    let (new, old) = settings.between(&before.settings, &after.settings);
    changes.extend(new.into_iter().chain(old));
    let (new, old) = rules.between(&before.rules, &after.rules);
    changes.extend(new.into_iter().chain(old));
    changes.append(&mut gone);
    bounded(changes)
}

/// How things of one kind are told of.
struct Differing<K, T> {
    kind: PolicyKind,
    id: fn(&K) -> String,
    name: fn(&T) -> String,
    put: fn(T) -> PolicyEvent,
    removed: fn(K) -> PolicyEvent,
}

impl<K: Ord + Clone, T: PartialEq + Clone> Differing<K, T> {
    /// What is new or another, and what goes.
    fn between(
        &self,
        before: &BTreeMap<K, T>,
        after: &BTreeMap<K, T>,
    ) -> (Vec<Change>, Vec<Change>) {
        let put = after.iter().filter(|(id, new)| before.get(id) != Some(new));
        let put = put.map(|(id, new)| {
            let was_there = before.contains_key(id);
            self.change(id, new, was_there, (self.put)(new.clone()))
        });
        let gone = before.iter().filter(|(id, _)| !after.contains_key(id));
        let gone = gone.map(|(id, old)| self.change(id, old, true, (self.removed)(id.clone())));
        (put.collect(), gone.collect())
    }

    fn change(&self, id: &K, thing: &T, was_there: bool, event: PolicyEvent) -> Change {
        Change {
            kind: self.kind,
            id: (self.id)(id),
            name: (self.name)(thing),
            was_there,
            event,
        }
    }
}

/// What the store can keep.
fn bounded(changes: Vec<Change>) -> Result<Vec<Change>, PolicyRefusal> {
    if changes.len() > MAX_EVENTS {
        return Err(PolicyRefusal::TooMany(changes.len()));
    }
    for change in &changes {
        // A model that was read from text is written again without fail; where not, the store says so.
        let bytes = serde_json::to_vec(&change.event).map_or(0, |json| json.len());
        if bytes > MAX_POLICY_BYTES {
            return Err(PolicyRefusal::TooLarge {
                kind: change.kind,
                id: change.id.clone(),
                bytes,
            });
        }
    }
    Ok(changes)
}
