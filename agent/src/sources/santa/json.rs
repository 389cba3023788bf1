//! Santa's events as JSON: its protocol buffers, an object each. It takes an event apart; what a start means is told
//! elsewhere.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::source::Readings;

use super::super::TextTime;
use super::super::format::Flow;
use super::super::objects::ObjectReader;
use super::super::windows::time::utc_us;
use super::OTHER_ACTION;
use super::execution::{Execution, device_of};
use super::lineage::Lineage;

/// Names that only Santa's events have beside each other.
const EVENT_KEYS: [[&str; 2]; 2] = [
    ["event_time", "processed_time"],
    ["eventTime", "processedTime"],
];

/// Reads the events of a log.
#[derive(Debug, Default)]
pub(super) struct SantaObjects {
    lineage: Lineage,
}

/// Whether `object` is an event of Santa.
pub(super) fn is_event(object: &Value) -> bool {
    EVENT_KEYS
        .iter()
        .any(|keys| keys.iter().all(|key| object.get(key).is_some()))
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default, alias = "machineId")]
    machine_id: String,
    #[serde(default, alias = "eventTime")]
    event_time: String,
    execution: Option<Start>,
    fork: Option<Fork>,
    exit: Option<Exit>,
}

#[derive(Debug, Deserialize)]
struct Start {
    #[serde(default)]
    instigator: Process,
    #[serde(default)]
    target: Process,
    #[serde(default, alias = "workingDirectory")]
    working_directory: File,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    decision: Value,
    #[serde(default)]
    reason: Value,
    #[serde(default, alias = "certificateInfo")]
    certificate_info: Certificate,
}

#[derive(Debug, Deserialize)]
struct Fork {
    #[serde(default)]
    instigator: Process,
    #[serde(default)]
    child: Process,
}

#[derive(Debug, Deserialize)]
struct Exit {
    #[serde(default)]
    instigator: Process,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    id: ProcessId,
    #[serde(alias = "parentId")]
    parent_id: ProcessId,
    #[serde(alias = "effectiveUser")]
    effective_user: User,
    #[serde(alias = "realUser")]
    real_user: User,
    executable: File,
    tty: File,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProcessId {
    pid: Option<i64>,
    pidversion: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    uid: Option<i64>,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    path: String,
    hash: Hash,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hash {
    hash: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Certificate {
    hash: Hash,
    #[serde(alias = "commonName")]
    common_name: String,
}

impl ObjectReader for SantaObjects {
    fn object(&mut self, object: &[u8], _time: &TextTime, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(object);
        let Ok(message) = serde_json::from_str::<Message>(&text) else {
            return into.unreadable("an event of Santa whose fields cannot be read");
        };
        let device = device_of(&message.machine_id);
        let at = |process: &Process| Some((device, process.id.pid?));
        if let Some(fork) = &message.fork
            && let (Some(child), Some(parent)) = (at(&fork.child), at(&fork.instigator))
        {
            self.lineage.forked(child, parent);
        }
        if let Some(exit) = &message.exit
            && let Some(process) = at(&exit.instigator)
        {
            self.lineage.ended(process);
        }
        let Some(start) = &message.execution else {
            return match message.event_time.is_empty() {
                true => into.unreadable("an object that is no event of Santa"),
                false => into.skipped(OTHER_ACTION),
            };
        };
        let (Some(observed_at_us), Some(pid)) = (utc_us(&message.event_time), start.target.id.pid)
        else {
            return into.unreadable("an event of Santa without its time or process id");
        };
        start
            .execution(&message.machine_id, observed_at_us, pid)
            .tell(&mut self.lineage, into)
    }
}

impl Start {
    fn execution<'a>(&'a self, machine: &'a str, at: i64, pid: i64) -> Execution<'a> {
        let target = &self.target;
        let instigator = self.instigator.id.pid;
        // The process that called exec is this one, or the parent of one that was spawned.
        let parent_pid = instigator
            .filter(|other| *other != pid)
            .or(target.parent_id.pid);
        Execution {
            observed_at_us: at,
            machine,
            pid,
            pid_version: target.id.pidversion,
            parent_pid,
            real_uid: target.real_user.uid,
            real_user: &target.real_user.name,
            effective_uid: target.effective_user.uid,
            is_denied: self.decision == "DECISION_DENY" || self.decision == 2,
            reason: self.reason.as_str().unwrap_or_default(),
            path: &target.executable.path,
            arguments: arguments(&self.args),
            sha256: &target.executable.hash.hash,
            signer: &self.certificate_info.common_name,
            certificate_sha256: &self.certificate_info.hash.hash,
            working_directory: &self.working_directory.path,
            terminal: &target.tty.path,
            parent_path: &self.instigator.executable.path,
        }
    }
}

/// Arguments are bytes, which JSON carries as Base64.
fn arguments(args: &[String]) -> String {
    let decoded: Vec<String> = args
        .iter()
        .map(|argument| match BASE64_STANDARD.decode(argument) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => argument.clone(),
        })
        .collect();
    decoded.join(" ")
}
