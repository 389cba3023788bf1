//! What of all policies concerns one device. Device groups and devices in assignments are answered here, because the device
//! does not know its groups; users and their groups are left to the device, which does.

use std::collections::BTreeSet;

use epm_policy::{Assignment, Audience, DeviceId, GroupId, Policies};
use uuid::Uuid;

use super::PolicyBook;
use crate::event::Version;

impl PolicyBook {
    /// The policies that a device in `groups` needs, as the set of this version: those that may reach it, and every certificate
    /// group.
    #[must_use]
    pub fn policies_for(
        &self,
        device: Uuid,
        groups: &BTreeSet<GroupId>,
        version: Version,
    ) -> Policies {
        let id = DeviceId::from(device.to_string().as_str());
        let mut policies = self.policies(version);
        policies.settings.retain_mut(|policy| {
            let resolved = resolved(&policy.assignment, &id, groups);
            resolved.map(|it| policy.assignment = it).is_some()
        });
        policies.rules.retain_mut(|policy| {
            let Some(assignment) = resolved(&policy.assignment, &id, groups) else {
                return false;
            };
            policy.assignment = assignment;
            policy.rules.retain_mut(|rule| {
                let wanted = std::mem::take(&mut rule.conditions.device_groups);
                wanted.is_empty() || wanted.iter().any(|group| groups.contains(group))
            });
            !policy.rules.is_empty()
        });
        policies
    }
}

/// An assignment as it is on this device; none where it cannot reach anybody there.
fn resolved(
    assignment: &Assignment,
    device: &DeviceId,
    groups: &BTreeSet<GroupId>,
) -> Option<Assignment> {
    let is_here = |audience: &Audience| match audience {
        Audience::AllDevices => Some(true),
        Audience::Device(id) => Some(id == device),
        Audience::DeviceGroup(group) => Some(groups.contains(group)),
        Audience::AllUsers | Audience::User(_) | Audience::UserGroup(_) => None,
    };
    let on_device = |audiences: &[Audience]| -> Vec<Audience> {
        let here = audiences.iter().filter(|of| is_here(of) != Some(false));
        let plain = here.map(|of| match is_here(of) {
            Some(_) => Audience::AllDevices,
            None => of.clone(),
        });
        let mut seen = Vec::new();
        for audience in plain {
            if !seen.contains(&audience) {
                seen.push(audience);
            }
        }
        seen
    };
    let exclude = on_device(&assignment.exclude);
    if exclude.contains(&Audience::AllDevices) {
        return None;
    }
    let include = on_device(&assignment.include);
    (!include.is_empty()).then_some(Assignment { include, exclude })
}
