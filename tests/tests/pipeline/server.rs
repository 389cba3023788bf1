//! `epm serve` and `epm demo` as processes: what they refuse, how they end, and that nothing acknowledged is lost.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use epm_agent::sources::simulated::Fleet;
use epm_agent::{Agent, AgentConfig};
use epm_proto::v1::record::Body;

use crate::programs::{Running, must, program, run};

/// 2026-01-05, a Monday, where a simulated fleet begins.
const START_US: i64 = 1_767_571_200_000_000;
const DAY_US: i64 = 86_400_000_000;

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// `epm` with its output to read, and temporary files in a folder of the test's.
fn started(arguments: &[&str], temporary: &Path) -> (Running, BufReader<ChildStdout>) {
    let mut child = Command::new(program("epm"))
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let stdout = child.stdout.take().expect("its output");
    (Running(child), BufReader::new(stdout))
}

/// What it prints up to the line that holds `words`.
fn until(stdout: &mut impl BufRead, words: &str) -> String {
    let mut said = String::new();
    while !said.contains(words) {
        let read = stdout.read_line(&mut said).expect("text");
        assert!(read > 0, "it ended before it said {words:?}: {said}");
    }
    said
}

/// A server that takes records.
struct Server {
    running: Running,
    // Kept open, as a terminal would be.
    _stdout: BufReader<ChildStdout>,
    agents: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let arguments = serve(text(data), "127.0.0.1:0", "127.0.0.1:0");
        let (running, mut stdout) = started(&arguments, data.parent().expect("a parent"));
        let said = until(&mut stdout, "data ");
        let line = said.lines().find(|line| line.starts_with("agents"));
        let address = line.and_then(|line| line.split_whitespace().last());
        Self {
            running,
            _stdout: stdout,
            agents: address.expect("an address for agents").to_owned(),
        }
    }

    /// Delivers what one device records in `days` days; says how many elevations that was.
    fn deliver(&self, state: &Path, device: usize, days: i64) -> usize {
        let observations: Vec<_> = Fleet::new(7, device + 1)
            .history(device, START_US, START_US + days * DAY_US)
            .collect();
        let is_elevation = |body: &Body| matches!(body, Body::Elevation(_));
        let elevations = observations
            .iter()
            .filter(|seen| is_elevation(&seen.body))
            .count();
        assert!(elevations > 0, "the device records something");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let config = AgentConfig::new(state, self.agents.as_str());
            let agent = Agent::start(config).expect("the agent starts");
            agent.observe(observations).await.expect("it records");
            agent.wait_delivered().await;
            agent.stop().await.expect("it stops");
        });
        elevations
    }
}

fn serve<'a>(data: &'a str, http: &'a str, grpc: &'a str) -> [&'a str; 7] {
    ["serve", "--data", data, "--http", http, "--grpc", grpc]
}

/// Rows of the report `elevations`.
fn stored(data: &Path) -> usize {
    let arguments = [
        "report",
        "elevations",
        "--data",
        text(data),
        "--format",
        "ndjson",
    ];
    must("epm", &arguments).lines().count()
}

fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = run("epm", arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} should say {word:?}: {said}"
        );
    }
}

#[test]
fn what_an_agent_delivered_is_stored_when_the_server_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let elevations = server.deliver(&folder.path().join("agent"), 0, 5);
    assert_eq!(server.running.terminate(), Some(0));
    assert_eq!(stored(&data), elevations);
    let said = must("epm", &["verify", "--data", text(&data)]);
    assert!(said.contains("0 are broken"), "{said}");
    must("epm", &["rebuild", "--data", text(&data)]);
    assert_eq!(stored(&data), elevations);
}

#[test]
fn a_server_that_is_killed_has_everything_when_it_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut elevations = 0;
    for device in 0..3 {
        let mut server = Server::start(&data);
        let state = folder.path().join(format!("agent-{device}"));
        elevations += server.deliver(&state, device, 5);
        server.running.kill();
    }
    assert_eq!(Server::start(&data).running.terminate(), Some(0));
    assert_eq!(stored(&data), elevations);
}

#[test]
fn a_second_server_on_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let server = Server::start(&path);
    let data = text(&path);
    let in_use = "another server uses this folder";
    refused(
        &serve(data, "127.0.0.1:0", "127.0.0.1:0"),
        3,
        &[data, in_use],
    );
    refused(&["verify", "--data", data], 3, &[data]);
    refused(&["rebuild", "--data", data], 3, &[data]);
    let (log, tables) = (format!("{data}/log"), format!("{data}/tables"));
    refused(
        &["collector", "--log", &log, "--grpc", "127.0.0.1:0"],
        3,
        &[&log],
    );
    refused(
        &["processor", "--log", &log, "--tables", &tables],
        3,
        &[&tables],
    );
    assert_eq!(server.running.terminate(), Some(0));
}

#[test]
fn an_address_in_use_names_the_flag_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = text(folder.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = |flag| [flag, address.as_str(), "another port"];
    refused(&serve(data, &address, "127.0.0.1:0"), 4, &words("--http"));
    refused(&serve(data, "127.0.0.1:0", &address), 4, &words("--grpc"));
    refused(
        &serve(data, "0.0.0.0:0", "127.0.0.1:0"),
        4,
        &["--http", "TLS"],
    );
}

#[test]
fn a_folder_or_question_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, file) = (text(folder.path()), folder.path().join("file"));
    std::fs::write(&file, b"not a folder").unwrap();
    refused(
        &["serve", "--data", empty, "--colour", "blue"],
        2,
        &["--colour"],
    );
    refused(
        &["serve", "--data", text(&file)],
        5,
        &["--data", text(&file)],
    );
    refused(&["verify", "--data", empty], 5, &[empty, "no event log"]);
    refused(
        &["report", "by-user", "--data", empty],
        5,
        &[empty, "no tables"],
    );
    std::fs::create_dir(folder.path().join("tables")).unwrap();
    refused(
        &["report", "by-colour", "--data", empty],
        2,
        &["by-colour", "by-user"],
    );
    let soon = ["report", "by-user", "--data", empty, "--since", "soon"];
    refused(&soon, 2, &["since", "soon", "RFC 3339"]);
}

#[test]
fn tables_of_another_log_fail_the_verification_and_are_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let server = Server::start(&data);
    let elevations = server.deliver(&folder.path().join("agent-0"), 0, 3);
    assert_eq!(server.running.terminate(), Some(0));
    let server = Server::start(&other);
    server.deliver(&folder.path().join("agent-1"), 1, 3);
    assert_eq!(server.running.terminate(), Some(0));
    std::fs::remove_dir_all(data.join("tables")).unwrap();
    std::fs::rename(other.join("tables"), data.join("tables")).unwrap();
    refused(&["verify", "--data", text(&data)], 6, &["epm rebuild"]);
    must("epm", &["rebuild", "--data", text(&data)]);
    assert_eq!(stored(&data), elevations);
}

#[test]
fn the_demo_shows_a_report_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "demo",
        "--devices",
        "6",
        "--days",
        "3",
        "--http",
        "127.0.0.1:0",
    ];
    let (running, mut stdout) = started(&arguments, folder.path());
    let said = until(&mut stdout, "first report");
    assert!(said.contains("console  http://127.0.0.1:"), "{said}");
    let is_count = |word: &str| {
        word.replace(',', "")
            .parse::<u64>()
            .is_ok_and(|count| count > 0)
    };
    let rows = said
        .lines()
        .filter(|line| {
            line.split_whitespace()
                .filter(|word| is_count(word))
                .count()
                >= 2
        })
        .count();
    assert!(rows >= 3, "a report with numbers: {said}");
    assert_eq!(running.terminate(), Some(0));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("0 are missing"), "{rest}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_ends_well_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "demo",
        "--devices",
        "2",
        "--days",
        "1",
        "--http",
        "127.0.0.1:0",
    ];
    let (running, mut stdout) = started(&arguments, folder.path());
    until(&mut stdout, "first report");
    // It has more to say at its end.
    drop(stdout);
    assert_eq!(running.terminate(), Some(0));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
