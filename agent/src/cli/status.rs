//! `status`: who the agent of a state folder is, whether it runs, and what waits. It must not write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::failure::{ExitCode, Failure};
use super::queue::{look, stamp};
use super::terminal::{self, plain};
use super::{Place, SYSTEM_STATE, StatusArgs};
use crate::live::{Governed, Live, Sensor};
use crate::spool::Spool;

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
    running: bool,
    /// What it said last, where it runs or ended without taking it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Said>,
}

/// What an agent says of itself, with times that people read.
#[derive(Debug, Serialize)]
struct Said {
    process: i32,
    version: String,
    started: String,
    said: String,
    connected: bool,
    last_hello: Option<String>,
    last_error: Option<String>,
    clock_offset_ms: Option<i64>,
    rejected: u64,
    reporting_scope: String,
    drops: BTreeMap<String, u64>,
    sensors: Vec<Sensor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    life_cycle: Option<StatedLifeCycle>,
}

/// Where the management of elevations stands.
#[derive(Debug, Serialize)]
struct StatedLifeCycle {
    state: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    removal: Option<String>,
    applicable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_applicable: Option<String>,
    join_type: String,
    management_authority: String,
}

impl StatedLifeCycle {
    fn of(governed: Governed) -> Self {
        Self {
            state: governed.life_cycle,
            since: stamp(governed.since_us),
            removal: governed.removal_us.map(stamp),
            applicable: governed.not_applicable.is_none(),
            not_applicable: governed.not_applicable,
            join_type: governed.join_type,
            management_authority: governed.management_authority,
        }
    }
}

impl Said {
    fn of(live: Live) -> Self {
        let link = live.link;
        Self {
            process: live.process.pid,
            version: live.agent_version,
            started: stamp(live.started_at_us),
            said: stamp(live.written_at_us),
            connected: link.connected,
            clock_offset_ms: link.last_hello_us.map(|_| link.clock_offset_ms),
            last_hello: link.last_hello_us.map(stamp),
            last_error: link.last_error,
            rejected: link.rejected,
            reporting_scope: live.reporting_scope,
            drops: live.drops,
            sensors: live.sensors,
            policy_revision: live.governed.as_ref().map(|of| of.policy_revision.clone()),
            life_cycle: live.governed.map(StatedLifeCycle::of),
        }
    }
}

pub(super) fn status(place: &Place, args: &StatusArgs) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let found = look(&state)?;
    let live = live(&state)?;
    let (next, depth) = found
        .as_ref()
        .map(|(_, spool)| (spool.next(), spool.depth()))
        .unwrap_or_default();
    let status = Status {
        agent_id: found.as_ref().map(|(id, _)| id.to_string()),
        collector: live
            .as_ref()
            .map_or(&place.collector, |live| &live.setup.collector)
            .clone(),
        epoch: next.epoch,
        next_sequence: next.sequence,
        waiting_records: depth.records,
        waiting_bytes: depth.bytes,
        oldest_waiting: depth.oldest_us.map(stamp),
        last_acknowledged: last_acknowledged(&state),
        running: live.as_ref().is_some_and(Live::is_running),
        agent: live.map(Said::of),
        state,
    };
    match args.json {
        true => terminal::say(serde_json::to_string(&status).unwrap_or_default()),
        false => tell(&status),
    }
    Ok(())
}

/// What the agent of `state` last said, where this user may read it.
pub(super) fn live(state: &Path) -> Result<Option<Live>, Failure> {
    Live::read(state).map_err(|error| {
        let what = format!("the state of the agent in {}", state.display());
        Failure {
            remedy: "Ask as the user that runs it.".to_owned(),
            ..Failure::because(&what, &error)
        }
    })
}

fn tell(status: &Status) {
    match &status.agent_id {
        Some(id) => terminal::say(format!("agent       {id}")),
        None => terminal::say(format!(
            "agent       none yet; `epm-agent run` or `import` makes one{}",
            elsewhere(&status.state)
        )),
    }
    terminal::say(format!("state       {}", status.state.display()));
    terminal::say(format!("running     {}", running(status)));
    terminal::say(format!("collector   {}", plain(&status.collector)));
    if let Some(said) = &status.agent {
        tell_of_agent(said, status.running);
    }
    terminal::say(format!(
        "epoch       {}, next sequence {}",
        status.epoch, status.next_sequence
    ));
    terminal::say(format!(
        "waiting     {} records, {} bytes",
        status.waiting_records, status.waiting_bytes
    ));
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    terminal::say(format!("oldest      {}", or_none(&status.oldest_waiting)));
    terminal::say(format!(
        "last ack    {}",
        or_none(&status.last_acknowledged)
    ));
}

/// A user without rights sees no agent of the system, and should know that there may be one.
fn elsewhere(state: &Path) -> &'static str {
    match state != Path::new(SYSTEM_STATE) && Path::new(SYSTEM_STATE).exists() {
        true => " (the agent of this system is root's: ask with sudo)",
        false => "",
    }
}

fn running(status: &Status) -> String {
    match (&status.agent, status.running) {
        (Some(said), true) => format!(
            "process {}, version {}, since {}",
            said.process, said.version, said.started
        ),
        (Some(said), false) => format!("no; it ended without notice after {}", said.said),
        (None, _) => "no, or for an import only".to_owned(),
    }
}

fn tell_of_agent(said: &Said, running: bool) {
    let link = match (said.connected && running, &said.last_error) {
        (true, _) => "connected".to_owned(),
        (false, Some(error)) => format!("not connected: {}", plain(error)),
        (false, None) => "not connected".to_owned(),
    };
    terminal::say(format!("connection  {link}"));
    if let Some(offset) = said.clock_offset_ms {
        terminal::say(format!("clock       {offset:+} ms to the collector's"));
    }
    if let Some(life_cycle) = &said.life_cycle {
        terminal::say(format!("management  {}", management(life_cycle)));
    }
    terminal::say(format!("scope       {}", said.reporting_scope));
    for sensor in &said.sensors {
        terminal::say(format!(
            "sensor      {} {}: {}",
            sensor.sensor,
            sensor.state,
            plain(&sensor.detail)
        ));
    }
    for (reason, records) in &said.drops {
        terminal::say(format!("lost        {records} records, {reason}"));
    }
}

fn management(life_cycle: &StatedLifeCycle) -> String {
    let mut words = format!("{} since {}", life_cycle.state, life_cycle.since);
    if let Some(removal) = &life_cycle.removal {
        words.push_str(&format!(", removed at {removal} unless enabled before"));
    }
    if let Some(reason) = &life_cycle.not_applicable {
        words.push_str(&format!("; not applicable: {}", plain(reason)));
    }
    words
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

/// The policies that a command is about: those named, else those of the running agent.
pub(super) fn policy_file(place: &Place, named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let running = live(&place.state_dir()?)?;
    running.and_then(|live| live.setup.policy).ok_or_else(|| {
        Failure::new(
            ExitCode::Usage,
            "no agent runs here that has its policies from a file",
            "Name a policy file with --policy FILE, or start the agent with one.",
        )
    })
}
