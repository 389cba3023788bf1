//! The kernel's audit records, live: programs that started with root's rights on behalf of somebody who logged in, and
//! what sudo was asked for, without an audit daemon and beside one.
//!
//! What the kernel records is for the administrator's rules to say. A record is read as one of `audit.log` is. It must
//! not change these rules, and must not hide that records were lost.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use epm_proto::ids::SourceKey;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;

use crate::clock::now_us;
use crate::platform::linux::audit::{AuditSocket, MAX_MESSAGE_BYTES, Received};
use crate::source::{Observation, Reading, Readings};
use crate::sources::audit::Audit;
use crate::{Agent, AgentError};

/// `struct nlmsghdr`: length, type, flags, sequence and sender.
const HEADER_BYTES: usize = 16;
/// Messages that are read before what they said becomes durable together.
const BATCH: usize = 1_024;
/// After so long without a record, what is held for others of its event is whole.
const SETTLE_AFTER: Duration = Duration::from_millis(500);

/// What came in since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Audit records, whatever they tell.
    pub records: AtomicU64,
    /// Elevations and refusals among what they tell.
    pub elevations: AtomicU64,
    /// Messages that are no audit record.
    pub unreadable: AtomicU64,
    /// How often records were lost because they came faster than they became durable.
    pub overruns: AtomicU64,
}

/// Why a sensor ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Try again: the socket broke.
    #[error("the kernel's audit records cannot be read")]
    Socket(#[source] io::Error),
    /// Stop: the agent records nothing more.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Reads messages of the kernel's.
#[derive(Debug)]
pub struct Reader {
    audit: Audit,
    host: String,
    found: Found,
}

/// What was read and is not recorded yet.
#[derive(Debug, Default)]
struct Found {
    observations: Vec<Observation>,
    elevations: u64,
    unreadable: u64,
}

impl Reader {
    /// A reader of the records of this device, which is called `host`.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            audit: Audit::default(),
            host: host.to_owned(),
            found: Found::default(),
        }
    }

    /// Reads one message; false where it is none. What it says may wait for the other records of its event.
    pub fn message(&mut self, bytes: &[u8]) -> bool {
        let Some((kind, text)) = parse(bytes) else {
            return false;
        };
        // As a system log has it where no audit daemon listens.
        let line = [format!("type={kind} msg=").as_bytes(), text].concat();
        let before = self.found.unreadable;
        let _ = self.audit.record(&self.host, &line, &mut self.found);
        self.found.unreadable == before
    }

    /// Nothing more came for a while: what is held is whole.
    pub fn settle(&mut self) {
        let _ = self.audit.settle(&mut self.found);
    }

    /// What was found since the last time: what to record, and how many elevations and refusals it tells of.
    pub fn take(&mut self) -> (Vec<Observation>, u64) {
        let found = std::mem::take(&mut self.found);
        (found.observations, found.elevations)
    }
}

impl Readings for Found {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        self.elevations += u64::from(reading.observation.is_some());
        self.observations.extend(reading.observation);
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, _detail: &str) -> ControlFlow<()> {
        self.unreadable += 1;
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, _reason: &'static str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The type and the text of a message.
fn parse(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let header = bytes.get(..HEADER_BYTES)?;
    let length = u32::from_ne_bytes(header[..4].try_into().ok()?);
    let kind = u16::from_ne_bytes(header[4..6].try_into().ok()?);
    let text = bytes.get(HEADER_BYTES..usize::try_from(length).ok()?)?;
    let end = text.iter().rposition(|byte| *byte != 0 && *byte != b'\n');
    Some((kind, &text[..end.map_or(0, |end| end + 1)]))
}

/// Reads `socket` and records through `agent` until `stop`. While what came becomes durable, more waits in the kernel;
/// what has no room there is lost, which is recorded as such.
///
/// # Errors
///
/// Where the socket breaks or the agent ends before.
pub async fn run(
    socket: AuditSocket,
    host: &str,
    agent: Arc<Agent>,
    counts: Arc<Counts>,
    stop: CancellationToken,
) -> Result<(), AuditError> {
    #[expect(
        deprecated,
        reason = "unsound only for types that change their descriptor; this one does not"
    )]
    let socket = AsyncFd::new(socket).map_err(AuditError::Socket)?;
    let mut reader = Reader::new(host);
    let mut buffer = Box::new([0; MAX_MESSAGE_BYTES]);
    let mut may_hold = false;
    loop {
        tokio::select! {
            biased;
            ready = socket.readable() => {
                let mut ready = ready.map_err(AuditError::Socket)?;
                let batch = read_batch(socket.get_ref(), &mut buffer, &mut reader, &counts);
                let (is_empty, overruns) = batch.map_err(AuditError::Socket)?;
                if is_empty {
                    ready.clear_ready();
                }
                record(&mut reader, overruns, &agent, &counts).await?;
                may_hold = true;
                if !stop.is_cancelled() {
                    continue;
                }
            }
            () = tokio::time::sleep(SETTLE_AFTER), if may_hold => {}
            () = stop.cancelled() => {}
        }
        reader.settle();
        may_hold = false;
        record(&mut reader, 0, &agent, &counts).await?;
        if stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// Reads until nothing more is there, or enough; says whether the socket is empty and how often it was too full.
fn read_batch(
    socket: &AuditSocket,
    buffer: &mut [u8; MAX_MESSAGE_BYTES],
    reader: &mut Reader,
    counts: &Counts,
) -> io::Result<(bool, u64)> {
    let mut overruns = 0;
    for _ in 0..BATCH {
        match socket.receive(buffer)? {
            Received::Message(length) if reader.message(&buffer[..length]) => {
                counts.records.fetch_add(1, Ordering::Relaxed);
            }
            Received::Message(_) | Received::Foreign => {
                counts.unreadable.fetch_add(1, Ordering::Relaxed);
            }
            Received::Overrun => overruns += 1,
            Received::Empty => return Ok((true, overruns)),
        }
    }
    Ok((false, overruns))
}

async fn record(
    reader: &mut Reader,
    overruns: u64,
    agent: &Agent,
    counts: &Counts,
) -> Result<(), AgentError> {
    let (mut observations, elevations) = reader.take();
    counts.elevations.fetch_add(elevations, Ordering::Relaxed);
    if overruns > 0 {
        observations.push(lost(overruns, counts, now_us()));
    }
    if observations.is_empty() {
        return Ok(());
    }
    agent.observe(observations).await
}

/// The loss that the kernel told of so many times: how many records it is, it does not say.
fn lost(overruns: u64, counts: &Counts, now_us: i64) -> Observation {
    let before = counts.overruns.fetch_add(overruns, Ordering::Relaxed);
    let key = [
        &b"audit overrun"[..],
        &now_us.to_le_bytes(),
        &before.to_le_bytes(),
    ];
    let detail = "audit records came faster than they became durable: the kernel dropped some";
    tracing::warn!(overruns, "audit records were lost");
    Observation::unreadable(SourceKey::derive(&key), overruns, detail.to_owned(), now_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, text: &str) -> Vec<u8> {
        let length = (HEADER_BYTES + text.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(text.as_bytes());
        bytes
    }

    #[test]
    fn a_message_is_its_header_and_its_text() {
        let mut whole = message(1123, "audit(1.5:2): pid=7\0");
        assert_eq!(parse(&whole), Some((1123, &b"audit(1.5:2): pid=7"[..])));
        // Behind the length that is told nothing counts.
        whole.extend(b"more");
        assert_eq!(parse(&whole), Some((1123, &b"audit(1.5:2): pid=7"[..])));
        for length in [0, HEADER_BYTES as u32 - 1, whole.len() as u32 + 1, u32::MAX] {
            whole[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&whole), None, "{length}");
        }
        assert_eq!(parse(&[0; 15]), None);
    }

    #[test]
    fn what_sudo_was_asked_for_is_told_once_it_is_known_as_whom() {
        let mut reader = Reader::new("web-1");
        let of = "pid=70 uid=1000 auid=1000 ses=2 msg='";
        let asked = format!(
            "audit(1795540226.248:1300): {of}cwd=\"/\" cmd=2F7573722F62696E2F6964202D75 exe=\"/usr/bin/sudo\" terminal=? res=success'"
        );
        let session = format!(
            "audit(1795540226.248:1302): {of}op=PAM:session_open grantors=pam_unix acct=\"root\" exe=\"/usr/bin/sudo\" hostname=? addr=? terminal=? res=success'"
        );
        assert!(reader.message(&message(1123, &asked)));
        assert!(reader.message(&message(1105, &session)));
        reader.settle();
        let (observations, elevations) = reader.take();
        assert_eq!((observations.len(), elevations), (1, 1));
        let epm_proto::v1::record::Body::Elevation(seen) = &observations[0].body else {
            panic!("no elevation");
        };
        let file = seen.file.as_ref().expect("a file");
        assert_eq!((&*file.path, &*file.arguments), ("/usr/bin/id", "-u"));
        let device = seen.device.as_ref().expect("a device");
        assert_eq!(device.device_name, "web-1");
        assert!(!reader.message(&message(1123, "audit(1.2): pid=7")));
        assert!(reader.take().0.is_empty());
    }

    #[test]
    fn every_loss_is_another_record_with_its_count() {
        let counts = Counts::default();
        let (one, other) = (lost(2, &counts, 1), lost(1, &counts, 1));
        assert_ne!(one.source_key, other.source_key);
        assert_eq!(counts.overruns.load(Ordering::Relaxed), 3);
    }
}
