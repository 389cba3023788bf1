//! `status` and `queue`: what the spool holds, read beside a running agent. They must not write.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use epm_proto::head::{BodyKind, RecordHead};
use epm_proto::ids::AgentId;
use jiff::Timestamp;
use serde::Serialize;

use super::failure::Failure;
use super::{Place, QueueArgs, StatusArgs, terminal};
use crate::AgentError;
use crate::identity::read_agent_id;
use crate::spool::{Spool, WaitingRecord, class_name};

/// Records read at once.
const PAGE_RECORDS: usize = 256;

#[derive(Debug, Serialize)]
struct Status {
    agent_id: Option<String>,
    state: PathBuf,
    collector: String,
    epoch: u64,
    next_sequence: u64,
    waiting_records: u64,
    waiting_bytes: u64,
    oldest_waiting: Option<String>,
    last_acknowledged: Option<String>,
}

pub(super) fn status(place: &Place, args: &StatusArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let found = look(&state)?;
    let (next, depth) = found
        .as_ref()
        .map(|(_, spool)| (spool.next(), spool.depth()))
        .unwrap_or_default();
    let status = Status {
        agent_id: found.as_ref().map(|(id, _)| id.to_string()),
        collector: place.collector.clone(),
        epoch: next.epoch,
        next_sequence: next.sequence,
        waiting_records: depth.records,
        waiting_bytes: depth.bytes,
        oldest_waiting: depth.oldest_us.map(stamp),
        last_acknowledged: last_acknowledged(&state),
        state,
    };
    if args.json {
        terminal::say(serde_json::to_string(&status).unwrap_or_default());
        return Ok(());
    }
    match &status.agent_id {
        Some(id) => terminal::say(format!("agent       {id}")),
        None => terminal::say("agent       none yet; `epm-agent run` or `import` makes one"),
    }
    terminal::say(format!("state       {}", status.state.display()));
    terminal::say(format!("collector   {}", status.collector));
    terminal::say(format!(
        "epoch       {}, next sequence {}",
        status.epoch, status.next_sequence
    ));
    terminal::say(format!(
        "waiting     {} records, {} bytes",
        status.waiting_records, status.waiting_bytes
    ));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    terminal::say(format!("oldest      {}", or_none(status.oldest_waiting)));
    terminal::say(format!("last ack    {}", or_none(status.last_acknowledged)));
    Ok(())
}

pub(super) fn queue(place: &Place, args: &QueueArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let Some((_, spool)) = look(&state)? else {
        terminal::say("nothing waits: there is no agent in this state folder yet");
        return Ok(());
    };
    let total = spool.depth().records;
    if total == 0 {
        terminal::say("nothing waits");
        return Ok(());
    }
    terminal::say(format!(
        "{:>12}  {:<20}  {:<14}  {:<17}  {:>7}",
        "SEQUENCE", "TIME", "KIND", "CLASS", "BYTES"
    ));
    let mut listed = 0;
    for place in spool.epochs() {
        let mut from = 0;
        while listed < args.limit {
            let count = PAGE_RECORDS.min(args.limit - listed);
            let records = spool
                .read(place.epoch, from, count, usize::MAX)
                .map_err(|error| Failure::because("the spool cannot be read", &error))?;
            let Some(last) = records.last() else {
                break;
            };
            from = last.sequence + 1;
            listed += records.len();
            for record in &records {
                terminal::say(line(record));
            }
        }
    }
    if total > listed as u64 {
        terminal::say(format!(
            "and {} more; --limit N shows more of them",
            total - listed as u64
        ));
    }
    Ok(())
}

/// The spool in `state` as it is, where there is one.
fn look(state: &Path) -> Result<Option<(AgentId, Spool)>, Failure> {
    let failed = |error: AgentError| Failure::of_agent(state, &error);
    let agent_id = read_agent_id(state).map_err(|error| failed(error.into()))?;
    let Some(agent_id) = agent_id else {
        return Ok(None);
    };
    let spool = Spool::look(state, agent_id).map_err(|source| {
        failed(AgentError::OpenSpool {
            path: state.to_owned(),
            source,
        })
    })?;
    Ok(spool.map(|spool| (agent_id, spool)))
}

/// When the cursor was last written, which is within seconds of the last answer.
fn last_acknowledged(state: &Path) -> Option<String> {
    let changed = std::fs::metadata(Spool::cursor_path(state))
        .ok()?
        .modified()
        .ok()?;
    let since = changed.duration_since(UNIX_EPOCH).ok()?;
    Some(stamp(since.as_micros() as i64))
}

fn line(record: &WaitingRecord) -> String {
    let head = RecordHead::scan(&record.bytes).ok();
    let kind = match head.map(|head| head.body) {
        Some(BodyKind::Elevation) => "elevation",
        Some(BodyKind::ElevationExit) => "exit",
        Some(BodyKind::Heartbeat) => "heartbeat",
        Some(BodyKind::Loss) => "loss",
        _ => "unknown",
    };
    format!(
        "{:>12}  {:<20}  {kind:<14}  {:<17}  {:>7}",
        record.sequence,
        head.map_or_else(String::new, |head| stamp(head.observed_at_us)),
        class_name(record.class),
        record.bytes.len()
    )
}

/// Seconds are enough for a person.
fn stamp(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
