//! What an agent is told at its start, and the defaults of a device. It must not start anything.

use std::path::PathBuf;
use std::time::Duration;

use epm_proto::ids::AgentId;
use epm_proto::v1;

use crate::heartbeat;
use crate::spool::SpoolLimits;
use crate::uplink::backoff;

/// What an agent is told at its start.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Folder of identity and spool.
    pub state_dir: PathBuf,
    /// Where the collector is, such as `http://127.0.0.1:8443`.
    pub collector: String,
    /// Time between heartbeats; `None` sends none, as for an import, which is not a device's life.
    pub heartbeat_interval: Option<Duration>,
    /// Limits of the spool.
    pub spool: SpoolLimits,
    /// Name of the device in heartbeats.
    pub device_name: String,
    /// The management system's id of the device, or empty.
    pub device_id: String,
    /// Operating system in heartbeats.
    pub os_version: String,
    /// The id that a simulated device has, where it must not be minted.
    pub agent_id: Option<AgentId>,
    /// What may leave the device.
    pub reporting_scope: v1::ReportingScope,
    /// Sensors in heartbeats, until [`crate::Agent::set_sensor`] says otherwise.
    pub sensors: Vec<v1::SensorHealth>,
    /// Longest wait between two tries to reach the collector.
    pub longest_wait: Duration,
    /// Bundles of policies are taken from the collector, and what became of them is told. Others are not even kept.
    pub takes_policies: bool,
}

impl AgentConfig {
    /// The defaults of a device.
    pub fn new(state_dir: impl Into<PathBuf>, collector: impl Into<String>) -> Self {
        let system = rustix::system::uname();
        Self {
            state_dir: state_dir.into(),
            collector: collector.into(),
            heartbeat_interval: Some(heartbeat::DEFAULT_INTERVAL),
            spool: SpoolLimits::default(),
            device_name: system.nodename().to_string_lossy().into_owned(),
            device_id: String::new(),
            os_version: format!(
                "{} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy()
            ),
            agent_id: None,
            reporting_scope: v1::ReportingScope::All,
            sensors: Vec::new(),
            longest_wait: backoff::LONGEST_WAIT,
            takes_policies: false,
        }
    }
}
