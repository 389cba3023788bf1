//! The command line as users meet it: its help, its exit codes, and what becomes of an imported file.

use std::path::Path;
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
    for name in ["run", "status", "queue", "import"] {
        insta::assert_snapshot!(format!("epm_agent_{name}"), help_of(&[name]));
    }
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
