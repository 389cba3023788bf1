//! The log server for sudo, against the sudo and the sudo_sendlog of this machine.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use epm_agent::sudo_log_server::{self, Counts, ServerError, Tls, Transport};
use epm_agent::{Agent, AgentConfig};
use epm_proto::v1::{self, record::Body};
use epm_test_components::{Sudo, quiet_address};
use prost::Message as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::peer::{Peer, State};

const CALLER: &str = Sudo::CALLER;
/// sudo 1.9.13 tells a log server of exits only where it logs input or output too.
const WITH_EXITS: &str = "Defaults log_stdin";
/// Runs of the long test; `.ci/run` asks for ten thousand.
const RUNS: &str = "EPM_SUDO_RUNS";
const DEFAULT_RUNS: usize = 200;

/// A running log server, the agent behind it and the collector behind that.
struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    agent: Arc<Agent>,
    peer: Peer,
    stop: CancellationToken,
    running: JoinHandle<Result<(), ServerError>>,
    _collector: CancellationToken,
    _state: tempfile::TempDir,
}

impl Server {
    async fn start(transport: Transport) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), transport).await
    }

    async fn at(address: SocketAddr, transport: Transport) -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let peer = Peer::default();
        let (collector, stop_collector) = peer.serve().await;
        let agent = Agent::start(AgentConfig {
            heartbeat_interval: None,
            longest_wait: Duration::from_millis(20),
            ..AgentConfig::new(state.path(), format!("http://{collector}"))
        });
        let agent = Arc::new(agent.expect("it starts"));
        let listener = TcpListener::bind(address).await.expect("it can listen");
        let address = listener.local_addr().expect("it has an address");
        let (counts, stop) = (Arc::new(Counts::default()), CancellationToken::new());
        let running = tokio::spawn(sudo_log_server::run(
            listener,
            transport,
            Arc::clone(&agent),
            Arc::clone(&counts),
            stop.clone(),
        ));
        Self {
            address,
            counts,
            agent,
            peer,
            stop,
            running,
            _collector: stop_collector,
            _state: state,
        }
    }

    /// Ends the server, and gives what the collector then has.
    async fn finish(self) -> Vec<Body> {
        self.stop.cancel();
        let ended = self.running.await.expect("it does not panic");
        ended.expect("it ends well");
        self.agent.wait_delivered().await;
        self.agent.stop().await.expect("it stops");
        self.peer.state().bodies()
    }
}

fn sudoers(server: &str, more: &str) -> String {
    format!(
        "Defaults !syslog, log_servers = {server}\n{more}\n{CALLER} ALL=(ALL) NOPASSWD: ALL, !/usr/bin/false\n"
    )
}

fn elevations(bodies: &[Body]) -> Vec<&v1::Elevation> {
    let of = bodies.iter().filter_map(|body| match body {
        Body::Elevation(elevation) => Some(elevation),
        _ => None,
    });
    of.collect()
}

fn exits(bodies: &[Body]) -> Vec<&v1::ElevationExit> {
    let of = bodies.iter().filter_map(|body| match body {
        Body::ElevationExit(exit) => Some(exit),
        _ => None,
    });
    of.collect()
}

/// The process of the sudo that told of it, as the kernel said.
fn sudo_of(seen: &v1::Elevation) -> u64 {
    seen.process
        .as_ref()
        .map_or(0, |process| process.parent_pid)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it ran")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_sudo_reports_runs_refusals_and_exits() {
    let server = Server::start(Transport::Plain).await;
    let Some(sudo) = Sudo::with(&sudoers(&server.address.to_string(), WITH_EXITS)) else {
        return;
    };
    blocking(move || {
        assert_eq!(sudo.must("sudo -n id -u").trim(), "0");
        let output = sudo.run("sudo -n sh -c 'exit 3' 'with blank'");
        assert_eq!(output.status.code(), Some(3));
        assert!(!sudo.run("sudo -n /usr/bin/false").status.success());
        sudo.must("sudo -n -u daemon true");
        assert!(!sudo.run("sudo -n sh -c 'kill -9 $$'").status.success());
    })
    .await;
    let counts = Arc::clone(&server.counts);
    let bodies = server.finish().await;
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    assert_eq!(count(&counts.accepted), 4);
    assert_eq!(count(&counts.rejected), 1);
    assert_eq!(count(&counts.exited), 4);
    assert_eq!(count(&counts.refused), 0);

    let elevations = elevations(&bodies);
    let outcomes: Vec<_> = elevations.iter().map(|seen| seen.outcome()).collect();
    use v1::Outcome::{Denied, Elevated};
    // What ran as daemon was not elevated and is not stored.
    assert_eq!(outcomes, [Elevated, Elevated, Denied, Elevated]);
    let second = elevations[1];
    let user = second.user.as_ref().expect("a user");
    assert_eq!(
        (
            user.user_name_raw.as_str(),
            user.user_id.as_str(),
            user.target_user_name.as_str()
        ),
        (CALLER, "65534", "root")
    );
    let file = second.file.as_ref().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.arguments.as_str()),
        ("/usr/bin/sh", "-c 'exit 3' 'with blank'")
    );
    assert_eq!(second.sensor(), v1::SensorKind::SudoLogServer);
    assert_eq!(second.trigger(), v1::Trigger::Sudo);
    assert_eq!(elevations[2].reason, "command not allowed");
    let processes: HashSet<u64> = elevations.iter().map(|seen| sudo_of(seen)).collect();
    assert!(processes.len() == 4 && !processes.contains(&0));

    let exits = exits(&bodies);
    let codes: Vec<_> = exits
        .iter()
        .map(|exit| (exit.result_code, exit.signal.as_str()))
        .collect();
    assert_eq!(codes[..2], [(Some(0), ""), (Some(3), "")]);
    assert_eq!(codes[2].1, "KILL");
    assert!(exits.iter().all(|exit| exit.start_key.len() == 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_a_command_starts_are_reported_too() {
    let server = Server::start(Transport::Plain).await;
    let Some(sudo) = Sudo::with(&sudoers(
        &server.address.to_string(),
        "Defaults log_subcmds",
    )) else {
        return;
    };
    // sudo ends with its command and drops what it has not told by then, so the command waits for the test, for a while.
    let told = sudo.folder().join("told");
    let script = format!(
        "sudo -n sh -c '/usr/bin/id -u; /usr/bin/uname; /usr/bin/true; \
         while [ ! -e {} ] && [ $((turns += 1)) -lt 20000000 ]; do :; done'",
        told.display()
    );
    let running = tokio::spawn(blocking(move || sudo.must(&script)));
    let all = |state: &State| (elevations(&state.bodies()).len() >= 4).then_some(());
    server.peer.until(all).await;
    fs::write(told, "").expect("it can be written");
    running.await.expect("it ran");
    let bodies = server.finish().await;
    let paths: Vec<_> = elevations(&bodies)
        .iter()
        .map(|seen| seen.file.as_ref().expect("a file").path.clone())
        .collect();
    // The other commands are not what sudo was asked for.
    let asked = elevations(&bodies)
        .iter()
        .map(|seen| sudo_of(seen) != 0)
        .collect::<Vec<_>>();
    assert_eq!(asked, [true, false, false, false]);
    assert_eq!(
        paths,
        [
            "/usr/bin/sh",
            "/usr/bin/id",
            "/usr/bin/uname",
            "/usr/bin/true"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn input_and_output_are_acknowledged_and_not_kept() {
    let server = Server::start(Transport::Plain).await;
    let Some(sudo) = Sudo::with(&sudoers(
        &server.address.to_string(),
        "Defaults log_output, log_input",
    )) else {
        return;
    };
    let said = blocking(move || {
        sudo.must("echo MY-SECRET | sudo -n sh -c 'cat; head -c 3000000 /dev/zero | tr \"\\0\" x; sleep 1.2; echo done'")
    })
    .await;
    assert!(said.ends_with("done\n") && said.contains("MY-SECRET"));
    let raw: Vec<Vec<u8>> = {
        server.agent.wait_delivered().await;
        let state = server.peer.state();
        state.records.values().map(|bytes| bytes.to_vec()).collect()
    };
    let bodies = server.finish().await;
    assert_eq!((elevations(&bodies).len(), exits(&bodies).len()), (1, 1));
    let holds_secret = |bytes: &Vec<u8>| bytes.windows(9).any(|part| part == b"MY-SECRET");
    assert!(!raw.iter().any(holds_secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_sent_twice_gives_the_same_records() {
    let server = Server::start(Transport::Plain).await;
    // This sudo only writes I/O logs to the disk; sudo_sendlog sends one later.
    let Some(sudo) = Sudo::with("") else {
        return;
    };
    let logs = sudo.folder().join("io");
    let text = format!(
        "Defaults !syslog, log_output, iolog_dir={}\n{CALLER} ALL=(ALL) NOPASSWD: ALL\n",
        logs.display()
    );
    let sudo = Sudo::with(&text).expect("it was usable");
    let address = server.address;
    blocking(move || {
        assert!(
            !sudo
                .run("sudo -n sh -c 'echo hello; exit 5'")
                .status
                .success()
        );
        for _ in 0..2 {
            let sent = Command::new("/usr/sbin/sudo_sendlog")
                .args(["-h", "127.0.0.1", "-p", &address.port().to_string()])
                .arg(logs.join("00/00/01"))
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&sent.stderr).into_owned();
            assert!(sent.status.success(), "{said}");
        }
    })
    .await;
    server.agent.wait_delivered().await;
    let keys: Vec<Vec<u8>> = {
        let state = server.peer.state();
        let records = state.records.values();
        records
            .map(|bytes| v1::Record::decode(bytes.clone()).expect("a record"))
            .map(|record| record.source_event_key)
            .collect()
    };
    let bodies = server.finish().await;
    assert_eq!(elevations(&bodies).len(), 2);
    assert!(elevations(&bodies).iter().all(|seen| sudo_of(seen) == 0));
    assert_eq!(bodies[..bodies.len() / 2], bodies[bodies.len() / 2..]);
    assert_eq!(keys[..keys.len() / 2], keys[keys.len() / 2..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_sudo_behaves_as_it_is_configured() {
    let server = Server::at(quiet_address(), Transport::Plain).await;
    let address = server.address;
    let strict = sudoers(&address.to_string(), "Defaults !ignore_logfile_errors");
    let lenient = sudoers(&address.to_string(), "Defaults ignore_logfile_errors");
    let (Some(strict), Some(lenient)) = (Sudo::with(&strict), Sudo::with(&lenient)) else {
        return;
    };
    let (strict, lenient) = (Arc::new(strict), Arc::new(lenient));
    let both = (Arc::clone(&strict), Arc::clone(&lenient));
    let (before, _) =
        blocking(move || (both.0.must("sudo -n id -u"), both.1.must("sudo -n id -u"))).await;
    assert_eq!(before.trim(), "0");
    assert_eq!(elevations(&server.finish().await).len(), 2);
    let both = (Arc::clone(&strict), Arc::clone(&lenient));
    blocking(move || {
        assert!(
            !both.0.run("sudo -n id -u").status.success(),
            "no record, no run"
        );
        assert_eq!(both.1.must("sudo -n id -u").trim(), "0", "as configured");
    })
    .await;
    let server = Server::at(address, Transport::Plain).await;
    blocking(move || (strict.must("sudo -n true"), lenient.must("sudo -n true"))).await;
    let bodies = server.finish().await;
    assert_eq!(
        elevations(&bodies).len(),
        2,
        "nothing missing or double after the restart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_many_runs_is_reported_once() {
    let runs: usize = std::env::var(RUNS).map_or(DEFAULT_RUNS, |runs| {
        runs.parse().expect("EPM_SUDO_RUNS is a number")
    });
    let server = Server::start(Transport::Plain).await;
    let Some(sudo) = Sudo::with(&sudoers(&server.address.to_string(), WITH_EXITS)) else {
        return;
    };
    let began = Instant::now();
    // Two at a time, so that connections overlap.
    let half = format!(
        "i=0; while [ $i -lt {} ]; do sudo -n /usr/bin/true $1 $i || exit 1; i=$((i+1)); done",
        runs / 2
    );
    let script = format!("run() {{ {half}; }}; run a & run b || exit 1; wait $!");
    blocking(move || sudo.must(&script)).await;
    let wall = began.elapsed();
    let bodies = server.finish().await;
    let mut arguments: Vec<_> = elevations(&bodies)
        .iter()
        .map(|seen| seen.file.as_ref().expect("a file").arguments.clone())
        .collect();
    assert_eq!(arguments.len(), runs / 2 * 2);
    arguments.sort();
    arguments.dedup();
    assert_eq!(arguments.len(), runs / 2 * 2, "each once");
    assert_eq!(exits(&bodies).len(), runs / 2 * 2);
    let _ = writeln!(
        std::io::stderr(),
        "{runs} runs of sudo in {wall:.1?}, each reported with its exit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_root_of_this_device_may_tell_what_sudo_did() {
    let server = Server::start(Transport::Plain).await;
    if Sudo::with("").is_none() {
        return;
    }
    let port = server.address.port();
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 | wc -c");
    let said = blocking(move || {
        Command::new("setpriv")
            .args([
                "--reuid=nobody",
                "--regid=nogroup",
                "--clear-groups",
                "bash",
                "-c",
                &script,
            ])
            .output()
            .expect("it runs")
    })
    .await;
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        "0",
        "not even a hello"
    );
    assert_eq!(server.counts.refused.load(Ordering::Relaxed), 1);
    let address = server.address;
    let hello = blocking(move || {
        let mut root = TcpStream::connect(address).expect("it connects");
        let mut length = [0; 4];
        root.read_exact(&mut length).expect("a hello comes");
        u32::from_be_bytes(length)
    })
    .await;
    assert!(hello > 0);
    assert!(server.finish().await.is_empty());
}

#[tokio::test]
async fn plain_text_is_not_taken_from_other_devices() {
    let state = tempfile::tempdir().expect("a folder");
    let agent = Agent::start(AgentConfig::new(state.path(), "http://127.0.0.1:9"));
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("it can listen");
    let refused = sudo_log_server::run(
        listener,
        Transport::Plain,
        Arc::new(agent.expect("it starts")),
        Arc::new(Counts::default()),
        CancellationToken::new(),
    )
    .await;
    assert!(matches!(refused, Err(ServerError::PlainBeyondLoopback(_))));
}

/// Makes an authority, a server's certificate for 127.0.0.1 and a client's with the openssl of this machine.
fn certificates(folder: &Path) -> bool {
    let script = r#"
        set -e; cd "$1"
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"; }
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority -keyout authority.key -out authority.pem
        for name in server client; do
            new "$name"
            printf 'subjectAltName=IP:127.0.0.1\n' > extensions
            openssl x509 -req -in "$name.csr" -CA authority.pem -CAkey authority.key -CAcreateserial -extfile extensions -out "$name.pem"
        done
        chmod 644 ./*
    "#;
    let made = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder)
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|made| made.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_a_client_with_a_certificate_is_heard() {
    let Some(keys) = Sudo::with("") else {
        return;
    };
    let folder = keys.folder();
    assert!(certificates(folder), "openssl makes certificates");
    let tls = Tls::read(
        &folder.join("server.pem"),
        &folder.join("server.key"),
        &folder.join("authority.pem"),
    );
    let server = Server::start(Transport::Tls(tls.expect("they fit"))).await;
    // Debian's sudo is built without TLS: openssl is the client, and says what sudo would.
    let port = server.address.port();
    let conversation = folder.join("conversation");
    fs::write(&conversation, self::conversation().concat()).expect("it can be written");
    let client = |certificate: &str| {
        let script = format!(
            "(cat conversation; sleep 1) | openssl s_client -connect 127.0.0.1:{port} -CAfile authority.pem \
             -verify_return_error {certificate} -quiet -ign_eof"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder)
            .output();
        String::from_utf8_lossy(&output.expect("it runs").stdout).into_owned()
    };
    let (with, without) =
        tokio::task::block_in_place(|| (client("-cert client.pem -key client.key"), client("")));
    assert!(with.contains("epm1/"), "{with:?}");
    assert!(
        !without.contains("epm-agent"),
        "not even a hello: {without:?}"
    );
    assert_eq!(server.counts.refused.load(Ordering::Relaxed), 1);
    let bodies = server.finish().await;
    assert_eq!((elevations(&bodies).len(), exits(&bodies).len()), (1, 1));
}

/// A field of protobuf that has bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encode_length_delimiter(bytes.len(), &mut field).expect("there is room");
    field.extend_from_slice(bytes);
    field
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// A whole conversation of a client: hello, an accept that announces input and output, some of it, and the exit.
fn conversation() -> Vec<Vec<u8>> {
    let info = |key: &str, value: Vec<u8>| field(2, &[field(1, key.as_bytes()), value].concat());
    let accept = [
        field(1, &[0x08, 0x80, 0x8c, 0xa3, 0xd0, 0x06]),
        info("command", field(3, b"/usr/bin/id")),
        info("submituser", field(3, b"anna")),
        info("submithost", field(3, b"host")),
        info("runuser", field(3, b"root")),
        info(
            "runargv",
            field(4, &[field(1, b"id"), field(1, b"-u")].concat()),
        ),
        vec![0x18, 1],
    ]
    .concat();
    let output = [field(1, &[0x08, 2]), field(2, b"uid=0")].concat();
    vec![
        framed(&field(13, &field(1, b"a test"))),
        framed(&field(1, &accept)),
        framed(&field(9, &output)),
        framed(&field(3, &[field(1, &[0x08, 3]), vec![0x10, 7]].concat())),
    ]
}

fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it connects");
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).expect("a limit");
    // A server that has heard enough closes.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn changed(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut messages = conversation();
    match rng.random_range(0..4) {
        0 => {
            let at = rng.random_range(0..messages.len());
            messages.swap(0, at);
        }
        1 => messages.truncate(rng.random_range(0..messages.len())),
        _ => {}
    }
    let mut bytes = messages.concat();
    for _ in 0..rng.random_range(0..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..4) {
            0 => bytes[at] = rng.next_u32() as u8,
            1 => drop(bytes.drain(at..(at + rng.random_range(1..9)).min(bytes.len()))),
            2 => bytes.insert(at, rng.next_u32() as u8),
            _ => bytes[at] ^= 1 << rng.random_range(0..8),
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_client_sends_the_server_goes_on() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let seconds =
        std::env::var("EPM_FUZZ_SECONDS").map_or(2, |text| text.parse().expect("a number"));
    let seed = std::env::var("EPM_FUZZ_SEED").map_or(0, |text| text.parse().expect("a number"));
    let server = Server::start(Transport::Plain).await;
    let address = server.address;
    let inputs = blocking(move || {
        let whole = say(address, &conversation().concat());
        let log_id = whole.windows(5).any(|part| part == b"epm1/");
        assert!(log_id, "a whole conversation is answered: {whole:?}");
        let too_large = say(address, &u32::MAX.to_be_bytes());
        assert!(too_large.windows(5).any(|part| part == b"2 MiB"));
        let began = Instant::now();
        let mut inputs = 0;
        while began.elapsed() < Duration::from_secs(seconds) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed + inputs);
            say(address, &changed(&mut rng));
            inputs += 1;
        }
        let still = say(address, &conversation().concat());
        assert!(
            still.windows(5).any(|part| part == b"epm1/"),
            "after {inputs} inputs"
        );
        inputs
    })
    .await;
    let bodies = server.finish().await;
    assert!(elevations(&bodies).len() >= 2);
    let _ = writeln!(
        std::io::stderr(),
        "fuzzed sudo's log server: {inputs} connections"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_over_a_second_connection() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let server = Server::start(Transport::Plain).await;
    let address = server.address;
    blocking(move || {
        let messages = conversation();
        let answer = say(address, &messages[..2].concat());
        let at = answer
            .windows(5)
            .position(|part| part == b"epm1/")
            .expect("a log id");
        let log_id = &answer[at..];
        let restart = [field(1, log_id), field(2, &[0x08, 1])].concat();
        let rest = [
            framed(&field(4, &restart)),
            messages[2].clone(),
            messages[3].clone(),
        ]
        .concat();
        say(address, &rest);
        let foreign = framed(&field(4, &field(1, b"/var/log/sudo-io/00/00/01")));
        let refused = say(address, &foreign);
        assert!(refused.windows(14).any(|part| part == b"not of this lo"));
    })
    .await;
    let bodies = server.finish().await;
    let (elevations, exits) = (elevations(&bodies), exits(&bodies));
    assert_eq!((elevations.len(), exits.len()), (1, 1));
    assert_eq!(exits[0].result_code, Some(7));
    assert_eq!(exits[0].duration_ms, Some(3_000));
}

#[test]
fn certificates_that_cannot_be_used_are_told_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent.pem");
    let error = Tls::read(&absent, &absent, &absent).expect_err("there is none");
    assert!(error.to_string().contains("absent.pem"), "{error}");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").expect("it can be written");
    let error = Tls::read(&empty, &empty, &empty).expect_err("nothing is in it");
    assert!(error.to_string().contains("certificate"), "{error}");
}
