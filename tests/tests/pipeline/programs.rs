//! The programs as a user runs them: where they are, and how a test starts, stops and kills them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program `name` that was built with these tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/pipeline-… → target/<profile>/<name>
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("tests lie in a target folder");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not built: run scripts/test",
        program.display()
    );
    program
}

/// A running program that is killed when the value goes.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the program starts"))
    }

    /// SIGKILL: no handler runs.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "the signal is sent");
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.0.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program did not stop in a minute");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// Runs a program that must succeed, and returns what it printed.
pub(crate) fn must(name: &str, arguments: &[&str]) -> String {
    let output = run(name, arguments);
    assert!(
        output.status.success(),
        "{name} {arguments:?} ended with {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Waits until something listens on `port`.
pub(crate) fn wait_for_port(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the running agent whose state is in `state` has nothing left to deliver.
pub(crate) fn wait_until_delivered(state: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = must("epm-agent", &["status", "--state", state, "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status).expect("status is JSON");
        if status["running"] == true && status["waiting_records"] == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "it is not delivered: {status:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
