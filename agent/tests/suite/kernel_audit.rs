//! The sensor of the kernel's audit records, with the kernel and the sudo of this machine. Records are switched on for a
//! test and off again; no rule is changed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use epm_agent::kernel_audit::{self, Counts};
use epm_agent::platform::linux::audit::AuditSocket;
use epm_agent::{Agent, AgentConfig};
use epm_proto::v1::{self, SensorKind, record::Body};
use epm_test_components::Sudo;
use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use tokio_util::sync::CancellationToken;

use crate::components::present;
use crate::peer::{Peer, State};

const AUDIT_GET: u16 = 1000;
const AUDIT_SET: u16 = 1001;
/// A message of a program's own, which tells nothing of an elevation.
const AUDIT_USER: u16 = 1005;
/// `NLM_F_REQUEST`, and with `NLM_F_ACK`.
const ASK: u16 = 1;
const ORDER: u16 = 5;
const STATUS_BYTES: usize = 44;
const HEADER_BYTES: usize = 16;
const RUNS: usize = 20;

/// The kernel's audit, switched on until this is dropped.
struct SwitchedOn {
    control: OwnedFd,
    was: u32,
}

impl SwitchedOn {
    fn new() -> Result<Self, String> {
        let failed =
            |error: io::Error| format!("the kernel's audit cannot be switched on: {error}");
        // One test at a time decides whether it is on.
        let control = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(AUDIT),
        )
        .map_err(|error| failed(error.into()))?;
        let mut on = Self { control, was: 0 };
        on.send(AUDIT_GET, ASK, &[]).map_err(failed)?;
        let status = on.answer().map_err(failed)?;
        let enabled = status.get(4..8).and_then(|bytes| bytes.try_into().ok());
        on.was = enabled.map_or(0, u32::from_ne_bytes);
        on.set(1).map_err(failed)?;
        Ok(on)
    }

    fn set(&self, enabled: u32) -> io::Result<()> {
        let mut status = [0; STATUS_BYTES];
        // The mask says that only `enabled` is meant.
        status[..4].copy_from_slice(&1u32.to_ne_bytes());
        status[4..8].copy_from_slice(&enabled.to_ne_bytes());
        self.order(AUDIT_SET, &status)
    }

    /// Sends what the kernel has to confirm.
    fn order(&self, kind: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, ORDER, body)?;
        let answer = self.answer()?;
        let code = answer.get(..4).and_then(|bytes| bytes.try_into().ok());
        match code.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(-code)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        let kernel = SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.control, &message, SendFlags::empty(), &kernel)?;
        Ok(())
    }

    /// The body of the next message.
    fn answer(&self) -> io::Result<Vec<u8>> {
        let mut answer = [0; 4096];
        let (length, _) = rustix::net::recv(&self.control, &mut answer[..], RecvFlags::empty())?;
        Ok(answer
            .get(HEADER_BYTES..length)
            .unwrap_or_default()
            .to_vec())
    }
}

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        let _ = self.set(self.was);
    }
}

/// A sensor, the agent behind it and the collector behind that.
struct Sensor {
    counts: Arc<Counts>,
    agent: Arc<Agent>,
    peer: Peer,
    socket: Option<AuditSocket>,
    stop: CancellationToken,
    _collector: CancellationToken,
    _state: tempfile::TempDir,
}

impl Sensor {
    /// Joined to the kernel, and not reading yet.
    async fn joined() -> Result<Self, String> {
        let socket = AuditSocket::join();
        let socket = socket.map_err(|error| format!("audit records may not be read: {error}"))?;
        let state = tempfile::tempdir().expect("a folder");
        let peer = Peer::default();
        let (collector, stop_collector) = peer.serve().await;
        let agent = Agent::start(AgentConfig {
            heartbeat_interval: None,
            longest_wait: Duration::from_millis(20),
            ..AgentConfig::new(state.path(), format!("http://{collector}"))
        });
        Ok(Self {
            counts: Arc::default(),
            agent: Arc::new(agent.expect("it starts")),
            peer,
            socket: Some(socket),
            stop: CancellationToken::new(),
            _collector: stop_collector,
            _state: state,
        })
    }

    fn read(&mut self) -> tokio::task::JoinHandle<Result<(), kernel_audit::AuditError>> {
        let socket = self.socket.take().expect("it reads once");
        let (agent, counts) = (Arc::clone(&self.agent), Arc::clone(&self.counts));
        let stop = self.stop.clone();
        tokio::spawn(async move { kernel_audit::run(socket, "here", agent, counts, stop).await })
    }
}

/// One test at a time says whether the kernel's audit is on.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What USER_CMD told of the runs of `mark`, by their arguments, and how often.
fn asked_for(bodies: &[Body], mark: &str) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for body in bodies {
        let Body::Elevation(seen) = body else {
            continue;
        };
        let arguments = seen.file.as_ref().map_or("", |file| &*file.arguments);
        if seen.sensor() == SensorKind::AuditUserCmd && arguments.starts_with(mark) {
            assert_eq!(seen.outcome(), v1::Outcome::Elevated);
            assert_eq!(seen.trigger(), v1::Trigger::Sudo);
            let device = seen.device.as_ref().expect("a device");
            assert_eq!(device.device_name, "here");
            assert!(
                seen.process
                    .as_ref()
                    .is_some_and(|process| process.parent_pid > 1)
            );
            *asked.entry(arguments.to_owned()).or_default() += 1;
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_tells_of_a_run_of_sudo_is_recorded_once() {
    let _lock = ONE_AT_A_TIME.lock().await;
    let sudoers = format!(
        "Defaults !syslog\n{} ALL=(ALL) NOPASSWD: ALL\n",
        Sudo::CALLER
    );
    let Some(sudo) = Sudo::with(&sudoers) else {
        return;
    };
    let joined = match SwitchedOn::new() {
        Ok(on) => Sensor::joined().await.map(|sensor| (on, sensor)),
        Err(why) => Err(why),
    };
    let Some((on, mut sensor)) = present(joined) else {
        return;
    };
    let reading = sensor.read();
    let mark = format!("epm-audit-{}", std::process::id());
    let script = format!(
        "i=0; while [ $i -lt {RUNS} ]; do sudo -n /usr/bin/true {mark} $i || exit 1; i=$((i+1)); done"
    );
    let ran = tokio::task::spawn_blocking(move || sudo.must(&script));
    ran.await.expect("it ran");
    let expected: BTreeMap<String, usize> =
        (0..RUNS).map(|run| (format!("{mark} {run}"), 1)).collect();
    let all = |state: &State| {
        let asked = asked_for(&state.bodies(), &mark);
        (asked.len() >= RUNS).then_some(asked)
    };
    assert_eq!(sensor.peer.until(all).await, expected);
    drop(on);
    sensor.stop.cancel();
    reading
        .await
        .expect("it does not panic")
        .expect("it ends well");
    sensor.agent.wait_delivered().await;
    assert_eq!(asked_for(&sensor.peer.state().bodies(), &mark), expected);
    sensor.agent.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_the_kernel_had_no_room_for_are_a_loss_that_is_recorded() {
    let _lock = ONE_AT_A_TIME.lock().await;
    let joined = match SwitchedOn::new() {
        Ok(on) => Sensor::joined().await.map(|sensor| (on, sensor)),
        Err(why) => Err(why),
    };
    let Some((on, mut sensor)) = present(joined) else {
        return;
    };
    // More than the queue holds, while nobody reads.
    let text = [&b"op=epm-test text="[..], &[b'x'; 8000]].concat();
    let flooded = tokio::task::spawn_blocking(move || {
        for _ in 0..4_000 {
            on.order(AUDIT_USER, &text).expect("root may send it");
        }
    });
    flooded.await.expect("it floods");
    let reading = sensor.read();
    let loss = |state: &State| {
        state.bodies().into_iter().find_map(|body| match body {
            Body::Loss(loss) => Some(loss),
            _ => None,
        })
    };
    let loss = sensor.peer.until(loss).await;
    assert_eq!(loss.reason(), v1::LossReason::SourceUnreadable);
    assert!(loss.detail.contains("audit records"), "{}", loss.detail);
    assert!(loss.counts[0].records >= 1);
    let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
    assert!(count(&sensor.counts.overruns) >= 1);
    let _ = writeln!(
        io::stderr(),
        "{} audit records of 4000 were read, the kernel told of a loss {} times",
        count(&sensor.counts.records),
        count(&sensor.counts.overruns)
    );
    sensor.stop.cancel();
    reading
        .await
        .expect("it does not panic")
        .expect("it ends well");
    sensor.agent.stop().await.expect("it stops");
}
