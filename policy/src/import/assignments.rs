//! Whom an exported policy is assigned to. It must not look a group up: Graph does not say whether its members are users or
//! devices, so a group stands for both, and whichever it holds are reached.

use serde_json::Value;

use super::catalogue::{field, list, text};
use super::{Head, Note, NoteReason};
use crate::model::{Assignment, Audience};

pub(super) fn assignment(head: &Head<'_>, policy: &Value, notes: &mut Vec<Note>) -> Assignment {
    let mut assignment = Assignment::default();
    for assigned in list(policy, "assignments") {
        let Some(target) = field(assigned, "target") else {
            continue;
        };
        let kind = text(target, "@odata.type").unwrap_or_default();
        let group = text(target, "groupId").unwrap_or_default();
        let both = [
            Audience::UserGroup(group.into()),
            Audience::DeviceGroup(group.into()),
        ];
        match kind.rsplit('.').next().unwrap_or_default() {
            "allDevicesAssignmentTarget" => assignment.include.push(Audience::AllDevices),
            "allLicensedUsersAssignmentTarget" => assignment.include.push(Audience::AllUsers),
            "groupAssignmentTarget" => assignment.include.extend(both),
            "exclusionGroupAssignmentTarget" => assignment.exclude.extend(both),
            _ => {
                let reason = NoteReason::UnknownValue(kind.to_owned());
                notes.push(head.note(None, "assignments", reason));
            }
        }
    }
    assignment
}
