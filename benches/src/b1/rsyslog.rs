//! rsyslog as a rival: the same number of lines of the same length over as many TCP connections, until all are in the
//! file. Its acknowledgement is TCP's: with sync off, nothing says that a line is durable.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::figures::Run;
use crate::place;
use crate::prepared::Prepared;

pub(super) const PROGRAM: &str = "rsyslogd";
/// Longer than this, and the run is given up.
const PATIENCE: Duration = Duration::from_secs(90);
/// With sync on it is so slow that a tenth of the lines tells its rate.
const SHARE_WHEN_SYNCED: usize = 10;
const PRIORITY: &str = "<13>";

fn configuration(data: &Path, port: u16, syncs: bool) -> String {
    let data = data.display();
    let sync = if syncs { "on" } else { "off" };
    // A batch of rsyslog's queue is one transaction and one sync: larger than its default of 256, to be fair to it.
    format!(
        r#"global(workDirectory="{data}")
main_queue(queue.type="FixedArray" queue.size="100000" queue.dequeueBatchSize="4096")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="whole" type="string" string="%rawmsg%\n")
action(type="omfile" file="{data}/lines" template="whole" sync="{sync}")
"#
    )
}

pub(super) async fn run(
    data: &Path,
    prepared: &Prepared,
    connections: usize,
    syncs: bool,
) -> anyhow::Result<Run> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let file = data.join("conf");
    std::fs::write(&file, configuration(data, port, syncs))?;
    let mut child = Command::new(PROGRAM)
        .args(["-n", "-i"])
        .arg(data.join("pid"))
        .arg("-f")
        .arg(&file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let process = child.id().context("rsyslogd ended")?.to_string();
    let length = (prepared.bytes() / prepared.events()) as usize;
    let line = PRIORITY.len() + length.saturating_sub(PRIORITY.len());
    let share =
        prepared.events() as usize / connections / if syncs { SHARE_WHEN_SYNCED } else { 1 };
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(connect(port).await?);
    }
    let batch = lines(prepared, line);
    let cpu = place::cpu_of(&process)?;
    let began = Instant::now();
    let senders: Vec<_> = streams
        .into_iter()
        .map(|stream| tokio::spawn(send(stream, batch.clone(), line + 1, share)))
        .collect();
    for sender in senders {
        sender.await??;
    }
    let expected = ((line + 1) * share * connections) as u64;
    let written = data.join("lines");
    while std::fs::metadata(&written).map_or(0, |found| found.len()) < expected {
        let length = std::fs::metadata(&written).map_or(0, |found| found.len());
        ensure!(
            began.elapsed() < PATIENCE,
            "rsyslog wrote {length} of {expected} bytes"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let run = Run {
        events: (share * connections) as u64,
        wall: began.elapsed(),
        cpu: place::cpu_of(&process)?.saturating_sub(cpu),
        peak_bytes: place::peak_of(&process)?,
        ..Run::default()
    };
    child.start_kill()?;
    child.wait().await?;
    let length = std::fs::metadata(&written)?.len();
    ensure!(length == expected, "rsyslog wrote {length} of {expected}");
    Ok(run)
}

/// It takes a moment until rsyslog listens.
async fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let began = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) if began.elapsed() > Duration::from_secs(10) => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// A thousand lines of `length` bytes: hexadecimal digits of records, because a line must be text.
fn lines(prepared: &Prepared, length: usize) -> Bytes {
    const LINES: usize = 1000;
    let mut text = Vec::with_capacity(LINES * (length + 1));
    for record in prepared.records.iter().cycle().take(LINES) {
        let from = text.len();
        text.extend_from_slice(PRIORITY.as_bytes());
        for byte in record.iter().cycle() {
            if text.len() - from >= length {
                break;
            }
            text.push(b"0123456789abcdef"[usize::from(byte & 15)]);
        }
        text.push(b'\n');
    }
    text.into()
}

async fn send(
    mut stream: TcpStream,
    lines: Bytes,
    line: usize,
    count: usize,
) -> anyhow::Result<()> {
    let mut left = count * line;
    while left > 0 {
        let part = left.min(lines.len());
        stream.write_all(&lines[..part]).await?;
        left -= part;
    }
    stream.shutdown().await?;
    Ok(())
}
