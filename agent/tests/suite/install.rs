//! Installing below a folder, and taking away exactly what was put there.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use epm_agent::install::unit;

use crate::components::{present, program};

fn run(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).arg("--root").arg(root).output();
    output.expect("it runs")
}

fn must(root: &Path, arguments: &[&str]) -> String {
    let output = run(root, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every file and link below a folder, with its permissions.
fn files(root: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an entry").path();
            let status = path.symlink_metadata().expect("it is there");
            match status.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(root).expect("below").to_owned();
                    found.insert(name, status.permissions().mode() & 0o777);
                }
            }
        }
    }
    found
}

#[test]
fn what_is_installed_is_removed_again_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let theirs = root.join("etc/systemd/system/other.service");
    std::fs::create_dir_all(theirs.parent().expect("a folder")).expect("made");
    std::fs::write(&theirs, "[Unit]").expect("written");
    let before = files(root);
    let said = must(root, &["install", "--dry-run"]);
    assert!(said.contains("would write"), "{said}");
    assert_eq!(files(root), before, "a dry run changes nothing");
    must(
        root,
        &["install", "--policy", "/etc/epm-agent/policies.yaml"],
    );
    let installed = files(root);
    let mode = |path: &str| installed.get(Path::new(path)).copied();
    assert_eq!(mode("usr/local/sbin/epm-agent"), Some(0o755));
    assert_eq!(mode("usr/local/bin/elevate"), Some(0o755));
    assert_eq!(mode("etc/epm-agent/agent.env"), Some(0o600));
    assert_eq!(mode("etc/systemd/system/epm-agent.service"), Some(0o644));
    assert_eq!(mode("etc/pam.d/epm-elevate"), Some(0o644));
    let state = root.join("var/lib/epm-agent");
    let status = state.metadata().expect("it is there");
    assert_eq!(status.permissions().mode() & 0o777, 0o700);
    must(
        root,
        &["install", "--policy", "/etc/epm-agent/policies.yaml"],
    );
    assert_eq!(files(root), installed, "again is an update");
    std::fs::write(state.join("agent_id"), "somebody").expect("written");
    let said = must(root, &["uninstall", "--dry-run"]);
    assert!(said.contains("would remove"), "{said}");
    must(root, &["uninstall"]);
    let mut left = before.clone();
    left.insert("var/lib/epm-agent/agent_id".into(), 0o644);
    let now: Vec<PathBuf> = files(root).into_keys().collect();
    assert_eq!(now, left.into_keys().collect::<Vec<_>>(), "state stays");
    assert!(!root.join("etc/epm-agent").exists());
    assert_eq!(run(root, &["uninstall"]).status.code(), Some(2), "once");
}

#[test]
fn purge_takes_state_and_changed_options_and_without_it_they_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    must(root, &["install", "--collector", "http://127.0.0.1:9"]);
    let options = root.join("etc/epm-agent/agent.env");
    let text = std::fs::read_to_string(&options).expect("it is there");
    assert!(
        text.contains("EPM_COLLECTOR=http://127.0.0.1:9\n"),
        "{text}"
    );
    std::fs::write(&options, "EPM_COLLECTOR=http://127.0.0.1:10\n").expect("written");
    must(root, &["install"]);
    let kept = std::fs::read_to_string(&options).expect("it is there");
    assert!(kept.contains(":10"), "an administrator's options hold");
    assert!(
        !root.join("etc/pam.d").exists(),
        "without policies nobody is asked"
    );
    must(root, &["install", "--policy", "/etc/p.yaml"]);
    let pam = root.join("etc/pam.d/epm-elevate");
    std::fs::write(&pam, "auth required pam_u2f.so\n").expect("written");
    must(root, &["install", "--policy", "/etc/p.yaml"]);
    let kept = std::fs::read_to_string(&pam).expect("it is there");
    assert!(
        kept.contains("pam_u2f"),
        "how people authenticate is the administrator's"
    );
    let said = must(root, &["uninstall"]);
    assert!(said.contains("it was changed since"), "{said}");
    assert!(options.exists() && pam.exists());
    must(root, &["uninstall", "--purge"]);
    assert!(files(root).is_empty(), "{:?}", files(root));
    assert!(!root.join("var/lib/epm-agent").exists());
}

#[test]
fn what_the_options_of_the_service_say_leaves_every_other_command_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "install",
        "--follow-log",
        "/var/log/auth.log",
        "--policy",
        "/etc/p.yaml",
    ];
    must(folder.path(), &arguments);
    let options = folder.path().join("etc/epm-agent/agent.env");
    let options = std::fs::read_to_string(options).expect("it is there");
    assert!(
        options.contains("EPM_FOLLOW_LOG=/var/log/auth.log\n"),
        "{options}"
    );
    let variables = options.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<(&str, &str)> = variables
        .filter(|(name, _)| !name.starts_with('#'))
        .collect();
    for asked in [&["events"][..], &["status"], &["queue"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        let asked = command
            .args(asked)
            .arg("--state")
            .arg(folder.path().join("none"));
        let output = asked
            .envs(variables.iter().copied())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn a_file_that_others_made_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("etc/systemd/system/epm-agent.service");
    std::fs::create_dir_all(unit.parent().expect("a folder")).expect("made");
    std::fs::write(&unit, "theirs").expect("written");
    let before = files(folder.path());
    let output = run(folder.path(), &["install"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("install did not write it"), "{said}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn people_authenticate_by_the_rules_that_a_distributions_services_share() {
    let written = |shared: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let pam = folder.path().join("etc/pam.d");
        std::fs::create_dir_all(&pam).expect("made");
        for file in shared {
            std::fs::write(pam.join(file), "").expect("written");
        }
        must(folder.path(), &["install", "--policy", "/etc/p.yaml"]);
        let text = std::fs::read_to_string(pam.join("epm-elevate")).expect("it is there");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.map(words).collect::<Vec<_>>()
    };
    let debian = ["auth include common-auth", "account include common-account"];
    assert_eq!(written(&["common-auth", "common-account"]), debian);
    let red_hat = ["auth include system-auth", "account include system-auth"];
    assert_eq!(written(&["system-auth"]), red_hat);
    let none = ["auth required pam_unix.so", "account required pam_unix.so"];
    assert_eq!(written(&[]), none);
}

/// A unit where systemd looks for one; the program is not where the unit says on this machine.
fn unit_in(folder: &Path, has_broker: bool) -> PathBuf {
    let path = folder.join("epm-agent.service");
    let text =
        unit(has_broker).replace("/usr/local/sbin/epm-agent", env!("CARGO_BIN_EXE_epm-agent"));
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if present(program("systemd-analyze")).is_none() {
        return;
    }
    for has_broker in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(unit_in(folder.path(), has_broker))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        let of_ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("epm-agent"))
            .collect();
        assert!(of_ours.is_empty(), "{said}");
    }
}

#[test]
fn systemd_calls_the_shut_in_units_exposure_medium_at_most() {
    if present(program("systemd-analyze")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // In tenths. Without a broker it still is root, reads all logs, speaks to the network and runs sudo. With one it
    // is as open as the programs that it elevates, which the threat register says and no score can change.
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=47"])
        .arg(unit_in(folder.path(), false))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&rated.stdout).into_owned();
    let overall = said.lines().find(|line| line.contains("Overall exposure"));
    assert!(rated.status.success(), "{overall:?}");
    assert!(overall.is_some(), "{said}");
}

#[test]
fn every_setting_of_the_units_stands_below_its_reason() {
    for has_broker in [false, true] {
        let text = unit(has_broker);
        let service = text
            .split("RuntimeDirectoryMode")
            .nth(1)
            .expect("a service");
        let settings = service.lines().skip(1).take_while(|line| !line.is_empty());
        let mut has_reason = false;
        for line in settings {
            has_reason |= line.starts_with('#');
            assert!(has_reason, "{line}");
        }
        assert_eq!(text.contains("ProtectSystem=strict"), !has_broker);
    }
}
