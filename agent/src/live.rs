//! What a running agent does, in a file of its state folder that it replaces again and again, so that `status`, `doctor`
//! and the others can tell. It says nothing about people, and nothing depends on it: without it an agent runs as well.
//!
//! A file was preferred to a socket: there is no protocol to attack, it is read with the rights of the folder, and it
//! still says how things were after an agent ended badly.

mod process;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::agent::{Agent, AgentStatus};
use crate::clock::now_us;
use crate::words::word;
pub use process::ProcessMark;

const NAME: &str = "live.json";
/// How often it is seen to whether something changed: soon enough for a person who waits.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the file is replaced where nothing did, so that its age says that somebody is there.
const REPLACE_EVERY: Duration = Duration::from_secs(30);
/// Longer than any such file.
const MAX_BYTES: u64 = 1 << 20;

/// What a running agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Whose word it is.
    pub process: ProcessMark,
    /// Version of the program.
    pub agent_version: String,
    /// When it started, microseconds since 1970.
    pub started_at_us: i64,
    /// When it wrote this, microseconds since 1970.
    pub written_at_us: i64,
    /// How it was started.
    pub setup: Setup,
    /// How it stands with the collector.
    pub link: Link,
    /// What may leave the device.
    pub reporting_scope: String,
    /// Records that were lost or withheld since the start, by reason.
    pub drops: BTreeMap<String, u64>,
    /// What its sensors say of themselves.
    pub sensors: Vec<Sensor>,
    /// What policies make of the device, where any govern it.
    pub governed: Option<Governed>,
}

/// What policies make of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Governed {
    /// Version of the policies in force.
    pub policy_revision: String,
    /// absent, provisioning, active, disabled or removed.
    pub life_cycle: String,
    /// When that came about, microseconds since 1970.
    pub since_us: i64,
    /// When components are removed, where the device is disabled, microseconds since 1970.
    pub removal_us: Option<i64>,
    /// Why elevations cannot be managed on this device, where they cannot.
    pub not_applicable: Option<String>,
    /// How the device is joined to a directory.
    pub join_type: String,
    /// Who says what the device does.
    pub management_authority: String,
}

impl Governed {
    fn of(beat: v1::Heartbeat) -> Option<Self> {
        let life_cycle = beat.life_cycle?;
        let applicability = beat.applicability.unwrap_or_default();
        let name = life_cycle.state().as_str_name();
        Some(Self {
            policy_revision: beat.policy_revision,
            life_cycle: word(name, "LIFE_CYCLE_STATE"),
            since_us: life_cycle.since_us,
            removal_us: (life_cycle.removal_us != 0).then_some(life_cycle.removal_us),
            not_applicable: (!applicability.applicable).then_some(applicability.reason),
            join_type: applicability.join_type,
            management_authority: applicability.management_authority,
        })
    }
}

/// How an agent was started, as far as others need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Where it delivers to.
    pub collector: String,
    /// Its policies.
    pub policy: Option<PathBuf>,
    /// The certificate of its log server for sudo.
    pub certificate: Option<PathBuf>,
    /// The logs that it follows.
    pub follow: Vec<PathBuf>,
}

/// How an agent stands with its collector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Whether one is connected.
    pub connected: bool,
    /// When one last answered a hello, microseconds since 1970.
    pub last_hello_us: Option<i64>,
    /// When one last acknowledged something, microseconds since 1970.
    pub last_ack_us: Option<i64>,
    /// Its clock less the device's at the last hello, milliseconds.
    pub clock_offset_ms: i64,
    /// Records that it finally refused since the start.
    pub rejected: u64,
    /// Why the last connection ended.
    pub last_error: Option<String>,
}

/// What one sensor says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensor {
    /// Which.
    pub sensor: String,
    /// running, stopped or failing.
    pub state: String,
    /// In words.
    pub detail: String,
}

impl Live {
    /// What the agent of the folder `state` last said; `None` where none runs that says anything.
    ///
    /// # Errors
    ///
    /// Where the file is there and cannot be read.
    pub fn read(state: &Path) -> io::Result<Option<Self>> {
        use std::io::Read as _;
        let file = match std::fs::File::open(state.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        // Another version's, or half of one after a power cut: then nothing is known.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Whether the process that said it is still there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_alive()
    }

    fn of(status: AgentStatus, setup: &Setup, process: &ProcessMark, started_at_us: i64) -> Self {
        let drops = status.drops.iter().map(|(reason, records)| {
            let reason = v1::LossReason::try_from(*reason).unwrap_or_default();
            (word(reason.as_str_name(), "LOSS_REASON"), *records)
        });
        let sensors = status.sensors.iter().map(|health| Sensor {
            sensor: word(health.sensor().as_str_name(), "SENSOR_KIND"),
            state: word(health.state().as_str_name(), "SENSOR_STATE"),
            detail: health.detail.clone(),
        });
        Self {
            process: process.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at_us,
            written_at_us: now_us(),
            setup: setup.clone(),
            link: Link {
                connected: status.connected,
                last_hello_us: status.last_hello_us,
                last_ack_us: status.last_ack_us,
                clock_offset_ms: status.clock_offset_ms,
                rejected: status.rejected,
                last_error: status.last_error,
            },
            reporting_scope: word(status.reporting_scope.as_str_name(), "REPORTING_SCOPE"),
            drops: drops.collect(),
            sensors: sensors.collect(),
            governed: Governed::of(status.governed),
        }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let written_at_us = self.written_at_us;
        *self
            == Self {
                written_at_us,
                ..other.clone()
            }
    }
}

/// Keeps the file in `state` true until `stop`, and removes it then.
pub async fn keep(agent: Arc<Agent>, state: PathBuf, setup: Setup, stop: CancellationToken) {
    let (process, started_at_us) = (ProcessMark::own(), now_us());
    let mut turns = agent.turns();
    let mut said: Option<Live> = None;
    loop {
        let now = Live::of(agent.status().await, &setup, &process, started_at_us);
        let is_due = said.as_ref().is_none_or(|said| {
            !said.says_the_same(&now)
                || now.written_at_us - said.written_at_us > REPLACE_EVERY.as_micros() as i64
        });
        if is_due {
            match write(&state, &now) {
                Ok(()) => said = Some(now),
                Err(error) => tracing::warn!(%error, "what this agent does cannot be written down"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = agent.wait_for_turn(&mut turns) => {}
        }
    }
    let _ = std::fs::remove_file(state.join(NAME));
}

/// A reader finds the old file or the new one. It is not synced: after a power cut no agent runs.
fn write(state: &Path, live: &Live) -> io::Result<()> {
    let (path, temporary) = (state.join(NAME), state.join("live.new"));
    std::fs::write(&temporary, serde_json::to_vec(live)?)?;
    std::fs::rename(temporary, path)
}
