//! `epm-agent run` as a service runs it: a process with its sensors, from its start to SIGTERM.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use epm_proto::v1::{self, SensorKind, SensorState, record::Body};
use tokio_util::sync::CancellationToken;

use crate::peer::{Peer, State};

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
        let peer = Peer::default();
        let (collector, stop) = peer.serve().await;
        let place = folder.path().to_str().expect("text");
        let arguments = arguments.iter().map(|text| text.replace("{}", place));
        let mut command = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EPM_")) {
            command.env_remove(name);
        }
        let process = command
            .args(["run", "--collector", &format!("http://{collector}")])
            .args(["--sudo-log-server", "off", "--state"])
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

    /// Asks it to stop, and waits for it.
    fn stop(mut self) -> (ExitStatus, tempfile::TempDir, Peer) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        told.expect("it runs");
        let ended = self.process.wait().expect("it ends");
        (ended, self.folder, self.peer)
    }
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
    let logs = ["--follow", "{}/auth.log", "--follow", "{}/incoming"];
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
    let service = Service::start(&["--follow", "{}/auth.log"]).await;
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
