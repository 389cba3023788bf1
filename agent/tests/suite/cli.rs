//! The command line as users meet it: its help, its exit codes, and what becomes of an imported file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::CommandFactory;
use epm_agent::cli::Cli;

use crate::peer::Peer;

const AUTH_LOG: &str = "\
2026-03-01T10:00:00.000001+00:00 host sudo:    anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND=/usr/bin/apt update
2026-03-01T10:00:05.000001+00:00 host sudo:    anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND=/usr/bin/apt upgrade
2026-03-01T10:01:00.000001+00:00 host sudo:     bob : user NOT in sudoers ; TTY=pts/1 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/id
";

fn help_of(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut found = &mut command;
    for name in path {
        found = found.find_subcommand_mut(name).expect("it is a command");
    }
    found.render_help().to_string()
}

#[test]
fn help_reads_as_reviewed() {
    insta::assert_snapshot!("epm_agent", help_of(&[]));
    for name in [
        "run",
        "status",
        "policies",
        "settings",
        "queue",
        "events",
        "doctor",
        "import",
        "follow",
        "install",
        "uninstall",
        "attributes",
        "explain",
        "approve",
    ] {
        insta::assert_snapshot!(format!("epm_agent_{name}"), help_of(&[name]));
    }
    insta::assert_snapshot!("epm_agent_policy_check", help_of(&["policy", "check"]));
}

#[test]
fn every_flag_has_its_environment_variable() {
    let mut command = Cli::command();
    command.build();
    for part in command.get_subcommands().chain([&command]) {
        for flag in part.get_arguments() {
            let Some(long) = flag.get_long() else {
                continue;
            };
            if ["help", "version"].contains(&long) {
                continue;
            }
            let expected = format!("EPM_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(
                flag.get_env().and_then(|name| name.to_str()),
                Some(expected.as_str()),
                "--{long}"
            );
        }
    }
}

fn agent(state: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
    command.args(arguments).arg("--state").arg(state);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
        command.env_remove(name);
    }
    command.output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn auth_log(folder: &Path) -> String {
    let path = folder.join("auth.log");
    std::fs::write(&path, AUTH_LOG).expect("it can be written");
    path.display().to_string()
}

#[test]
fn a_dry_run_counts_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let file = auth_log(folder.path());
    let output = agent(&state, &["import", &file, "--dry-run", "--summary", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let line: serde_json::Value = serde_json::from_str(&out(&output)).expect("one line of JSON");
    assert_eq!(line["sudo"]["elevations"], 2);
    assert_eq!(line["sudo"]["denied"], 1);
    assert!(!state.exists());
    let text = out(&agent(&state, &["import", &file, "--dry-run"]));
    assert!(text.contains("2 as root, 1 denied"), "{text}");
}

#[test]
fn a_file_that_is_not_read_has_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent").display().to_string();
    let good = auth_log(folder.path());
    let output = agent(folder.path(), &["import", "--dry-run", &absent, &good]);
    assert_eq!(output.status.code(), Some(4));
    assert!(err(&output).contains("absent"), "{}", err(&output));
    assert!(out(&output).contains("2 as root"), "the other file is read");
}

#[test]
fn without_a_collector_an_import_waits_in_the_spool_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let file = auth_log(folder.path());
    // Port 9 of this device: nobody listens there.
    let nobody = ["--collector", "http://127.0.0.1:9"];
    let output = agent(
        &state,
        &["import", &file, "--wait", "300ms", nobody[0], nobody[1]],
    );
    assert_eq!(output.status.code(), Some(6), "{}", err(&output));
    assert!(
        out(&output).contains("delivered 0, waiting 3"),
        "{}",
        out(&output)
    );
    assert!(
        err(&output).contains("epm-agent run --state"),
        "{}",
        err(&output)
    );
    let status = agent(&state, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&out(&status)).expect("JSON");
    assert_eq!(status["waiting_records"], 3);
    assert_eq!(status["oldest_waiting"], "2026-03-01T10:00:00Z");
    let queue = out(&agent(&state, &["queue", "--limit", "2"]));
    assert_eq!(queue.matches("elevation").count(), 2, "{queue}");
    assert!(queue.contains("and 1 more"), "{queue}");
    assert!(queue.starts_with("3 records wait"), "{queue}");
    let queue = agent(&state, &["queue", "--json"]);
    let queue: serde_json::Value = serde_json::from_str(&out(&queue)).expect("JSON");
    assert_eq!(queue["waiting_records"], 3);
    assert_eq!(queue["records"][2]["kind"], "elevation");
    let events = out(&agent(&state, &["events", "--json"]));
    let events: Vec<serde_json::Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0]["file_path"], "/usr/bin/apt");
    assert_eq!(events[0]["arguments"], "update");
    assert_eq!(events[2]["outcome"], "denied");
    let events = out(&agent(&state, &["events"]));
    assert!(
        events.contains("unmanaged elevated: anna as root: /usr/bin/apt update  [sudo_syslog]"),
        "{events}"
    );
}

#[test]
fn policies_and_settings_say_what_a_file_makes_of_this_device() {
    let (_folder, folder) = with_policies();
    let policies = folder.join("policies.yaml").display().to_string();
    let said = out(&agent(&folder, &["policies", "--policy", &policies]));
    assert!(said.contains("version   7"), "{said}");
    assert!(
        said.contains("settings  settings \"Everybody\", for all_devices"),
        "{said}"
    );
    assert!(
        said.contains("rules     linux \"Linux\", for all_devices: 3 rules for linux"),
        "{said}"
    );
    let said = out(&agent(
        &folder,
        &["policies", "--json", "--policy", &policies],
    ));
    let document: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(document["rules"][0]["rules"], 3);
    let second = concat!(
        "  - id: second\n",
        "    name: For everybody\n",
        "    assignment: {include: [{user: '4711'}, all_devices]}\n",
        "    default_response: support_approval\n",
        "    reporting_scope: managed\n",
        "rules:\n",
    );
    let text = std::fs::read_to_string(&policies).expect("it is there");
    std::fs::write(&policies, text.replacen("rules:\n", second, 1)).expect("written");
    let said = out(&agent(
        &folder,
        &["settings", "--json", "--policy", &policies],
    ));
    let document: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(document["enabled"]["value"], true);
    assert_eq!(document["reporting_scope"]["value"], "managed");
    assert_eq!(document["default_response"]["conflict"], true);
    assert_eq!(document["default_response"]["value"], "deny_all");
    let said = out(&agent(&folder, &["settings", "--policy", &policies]));
    assert!(said.contains("policies disagree"), "{said}");
    let nowhere = agent(&folder, &["policies"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(err(&nowhere).contains("--policy FILE"), "{}", err(&nowhere));
}

#[test]
fn an_agent_that_never_ran_has_a_status() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let output = agent(&state, &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("none yet"));
    assert!(!state.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reaches_the_collector() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let file = auth_log(folder.path());
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let collector = format!("http://{address}");
    let importing = tokio::task::spawn_blocking(move || {
        agent(&state, &["import", &file, "--collector", &collector])
    });
    let output = importing.await.expect("it ran");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).contains("delivered 3, waiting 0"),
        "{}",
        out(&output)
    );
    assert_eq!(peer.state().elevations().len(), 3);
}

#[test]
fn a_state_folder_in_use_and_a_collector_elsewhere_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = epm_agent::identity::StateFolder::open(folder.path(), None).expect("it opens");
    let output = agent(folder.path(), &["run"]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    drop(held);
    for elsewhere in [
        "http://collector.example:8443",
        "https://127.0.0.1:8443",
        "nonsense",
    ] {
        let output = agent(folder.path(), &["run", "--collector", elsewhere]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{elsewhere}: {}",
            err(&output)
        );
        assert!(err(&output).contains("--collector URL"), "{}", err(&output));
    }
}

const POLICIES: &str = "\
version: 7
settings:
  - id: settings
    name: Everybody
    assignment: {include: [all_devices]}
    default_response: deny_all
rules:
  - id: linux
    name: Linux
    platform: linux
    assignment: {include: [all_devices]}
    rules:
      - id: tool
        name: The tool
        detection: {file_name: tool, file_path: FOLDER, file_hash: HASH, signature: not_configured}
        allowed_arguments: [--status]
      - id: any-tool
        name: Any tool
        elevation_type: support_approved
        detection: {file_name: tool, file_hash: HASH, signature: not_configured}
      - id: elsewhere
        name: The other, elsewhere
        detection: {file_name: other, file_path: /opt, file_hash: HASH, signature: not_configured}
";

/// A folder with `tool` and `other`, and `policies.yaml` that knows the first.
fn with_policies() -> (tempfile::TempDir, PathBuf) {
    use sha2::Digest as _;
    let folder = tempfile::tempdir().expect("a folder");
    let plain = std::fs::canonicalize(folder.path()).expect("it is there");
    for name in ["tool", "other"] {
        std::fs::write(plain.join(name), "#!/bin/sh\n").expect("written");
    }
    let digest = sha2::Sha256::digest(b"#!/bin/sh\n");
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder_name = plain.to_str().expect("text");
    let policies = POLICIES
        .replace("FOLDER", folder_name)
        .replace("HASH", &hash);
    std::fs::write(plain.join("policies.yaml"), policies).expect("written");
    (folder, plain)
}

fn explained(folder: &Path, program: &str, more: &[&str]) -> (String, serde_json::Value) {
    let policies = folder.join("policies.yaml").display().to_string();
    let program = folder.join(program).display().to_string();
    let asked = [
        "explain", "--user", "nobody", "--policy", &policies, &program,
    ];
    let asked = [&asked[..], more].concat();
    let text = agent(folder, &asked);
    assert_eq!(text.status.code(), Some(0), "{}", err(&text));
    let document = agent(folder, &[&asked[..1], &["--json"], &asked[1..]].concat());
    let document = serde_json::from_str(&out(&document)).expect("JSON");
    (out(&text), document)
}

#[test]
fn explain_says_the_outcome_first_and_then_why() {
    let (_folder, folder) = with_policies();
    let (text, document) = explained(&folder, "tool", &[]);
    assert!(
        text.starts_with("ELEVATED after the user confirms"),
        "{text}"
    );
    assert!(text.contains("(attribute_count)"), "{text}");
    assert!(
        text.contains("any-tool \"Any tool\" of policy \"Linux\": lost"),
        "{text}"
    );
    assert_eq!(document["outcome"], "confirm");
    assert_eq!(document["winner"]["rule_id"], "tool");
    assert_eq!(document["losers"][0]["rule_id"], "any-tool");
    assert_eq!(document["file"]["interpreter"], "/bin/sh");
    let (text, document) = explained(&folder, "tool", &["--args", "--status", "-v"]);
    assert!(text.starts_with("DENIED"), "{text}");
    assert!(
        text.contains("Add \"-v\" to allowed_arguments of tool"),
        "{text}"
    );
    assert_eq!(document["reason"], "unlisted_argument");
    let (text, document) = explained(&folder, "other", &[]);
    assert!(text.starts_with("DENIED"), "{text}");
    assert!(text.contains("the rule wants \"/opt\""), "{text}");
    let near = document["near_misses"].as_array().expect("a list");
    assert!(
        near.iter().any(|near| near["attribute"] == "file_path"),
        "{document}"
    );
    let (text, document) = explained(&folder, "other", &["--as-path", "/opt/other"]);
    assert!(text.starts_with("ELEVATED"), "{text}");
    assert_eq!(document["winner"]["rule_id"], "elsewhere");
    let (text, document) = explained(&folder, "tool", &["--administrator", "true"]);
    assert!(text.starts_with("NOT MANAGED"), "{text}");
    assert_eq!(document["reason"], "local_administrator");
    let (text, document) = explained(&folder, "tool", &["--trigger", "ordinary"]);
    assert!(text.contains("Start it with `elevate`"), "{text}");
    assert_eq!(document["losers"][0]["lost"], "ordinary_launch");
}

#[test]
fn explain_refuses_what_it_cannot_judge() {
    let (_folder, folder) = with_policies();
    let policies = folder.join("policies.yaml").display().to_string();
    let ended = |arguments: &[&str]| {
        let output = agent(&folder, &[&["explain", "--policy"], arguments].concat());
        (output.status.code(), err(&output))
    };
    let absent = folder.join("absent").display().to_string();
    assert_eq!(ended(&[&absent, "true"]).0, Some(4));
    assert_eq!(ended(&[&policies, &absent]).0, Some(4));
    assert_eq!(ended(&[&policies, "no-such-program-anywhere"]).0, Some(4));
    let (code, said) = ended(&[&policies, "true", "--user", "no-such-user"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-user"), "{said}");
    assert_eq!(ended(&[&policies, "true", "--at", "tomorrow"]).0, Some(2));
    let tool = folder.join("tool").display().to_string();
    assert_eq!(
        ended(&[&tool, "true"]).0,
        Some(7),
        "a script is no policy file"
    );
}

#[test]
fn a_policy_file_is_checked_by_line_and_column() {
    let (_folder, folder) = with_policies();
    let checked = |file: &str, more: &[&str]| {
        let path = folder.join(file).display().to_string();
        let output = agent(&folder, &[&["policy", "check", &path], more].concat());
        (output.status.code(), out(&output))
    };
    let (code, said) = checked("policies.yaml", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("can be used: version 7, 1 settings policy, 3 rules in 1 policy"),
        "{said}"
    );
    let (code, said) = checked("policies.yaml", &["--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["usable"], true);
    assert_eq!(report["rules"], 3);
    let policies = std::fs::read_to_string(folder.join("policies.yaml")).expect("it is there");
    let unwise = policies.replacen(
        "name: The tool\n",
        "name: The tool\n        child_behaviour: allow_all\n",
        1,
    );
    std::fs::write(folder.join("unwise.yaml"), unwise).expect("written");
    assert_eq!(checked("unwise.yaml", &[]).0, Some(0));
    let (code, said) = checked("unwise.yaml", &["--fail-on", "warning"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("unwise.yaml:13:13: "), "{said}");
    assert!(said.contains("(allow_all_children)"), "{said}");
    let broken =
        policies
            .replacen("id: any-tool", "id: tool", 1)
            .replacen("name: The tool", "nome: x", 1);
    std::fs::write(folder.join("broken.yaml"), &broken).expect("written");
    let (code, said) = checked("broken.yaml", &[]);
    assert_eq!(code, Some(7), "{said}");
    assert!(
        said.contains("broken.yaml:14:9: mistake: unknown field"),
        "{said}"
    );
    let twice = policies.replacen("id: any-tool", "id: tool", 1);
    std::fs::write(folder.join("twice.yaml"), &twice).expect("written");
    let (code, said) = checked("twice.yaml", &["--json"]);
    assert_eq!(code, Some(7), "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["usable"], false);
    assert_eq!(report["total_mistakes"], 1);
    assert_eq!(report["mistakes"][0]["line"], 17);
    assert_eq!(checked("absent.yaml", &[]).0, Some(4));
}

#[test]
fn attributes_tell_every_file_and_name_those_that_cannot_be_read() {
    let (_folder, folder) = with_policies();
    let [tool, absent] = ["tool", "absent"].map(|name| folder.join(name).display().to_string());
    let output = agent(&folder, &["attributes", &absent, &tool]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        out(&output).contains("script, run by /bin/sh"),
        "{}",
        out(&output)
    );
    assert!(err(&output).contains("absent"), "{}", err(&output));
    let output = agent(&folder, &["attributes", "--json", &tool, "/bin/sh"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["kind"], "script");
    assert_eq!(lines[1]["kind"], "elf");
    assert_eq!(lines[0]["place"]["mode"], "0644");
}

#[test]
fn texts_of_files_cannot_write_other_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder
        .path()
        .join("a\u{202e}b\n  signature     valid and trusted");
    std::fs::write(&path, "x").expect("written");
    let output = agent(folder.path(), &["attributes", &path.display().to_string()]);
    let said = out(&output);
    assert!(said.contains("a\\u{202e}b\\u{a}  signature"), "{said}");
    assert!(!said.contains("\n  signature"), "{said}");
}
