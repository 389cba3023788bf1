//! The same rules for all: one lets the user run the program as root, and the others are about programs that are not there.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::anyhow;
use epm_policy::file::{Format, write as write_policies};
use epm_policy::{
    Assignment, ChildBehaviour, Detection, ElevationType, Platform, Policies, PolicyVersion, Rule,
    RulesPolicy, SettingsPolicy, Sha256, SignatureSource,
};
use sha2::{Digest as _, Sha256 as Hasher};

/// What is run.
pub(super) const PROGRAM: &str = "/usr/bin/true";
/// The user and group `nobody` of Debian.
pub(super) const USER: u32 = 65_534;
/// Rules of one policy.
const RULES_OF_A_POLICY: usize = 100;

/// Writes `sudoers`, `doas.conf` and `policies.json` with so many rules beside the one that is needed.
pub(super) fn write(folder: &Path, rules: usize) -> anyhow::Result<()> {
    let mut sudoers = String::from("Defaults !syslog\n");
    let mut doas = String::new();
    for number in 0..rules {
        writeln!(
            sudoers,
            "nobody ALL=(root) NOPASSWD: /opt/tools/other{number}"
        )?;
        writeln!(
            doas,
            "permit nopass nobody as root cmd /opt/tools/other{number}"
        )?;
    }
    writeln!(sudoers, "nobody ALL=(root) NOPASSWD: {PROGRAM}")?;
    writeln!(doas, "permit nopass nobody as root cmd {PROGRAM}")?;
    for (name, text) in [("sudoers", &sudoers), ("doas.conf", &doas)] {
        let path = folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o440))?;
    }
    let path = folder.join("policies.json");
    fs::write(&path, policies(rules)?)?;
    Ok(())
}

fn policies(rules: usize) -> anyhow::Result<String> {
    let mut written: Vec<Rule> = (0..rules).map(other).collect();
    written.push(needed()?);
    let chunks = written.chunks(RULES_OF_A_POLICY).enumerate();
    let policies = Policies {
        version: PolicyVersion(1),
        settings: vec![SettingsPolicy {
            id: "settings".into(),
            name: "settings".to_owned(),
            assignment: Assignment::all_devices(),
            ..SettingsPolicy::default()
        }],
        rules: chunks
            .map(|(number, rules)| policy(number, rules))
            .collect(),
        certificate_groups: Vec::new(),
    };
    write_policies(Format::Json, &policies).map_err(|error| anyhow!(error))
}

fn policy(number: usize, rules: &[Rule]) -> RulesPolicy {
    RulesPolicy {
        id: format!("policy{number}").as_str().into(),
        name: format!("policy {number}"),
        platform: Platform::Linux,
        assignment: Assignment::all_devices(),
        rules: rules.to_vec(),
        ..RulesPolicy::default()
    }
}

fn needed() -> anyhow::Result<Rule> {
    let mut rule = other(usize::MAX);
    rule.detection = Detection {
        file_name: "true".to_owned(),
        file_path: Some("/usr/bin".to_owned()),
        file_hash: Some(Sha256(Hasher::digest(fs::read(PROGRAM)?).into())),
        signature: SignatureSource::NotConfigured,
        ..Detection::default()
    };
    Ok(rule)
}

fn other(number: usize) -> Rule {
    Rule {
        id: format!("rule{number}").as_str().into(),
        name: format!("rule {number}"),
        elevation_type: ElevationType::Automatic,
        child_behaviour: ChildBehaviour::AllowAll,
        detection: Detection {
            file_name: format!("other{number}"),
            file_path: Some("/opt/tools".to_owned()),
            file_hash: Some(Sha256(Hasher::digest(number.to_le_bytes()).into())),
            signature: SignatureSource::NotConfigured,
            ..Detection::default()
        },
        ..Rule::default()
    }
}
