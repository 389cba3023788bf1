//! Sysmon event 1, "process create", in the field sets of its versions.
//!
//! Its company is what the file claims, never a signer. It must not take a digest of another kind for SHA-256.

use epm_proto::v1;

use super::account::Account;
use super::fields::Fields;
use super::integrity::Integrity;
use super::process_start::{ProcessStart, file_at, logon_id_text};
use super::time;
use crate::source::{Reading, Verdict};
use crate::sources::digest;

pub(super) fn read(event: &Fields<'_>) -> Reading {
    let integrity = event.get("IntegrityLevel").and_then(Integrity::parse);
    let logon_id = event.number("LogonId");
    let account = Account::from_qualified(event.get("User").unwrap_or_default(), logon_id);
    let process_time = event.get("UtcTime").and_then(time::zoneless_utc_us);
    ProcessStart {
        sensor: v1::SensorKind::Sysmon1,
        verdict: match integrity {
            None => Verdict::Undecided,
            Some(level) if level.is_elevated() => Verdict::Elevated,
            Some(_) => Verdict::NotElevated,
        },
        observed_at_us: process_time.or(event.created_at_us()).unwrap_or_default(),
        runs_as: account,
        user: account,
        is_consent: false,
        is_person_hidden: false,
        integrity,
        file: file(event),
        process: v1::Process {
            pid: event.number("ProcessId").unwrap_or_default(),
            parent_pid: event.number("ParentProcessId").unwrap_or_default(),
            parent_path: event.text("ParentImage"),
            parent_arguments: event.text("ParentCommandLine"),
            logon_id: logon_id_text(logon_id),
            working_directory: event.text("CurrentDirectory"),
            terminal: event.text("TerminalSessionId"),
            process_guid: guid(event.get("ProcessGuid").unwrap_or_default()),
            ..v1::Process::default()
        },
    }
    .into_reading(event)
}

fn file(event: &Fields<'_>) -> v1::File {
    // Sysmon writes `?` where a file has no version information.
    let version_text = |name| {
        event
            .get(name)
            .filter(|text| text.trim() != "?")
            .unwrap_or_default()
            .to_owned()
    };
    let (sha256, other_hashes) = hashes(event.get("Hashes").unwrap_or_default());
    v1::File {
        sha256,
        other_hashes,
        company_name: version_text("Company"),
        product_name: version_text("Product"),
        file_description: version_text("Description"),
        file_version: version_text("FileVersion"),
        original_file_name: version_text("OriginalFileName"),
        ..file_at(event.text("Image"), event.text("CommandLine"))
    }
}

/// Splits `SHA1=…,MD5=…,SHA256=…` into the SHA-256 (empty where there is none) and the rest as written.
fn hashes(text: &str) -> (Vec<u8>, String) {
    let mut sha256 = Vec::new();
    let mut others = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.split_once('=') {
            Some((kind, digits)) if kind.eq_ignore_ascii_case("SHA256") => {
                match digest::sha256(digits) {
                    Some(bytes) => sha256 = bytes,
                    None => others.push(part),
                }
            }
            _ => others.push(part),
        }
    }
    (sha256, others.join(","))
}

/// Upper case without braces, however it was written.
fn guid(text: &str) -> String {
    text.trim().trim_matches(['{', '}']).to_ascii_uppercase()
}
