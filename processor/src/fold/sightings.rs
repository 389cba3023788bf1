//! Which sensor saw a process, and what other sensors' observations of the same process agree with it on. It must not
//! look at more than one observation.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What observations of one process agree on: device and program, or device and tool, hashed; and a process id.
pub(crate) type Group = (u64, i64);

/// Who saw a process, where several see the same one. Of a group each sees it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sensor {
    Security4688,
    Sysmon1,
    /// sudo's own line of a command.
    SudoLine,
    /// sudo's record of it in the audit log.
    SudoCommand,
    /// The audit log's record that the command started.
    SudoStarted,
    /// The audit log's record that sudo itself started.
    SudoItself,
}

impl Sensor {
    /// How far apart sensors may date what they saw of one process, in microseconds.
    pub(crate) fn window_us(self) -> i64 {
        match self {
            // They differ by milliseconds; a process id comes back later.
            Self::Security4688 | Self::Sysmon1 => 2_000_000,
            // sudo starts, asks for a password for at most five minutes, and only then says what it runs.
            Self::SudoLine | Self::SudoCommand | Self::SudoStarted | Self::SudoItself => {
                300_000_000
            }
        }
    }

    /// Whose facts a row takes first where several sensors know them: the less, the richer.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Sysmon1 | Self::SudoLine => 0,
            Self::Security4688 | Self::SudoStarted => 1,
            Self::SudoCommand => 2,
            // sudo is not what was asked for.
            Self::SudoItself => 3,
        }
    }
}

/// What one observation says about its process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sighting<'a> {
    /// Word of the sensor.
    pub(crate) sensor: &'a str,
    pub(crate) trigger: &'a str,
    /// Short name of the device.
    pub(crate) device: &'a str,
    pub(crate) file_path: &'a str,
    pub(crate) pid: Option<i64>,
    pub(crate) parent_pid: Option<i64>,
    pub(crate) parent_path: &'a str,
}

impl Sighting<'_> {
    /// The sensor, and the group that other sensors' observations of the process are in; `None` where no other sensor
    /// sees what this one does.
    pub(crate) fn place(&self) -> Option<(Group, Sensor)> {
        let process = |sensor| {
            let known = self.pid.filter(|_| !self.file_path.is_empty());
            known.map(|pid| (group_of(self.device, self.file_path, pid), sensor))
        };
        // A run of sudo has the id of sudo's process, which each of these tells in its own place. Logs that name no
        // device may be of several.
        let run = |pid: Option<i64>, sensor| {
            let known = pid.filter(|_| self.trigger == "sudo" && !self.device.is_empty());
            known.map(|pid| (group_of(self.device, "a run of sudo", pid), sensor))
        };
        match self.sensor {
            "security_4688" => process(Sensor::Security4688),
            "sysmon_1" => process(Sensor::Sysmon1),
            "sudo_syslog" => run(self.parent_pid, Sensor::SudoLine),
            "audit_user_cmd" => run(self.parent_pid, Sensor::SudoCommand),
            "audit_execve" if self.parent_path.is_empty() => run(self.pid, Sensor::SudoItself),
            "audit_execve" => run(self.parent_pid, Sensor::SudoStarted),
            _ => None,
        }
    }
}

// Names differ in case for one file and for one device.
fn group_of(device: &str, what: &str, pid: i64) -> Group {
    let mut hasher = DefaultHasher::new();
    device.to_lowercase().hash(&mut hasher);
    what.to_lowercase().hash(&mut hasher);
    (hasher.finish(), pid)
}
