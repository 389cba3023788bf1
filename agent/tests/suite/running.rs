//! `epm-agent run` as a service runs it: a process with its sensors, from its start to SIGTERM.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use epm_proto::v1::{self, SensorKind, SensorState, record::Body};
use epm_test_components::{Sudo, quiet_address};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::peer::{Peer, State};
use crate::policy_delivery::{KEY_PEM, sealed};

/// Far more than anything takes that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent in a process, and the collector that it delivers to.
struct Service {
    process: Child,
    peer: Peer,
    folder: tempfile::TempDir,
    _collector: CancellationToken,
}

impl Service {
    /// Runs an agent without sensors but those that `arguments` name. `{}` in them stands for the test's folder.
    async fn start(arguments: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), arguments).await
    }

    async fn start_in(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        Self::start_with(Peer::default(), folder, arguments).await
    }

    async fn start_with(peer: Peer, folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        Self::start_as(program, peer, folder, arguments).await
    }

    /// Runs what `command` becomes the agent by.
    async fn start_as(
        mut command: Command,
        peer: Peer,
        folder: tempfile::TempDir,
        arguments: &[&str],
    ) -> Self {
        let (collector, stop) = peer.serve().await;
        let place = folder.path().to_str().expect("text");
        let arguments = arguments.iter().map(|text| text.replace("{}", place));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
            command.env_remove(name);
        }
        let process = command
            .args(["run", "--collector", &format!("http://{collector}")])
            .env("EPM_SUDO_LOG_SERVER", "off")
            .arg("--state")
            .arg(folder.path().join("state"))
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        Self {
            process,
            peer,
            folder,
            _collector: stop,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs another command of the program on the agent's state, and gives its exit code and what it says.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        ask(&self.path("state"), arguments)
    }

    /// Asks for a document until it is as wanted: the agent writes down what it does within seconds.
    fn until(&self, arguments: &[&str], wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (_, said) = self.ask(arguments);
            let document = serde_json::from_str(&said).expect("JSON");
            if wanted(&document) {
                return document;
            }
            assert!(began.elapsed() < PATIENCE, "{document:#}");
        }
    }

    /// Asks it to stop, and waits for it.
    fn stop(mut self) -> (ExitStatus, tempfile::TempDir, Peer) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        told.expect("it runs");
        let ended = self.process.wait().expect("it ends");
        (ended, self.folder, self.peer)
    }
}

fn ask(state: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).arg("--state").arg(state).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said)
}

fn append(path: &Path, line: &str) {
    use std::io::Write as _;
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    writeln!(log.expect("it opens"), "{line}").expect("written");
}

fn line(second: u32, command: &str) -> String {
    format!(
        "2026-03-01T10:00:{second:02}.000001+00:00 host sudo:    anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND={command}"
    )
}

fn elevations(state: &State) -> Vec<v1::Elevation> {
    let of = state.bodies().into_iter().filter_map(|body| match body {
        Body::Elevation(elevation) => Some(elevation),
        _ => None,
    });
    of.collect()
}

/// What the last heartbeat says of its sensors.
fn sensors(state: &State) -> Vec<v1::SensorHealth> {
    let mut beats = state.bodies().into_iter().filter_map(|body| match body {
        Body::Heartbeat(beat) => Some(beat.sensors),
        _ => None,
    });
    beats.next_back().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_beside_the_other_sensors_and_across_restarts() {
    let logs = ["--follow-log", "{}/auth.log", "--follow-log", "{}/incoming"];
    let service = Service::start(&logs).await;
    append(&service.path("auth.log"), &line(1, "/usr/bin/first"));
    std::fs::create_dir(service.path("incoming")).expect("it can be made");
    append(
        &service.path("incoming/other.log"),
        &line(2, "/usr/bin/second"),
    );
    let both = |state: &State| (elevations(state).len() == 2).then_some(());
    service.peer.until(both).await;
    let (ended, folder, _) = service.stop();
    assert!(ended.success());
    append(&folder.path().join("auth.log"), &line(3, "/usr/bin/third"));
    let service = Service::start_in(folder, &logs).await;
    let seen = service
        .peer
        .until(|state| elevations(state).into_iter().next())
        .await;
    assert_eq!(seen.file.expect("a file").path, "/usr/bin/third");
    let (ended, _, peer) = service.stop();
    assert!(ended.success());
    assert_eq!(
        elevations(&peer.state()).len(),
        1,
        "what was read is not read again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_there_is_told_at_once_with_its_remedy() {
    let service = Service::start(&["--follow-log", "{}/auth.log"]).await;
    let failing = service
        .peer
        .until(|state| {
            let mut sensors = sensors(state).into_iter();
            sensors.find(|sensor| sensor.state() == SensorState::Failing)
        })
        .await;
    assert_eq!(failing.sensor(), SensorKind::FollowedLog);
    let path = service.path("auth.log").display().to_string();
    assert!(failing.detail.contains(&path), "{}", failing.detail);
    assert!(
        failing.detail.contains("correct the path"),
        "{}",
        failing.detail
    );
    append(&service.path("auth.log"), &line(1, "/usr/bin/first"));
    let running = service
        .peer
        .until(|state| {
            let mut sensors = sensors(state).into_iter();
            sensors.find(|sensor| sensor.state() == SensorState::Running)
        })
        .await;
    assert_eq!(running.sensor(), SensorKind::SudoSyslog);
    assert!(service.stop().0.success());
}

/// The verdict on one check, with its reason and remedy.
fn verdict<'d>(document: &'d Value, check: &str) -> (&'d str, String) {
    let checks = document["checks"].as_array().expect("a list");
    let found = checks.iter().find(|of| of["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} in {document:#}"));
    let words = format!("{} {}", found["reason"], found["remedy"]);
    (found["verdict"].as_str().expect("a word"), words)
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_doctor_tell_what_the_running_agent_does() {
    let service = Service::start(&["--follow-log", "{}/auth.log"]).await;
    append(&service.path("auth.log"), &line(1, "/usr/bin/first"));
    let status = service.until(&["status", "--json"], |status| {
        status["agent"]["connected"] == true
            && status["agent"]["sensors"][0]["state"] == "running"
            && status["waiting_records"] == 0
    });
    assert_eq!(status["running"], true);
    assert_eq!(status["agent"]["process"], service.process.id());
    assert_eq!(status["agent"]["reporting_scope"], "all");
    assert_eq!(status["agent"]["sensors"][0]["sensor"], "sudo_syslog");
    let (code, said) = service.ask(&["doctor", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    for check in [
        "state",
        "agent",
        "spool",
        "collector",
        "inspection",
        "clock",
        "sensor",
        "policy",
    ] {
        assert_eq!(verdict(&report, check).0, "ok", "{report:#}");
    }
    let (_, said) = service.ask(&["status"]);
    assert!(said.contains("connection  connected"), "{said}");
    let (ended, folder, _) = service.stop();
    assert!(ended.success());
    let (_, said) = ask(&folder.path().join("state"), &["status", "--json"]);
    let status: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(status["running"], false);
    assert!(status.get("agent").is_none(), "it took back what it said");
}

#[test]
fn doctor_says_what_is_missing_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let nobody = "http://127.0.0.1:9";
    let (code, said) = ask(&state, &["doctor", "--json", "--collector", nobody]);
    assert_eq!(code, Some(8), "{said}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    for (check, expected, remedy) in [
        ("state", "warning", "epm-agent run"),
        ("agent", "failed", "systemctl start epm-agent"),
        ("collector", "failed", "epm serve"),
        ("clock", "warning", "reachable"),
    ] {
        let (found, words) = verdict(&report, check);
        assert_eq!(found, expected, "{check}: {words}");
        assert!(words.contains(remedy), "{check}: {words}");
    }
    let (code, said) = ask(
        &state,
        &["doctor", "--collector", "https://elsewhere.example"],
    );
    assert_eq!(code, Some(8));
    assert!(said.contains("Correct --collector URL"), "{said}");
    assert!(!state.exists(), "it changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_wrong_clock_a_failing_sensor_damage_and_an_old_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "5",
            "-subj",
            "/CN=device",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .current_dir(folder.path())
        .output()
        .expect("openssl runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let peer = Peer::default();
    peer.state().clock_ahead_us = 400_000_000;
    let service = Service::start_with(
        peer,
        folder,
        &[
            "--follow-log",
            "{}/absent.log",
            "--sudo-log-server-cert",
            "{}/cert.pem",
            "--sudo-log-server-key",
            "{}/key.pem",
            "--sudo-log-server-clients",
            "{}/cert.pem",
        ],
    )
    .await;
    service.until(&["status", "--json"], |status| {
        status["agent"]["connected"] == true && status["agent"]["sensors"][0]["state"] == "failing"
    });
    let damaged = service.path("state/spool/00000000000000000001.quarantine");
    std::fs::write(damaged, "x").expect("written");
    let (code, said) = service.ask(&["doctor", "--json"]);
    assert_eq!(code, Some(8), "{said}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    for (check, expected, word) in [
        ("clock", "failed", "timedatectl"),
        ("sensor", "failed", "correct the path"),
        ("spool", "warning", "quarantine"),
        ("certificate", "warning", "Renew"),
    ] {
        let (found, words) = verdict(&report, check);
        assert_eq!(found, expected, "{check}: {words}");
        assert!(words.contains(word), "{check}: {words}");
    }
    assert!(service.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_as_they_are_spooled_also_when_they_are_delivered_at_once() {
    use std::io::{BufRead as _, BufReader};
    let service = Service::start(&["--follow-log", "{}/auth.log"]).await;
    append(&service.path("auth.log"), &line(1, "/usr/bin/before"));
    service
        .peer
        .until(|state| elevations(state).into_iter().next())
        .await;
    let mut following = Command::new(env!("CARGO_BIN_EXE_epm-agent"))
        .args(["events", "--follow", "--json", "--state"])
        .arg(service.path("state"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(following.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("a line"));
    let mut shown = Vec::new();
    // What came before it looked for the first time is left out, and nobody can see when that was: so lines are written
    // until the first is shown.
    let enough = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let log = service.path("auth.log");
        let enough = Arc::clone(&enough);
        move || {
            let mut second = 1;
            while !enough.load(Ordering::Relaxed) && second < 59 {
                second += 1;
                append(&log, &line(second, &format!("/usr/bin/tool-{second}")));
                std::thread::park_timeout(Duration::from_millis(200));
            }
        }
    });
    while shown.len() < 5 {
        let line = lines.next().expect("it goes on");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["kind"] == "elevation" {
            shown.push(event);
        }
    }
    enough.store(true, Ordering::Relaxed);
    following.kill().expect("it runs");
    following.wait().expect("it ends");
    writer.join().expect("it ends");
    let sequences: Vec<u64> = shown
        .iter()
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    assert_eq!(shown[0]["outcome"], "elevated");
    assert_eq!(shown[0]["user_name_raw"], "anna");
    assert_ne!(shown[0]["file_path"], "/usr/bin/before");
    let paths: Vec<&str> = shown
        .iter()
        .filter_map(|event| event["file_path"].as_str())
        .collect();
    let first: u32 = paths[0]
        .trim_start_matches("/usr/bin/tool-")
        .parse()
        .expect("a number");
    let expected: Vec<String> = (first..first + 5)
        .map(|n| format!("/usr/bin/tool-{n}"))
        .collect();
    assert_eq!(paths, expected, "each once, none left out");
    assert!(service.stop().0.success());
}

/// The transitions that heartbeats told of.
fn transitions(state: &State) -> Vec<(v1::LifeCycleState, v1::LifeCycleState)> {
    let of = state.bodies().into_iter().filter_map(|body| match body {
        Body::Heartbeat(beat) => beat.life_cycle,
        _ => None,
    });
    of.filter(|of| of.before() != v1::LifeCycleState::Unspecified)
        .map(|of| (of.before(), of.state()))
        .collect()
}

fn write_policies(path: &Path, version: u32, settings: &str) {
    let text = format!(
        "version: {version}\nsettings:\n  - {{id: s, name: Everybody, assignment: {{include: [all_devices]}}, {settings}}}\n"
    );
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, path).expect("renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_policies_switch_recording_off_and_on_and_each_change_is_told() {
    use v1::LifeCycleState::{Absent, Active, Disabled, Provisioning};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let policies = folder.path().join("policies.yaml");
    write_policies(&policies, 1, "enabled: true");
    let arguments = [
        "--follow-log",
        "{}/auth.log",
        "--policy",
        "{}/policies.yaml",
        "--socket",
        "{}/elevate.sock",
    ];
    let service = Service::start_in(folder, &arguments).await;
    append(&service.path("auth.log"), &line(1, "/usr/bin/seen"));
    service
        .peer
        .until(|state| elevations(state).into_iter().next())
        .await;
    assert_eq!(
        transitions(&service.peer.state()),
        [(Absent, Provisioning), (Provisioning, Active)]
    );
    write_policies(&policies, 2, "enabled: false");
    let disabled = |state: &State| (transitions(state).len() == 3).then_some(());
    service.peer.until(disabled).await;
    let status = service.until(&["status", "--json"], |status| {
        status["agent"]["life_cycle"]["state"] == "disabled"
    });
    assert_eq!(status["agent"]["reporting_scope"], "diagnostic");
    assert_eq!(status["agent"]["policy_revision"], "2");
    assert_eq!(status["agent"]["life_cycle"]["applicable"], true);
    assert!(status["agent"]["life_cycle"]["removal"].is_string());
    let (_, said) = service.ask(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(verdict(&report, "management").0, "warning", "{report:#}");
    append(&service.path("auth.log"), &line(2, "/usr/bin/unseen"));
    service.until(&["status", "--json"], |status| {
        status["agent"]["drops"]["out_of_scope"] == 1
    });
    // Also across a restart.
    let (ended, folder, peer) = service.stop();
    assert!(ended.success());
    let service = Service::start_with(peer, folder, &arguments).await;
    service.until(&["status", "--json"], |status| {
        status["agent"]["life_cycle"]["state"] == "disabled"
    });
    write_policies(&policies, 3, "enabled: true");
    let active = |state: &State| (transitions(state).len() == 4).then_some(());
    service.peer.until(active).await;
    assert_eq!(
        transitions(&service.peer.state())[2..],
        [(Active, Disabled), (Disabled, Active)]
    );
    append(&service.path("auth.log"), &line(3, "/usr/bin/seen-again"));
    let seen = service
        .peer
        .until(|state| {
            let seen = elevations(state);
            (seen.len() == 2).then_some(seen)
        })
        .await;
    let path = |of: &v1::Elevation| of.file.as_ref().expect("a file").path.clone();
    assert_eq!(
        path(&seen[1]),
        "/usr/bin/seen-again",
        "what happened meanwhile stays there"
    );
    assert!(service.stop().0.success());
}

/// The agent in a mount namespace in which sudo has these lines of sudoers.
fn with_sudoers(folder: &Path, sudoers: &str) -> Command {
    let path = folder.join("sudoers");
    std::fs::write(&path, sudoers).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o440);
    std::fs::set_permissions(&path, mode).expect("sudo's mode");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/sudoers && exec \"$@\"")
        .arg(&path)
        .arg(env!("CARGO_BIN_EXE_epm-agent"));
    command
}

/// What the last heartbeat says of the self-test.
fn self_test(state: &State) -> Option<v1::SensorHealth> {
    let mut sensors = sensors(state).into_iter();
    sensors.find(|sensor| sensor.sensor() == SensorKind::SelfTest)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_proves_that_a_run_of_sudo_reaches_the_collector() {
    if Sudo::with("").is_none() {
        return;
    }
    let address = quiet_address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let sudoers = format!("Defaults !syslog, log_servers = {address}\nroot ALL=(ALL:ALL) ALL\n");
    let command = with_sudoers(folder.path(), &sudoers);
    let arguments = ["--sudo-log-server", &address, "--self-test", "1s"];
    let service = Service::start_as(command, Peer::default(), folder, &arguments).await;
    let health = service.peer.until(self_test).await;
    assert_eq!(health.state(), SensorState::Running, "{}", health.detail);
    assert!(
        health.detail.contains("seen by sudo_log_server"),
        "{}",
        health.detail
    );
    let seen = elevations(&service.peer.state());
    let arguments = |of: &v1::Elevation| of.file.clone().expect("a file").arguments;
    assert!(
        arguments(&seen[0]).starts_with("epm-self-test-"),
        "{seen:?}"
    );
    for canary in &seen {
        assert_eq!(
            canary.account_class(),
            v1::AccountClass::Service,
            "reports hide it"
        );
    }
    assert!(service.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_server_that_sudo_does_not_tell_is_a_failing_self_test_with_its_remedy() {
    if Sudo::with("").is_none() {
        return;
    }
    let address = quiet_address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("sudo.log");
    let sudoers = format!(
        "Defaults !syslog, logfile = {}\nroot ALL=(ALL:ALL) ALL\n",
        log.display()
    );
    let command = with_sudoers(folder.path(), &sudoers);
    let arguments = [
        "--sudo-log-server",
        &address,
        "--self-test",
        "1s",
        "--follow-log",
        "{}/sudo.log",
    ];
    let service = Service::start_as(command, Peer::default(), folder, &arguments).await;
    let health = service.peer.until(self_test).await;
    assert_eq!(health.state(), SensorState::Failing, "{}", health.detail);
    let expected = "sudo_log_server did not see a run of sudo that sudo_logfile saw";
    assert!(health.detail.contains(expected), "{}", health.detail);
    let remedy = format!("`Defaults log_servers = {address}`");
    assert!(health.detail.contains(&remedy), "{}", health.detail);
    let (code, said) = service.ask(&["doctor", "--json"]);
    assert_eq!(code, Some(8), "{said}");
    assert!(service.stop().0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_the_control_plane_govern_a_running_agent_from_the_moment_they_arrive() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key.pem"), KEY_PEM).expect("written");
    let arguments = ["--policy-key", "{}/key.pem", "--socket", "{}/elevate.sock"];
    let service = Service::start_in(folder, &arguments).await;
    let check_of_policy = || {
        let (_, said) = service.ask(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&said).expect("JSON");
        let (word, reason) = verdict(&report, "policy");
        (word.to_owned(), reason)
    };
    service.until(&["status", "--json"], |status| {
        status["agent"]["policy_revision"] == "0"
    });
    let (word, reason) = check_of_policy();
    assert_eq!(word, "warning", "{reason}");
    service.peer.push_policies(sealed(7)).await;
    service.until(&["status", "--json"], |status| {
        status["agent"]["policy_revision"] == "7"
            && status["agent"]["life_cycle"]["state"] == "active"
            && status["agent"]["life_cycle"]["management_authority"] == "control_plane"
    });
    let (word, reason) = check_of_policy();
    assert_eq!(word, "ok", "{reason}");
    assert!(
        reason.contains("of the control plane: version 7"),
        "{reason}"
    );
    let (ended, ..) = service.stop();
    assert!(ended.success());
}
