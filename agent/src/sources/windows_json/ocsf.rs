//! Fields of the Open Cybersecurity Schema Framework by the names that Windows gave them.

use super::node::{Node, Path};
use crate::sources::windows::PROCESS_CREATED_4688;
use crate::sources::windows::fields::Fields;

/// What 4688 calls what is at these places.
const OF_4688: [(&str, &[Path]); 15] = [
    ("NewProcessId", &[&["process", "pid"]]),
    ("NewProcessName", &[&["process", "file", "path"]]),
    ("CommandLine", &[&["process", "cmd_line"]]),
    ("ProcessId", &[&["actor", "process", "pid"]]),
    (
        "ParentProcessName",
        &[&["actor", "process", "file", "path"]],
    ),
    ("SubjectUserSid", &[&["actor", "user", "uid"]]),
    ("SubjectUserName", &[&["actor", "user", "name"]]),
    ("SubjectDomainName", &[&["actor", "user", "domain"]]),
    (
        "SubjectLogonId",
        &[
            &["actor", "session", "uid"],
            &["actor", "user", "session_uid"],
        ],
    ),
    ("TargetUserSid", &[&["process", "user", "uid"]]),
    ("TargetUserName", &[&["process", "user", "name"]]),
    ("TargetDomainName", &[&["process", "user", "domain"]]),
    (
        "TargetLogonId",
        &[
            &["process", "session", "uid"],
            &["process", "user", "session_uid"],
        ],
    ),
    (
        "TokenElevationType",
        &[
            &["unmapped", "Process Information", "Token Elevation Type"],
            &["unmapped", "TokenElevationType"],
        ],
    ),
    (
        "MandatoryLabel",
        &[
            &["unmapped", "Process Information", "Mandatory Label"],
            &["unmapped", "MandatoryLabel"],
            &["process", "integrity"],
        ],
    ),
];

/// Adds what `node` says of the start of a process. Sysmon's events have too many shapes there to be told from others.
pub(super) fn add<'a>(node: &'a Node<'a>, event_id: u32, fields: &mut Fields<'a>) {
    if event_id != PROCESS_CREATED_4688 {
        return;
    }
    for (name, places) in &OF_4688 {
        if let Some(text) = node.text_at(places) {
            fields.add((*name).into(), text);
        }
    }
}
