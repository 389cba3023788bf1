//! Fields of Elastic's common schema by the names that Windows gave them: Winlogbeat's modules move event data there.
//! What is left in the event data counts before.

use super::node::{Node, Path};
use crate::sources::windows::fields::Fields;
use crate::sources::windows::{PROCESS_CREATE_1, PROCESS_CREATED_4688};

const OF_4688: [(&str, Path); 9] = [
    ("NewProcessId", &["process", "pid"]),
    ("NewProcessName", &["process", "executable"]),
    ("CommandLine", &["process", "command_line"]),
    ("ProcessId", &["process", "parent", "pid"]),
    ("ParentProcessName", &["process", "parent", "executable"]),
    ("SubjectUserSid", &["user", "id"]),
    ("SubjectUserName", &["user", "name"]),
    ("SubjectDomainName", &["user", "domain"]),
    ("TargetUserName", &["user", "effective", "name"]),
];

const OF_SYSMON_1: [(&str, Path); 14] = [
    ("ProcessGuid", &["process", "entity_id"]),
    ("ProcessId", &["process", "pid"]),
    ("Image", &["process", "executable"]),
    ("CommandLine", &["process", "command_line"]),
    ("CurrentDirectory", &["process", "working_directory"]),
    ("ParentProcessGuid", &["process", "parent", "entity_id"]),
    ("ParentProcessId", &["process", "parent", "pid"]),
    ("ParentImage", &["process", "parent", "executable"]),
    ("ParentCommandLine", &["process", "parent", "command_line"]),
    ("OriginalFileName", &["process", "pe", "original_file_name"]),
    ("Company", &["process", "pe", "company"]),
    ("Product", &["process", "pe", "product"]),
    ("Description", &["process", "pe", "description"]),
    ("FileVersion", &["process", "pe", "file_version"]),
];

/// Names of digests in Sysmon's `Hashes`.
const HASHES: [(&str, &[Path]); 4] = [
    ("SHA1", &[&["process", "hash", "sha1"]]),
    ("MD5", &[&["process", "hash", "md5"]]),
    ("SHA256", &[&["process", "hash", "sha256"]]),
    (
        "IMPHASH",
        &[
            &["process", "pe", "imphash"],
            &["process", "hash", "imphash"],
        ],
    ),
];

/// Adds those fields of the start of a process that `fields` lacks.
pub(super) fn add_missing<'a>(node: &'a Node<'a>, event_id: u32, fields: &mut Fields<'a>) {
    let names: &[(&str, Path)] = match event_id {
        PROCESS_CREATED_4688 => &OF_4688,
        PROCESS_CREATE_1 => &OF_SYSMON_1,
        _ => return,
    };
    for (name, place) in names {
        if fields.get(name).is_none()
            && let Some(text) = node.text_at(&[place])
        {
            fields.add((*name).into(), text);
        }
    }
    if event_id == PROCESS_CREATE_1 {
        add_user(node, fields);
        add_hashes(node, fields);
    }
}

fn add_user<'a>(node: &'a Node<'a>, fields: &mut Fields<'a>) {
    let name = node.text_at(&[&["user", "name"]]);
    if let Some(name) = name
        && fields.get("User").is_none()
    {
        let user = match node.text_at(&[&["user", "domain"]]) {
            Some(domain) => format!("{domain}\\{name}").into(),
            None => name,
        };
        fields.add("User".into(), user);
    }
}

fn add_hashes<'a>(node: &'a Node<'a>, fields: &mut Fields<'a>) {
    if fields.get("Hashes").is_some() {
        return;
    }
    let kinds = HASHES.iter().filter_map(|(kind, places)| {
        let digits = node.text_at(places)?.to_ascii_uppercase();
        Some(format!("{kind}={digits}"))
    });
    let hashes = kinds.collect::<Vec<_>>().join(",");
    fields.add("Hashes".into(), hashes.into());
}
