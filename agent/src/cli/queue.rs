//! `queue`: what waits in the spool, and what it lost, read beside a running agent. It must not write.

use std::collections::BTreeMap;
use std::path::Path;

use epm_proto::head::{BodyKind, RecordHead};
use epm_proto::ids::AgentId;
use jiff::Timestamp;
use serde::Serialize;

use super::failure::Failure;
use super::status::live;
use super::{Place, QueueArgs, terminal};
use crate::AgentError;
use crate::identity::read_agent_id;
use crate::spool::{Spool, WaitingRecord, class_name};

/// Records read at once.
const PAGE_RECORDS: usize = 256;

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Queue {
    waiting_records: u64,
    waiting_bytes: u64,
    oldest_waiting: Option<String>,
    /// Since the running agent started; absent where none runs.
    drops: Option<BTreeMap<String, u64>>,
    records: Vec<Line>,
}

/// One record.
#[derive(Debug, Serialize)]
struct Line {
    epoch: u64,
    sequence: u64,
    time: Option<String>,
    kind: &'static str,
    class: &'static str,
    bytes: usize,
}

pub(super) fn queue(place: &Place, args: &QueueArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let queue = match look(&state)? {
        Some((_, spool)) => Queue {
            drops: live(&state)?.map(|live| live.drops),
            ..waiting(&spool, args.limit)?
        },
        None if args.json => Queue::nothing(),
        None => {
            terminal::say("nothing waits: there is no agent in this state folder yet");
            return Ok(());
        }
    };
    match args.json {
        true => terminal::say(serde_json::to_string(&queue).unwrap_or_default()),
        false => queue.tell(),
    }
    Ok(())
}

fn waiting(spool: &Spool, limit: usize) -> Result<Queue, Failure> {
    let depth = spool.depth();
    let mut queue = Queue {
        waiting_records: depth.records,
        waiting_bytes: depth.bytes,
        oldest_waiting: depth.oldest_us.map(stamp),
        ..Queue::nothing()
    };
    for place in spool.epochs() {
        let mut from = 0;
        while queue.records.len() < limit {
            let count = PAGE_RECORDS.min(limit - queue.records.len());
            let records = spool
                .read(place.epoch, from, count, usize::MAX)
                .map_err(|error| Failure::because("the spool cannot be read", &error))?;
            let Some(last) = records.last() else {
                break;
            };
            from = last.sequence + 1;
            queue.records.extend(records.iter().map(line));
        }
    }
    Ok(queue)
}

impl Queue {
    fn nothing() -> Self {
        Self {
            waiting_records: 0,
            waiting_bytes: 0,
            oldest_waiting: None,
            drops: None,
            records: Vec::new(),
        }
    }

    fn tell(&self) {
        for (reason, records) in self.drops.iter().flatten() {
            terminal::say(format!("{records} records lost: {reason}"));
        }
        let Some(oldest) = &self.oldest_waiting else {
            terminal::say("nothing waits");
            return;
        };
        terminal::say(format!(
            "{} records wait, {} bytes, the oldest of {oldest}",
            self.waiting_records, self.waiting_bytes
        ));
        terminal::say(format!(
            "{:>12}  {:<20}  {:<14}  {:<17}  {:>7}",
            "SEQUENCE", "TIME", "KIND", "CLASS", "BYTES"
        ));
        for line in &self.records {
            terminal::say(format!(
                "{:>12}  {:<20}  {:<14}  {:<17}  {:>7}",
                line.sequence,
                line.time.as_deref().unwrap_or_default(),
                line.kind,
                line.class,
                line.bytes
            ));
        }
        let more = self.waiting_records - self.records.len() as u64;
        if more > 0 {
            terminal::say(format!("and {more} more; --limit N shows more of them"));
        }
    }
}

/// The spool in `state` as it is, where there is one.
pub(super) fn look(state: &Path) -> Result<Option<(AgentId, Spool)>, Failure> {
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

fn line(record: &WaitingRecord) -> Line {
    let head = RecordHead::scan(&record.bytes).ok();
    Line {
        epoch: record.epoch,
        sequence: record.sequence,
        time: head.map(|head| stamp(head.observed_at_us)),
        kind: kind(head.map(|head| head.body)),
        class: class_name(record.class),
        bytes: record.bytes.len(),
    }
}

/// The word for what a record is about.
pub(super) fn kind(body: Option<BodyKind>) -> &'static str {
    match body {
        Some(BodyKind::Elevation) => "elevation",
        Some(BodyKind::ElevationExit) => "exit",
        Some(BodyKind::Heartbeat) => "heartbeat",
        Some(BodyKind::Loss) => "loss",
        _ => "unknown",
    }
}

/// Seconds are enough for a person.
pub(super) fn stamp(us: i64) -> String {
    let seconds = us.div_euclid(1_000_000);
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
