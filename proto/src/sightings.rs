//! Which observations of several sensors are of one process: what a dry run of the agent counts by, and what the
//! processor joins rows by.
//!
//! Pure: the answer is a function of the set of observations, in whatever order they came. It must not read a record.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::v1::{Outcome, SensorKind, Trigger};

/// What observations of one process agree on: device and program, or device and tool, hashed; and a process id. For what
/// several logs of sudo tell of one run: all that they tell of it, hashed twice.
pub type Group = (u64, u64);

/// Who saw a process, where several see the same one. Of a group each sees it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensor {
    /// Windows Security event 4688.
    Security4688,
    /// Sysmon event 1.
    Sysmon1,
    /// What sudo itself tells of a command: its line, or what it told a log server.
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
    #[must_use]
    pub fn window_us(self) -> i64 {
        match self {
            // They differ by milliseconds, or by a second where an exporter cut it; a process id comes back later.
            Self::Security4688 | Self::Sysmon1 => 2_000_000,
            // sudo starts, asks for a password for at most five minutes, and only then says what it runs.
            Self::SudoLine | Self::SudoCommand | Self::SudoStarted | Self::SudoItself => {
                300_000_000
            }
        }
    }
}

/// To whom sudo told of a run. It tells a log server and each of its logs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// A log server, which knows the run best and to the nanosecond.
    Server,
    /// Its JSON event log, or the `log.json` of its I/O log.
    Json,
    /// syslog.
    Line,
    /// Its own text log.
    File,
}

/// How much earlier than sudo's start a log of it may date a run, in microseconds: it may know whole seconds only.
pub const TOLD_BEFORE_US: i64 = 1_000_000;
/// How much later than sudo's start a log of it may date a run, in microseconds: sudo asks for a password in between.
/// Beyond it one run counts twice; a longer wait would rather count two as one.
pub const TOLD_AFTER_US: i64 = 30_000_000;

/// What one observation says of its process. Texts may be empty and numbers zero where it does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sighting<'a> {
    /// Who saw it.
    pub kind: SensorKind,
    /// What made it an elevation.
    pub trigger: Trigger,
    /// Short name of the device.
    pub device: &'a str,
    /// The program.
    pub file_path: &'a str,
    /// Its process.
    pub pid: u64,
    /// The process that asked for it.
    pub parent_pid: u64,
    /// The program of that.
    pub parent_path: &'a str,
    /// Who asked for it, as written.
    pub user: &'a str,
    /// As whom it was to run.
    pub target: &'a str,
    /// Its arguments.
    pub arguments: &'a str,
    /// The terminal that it was asked for at.
    pub terminal: &'a str,
    /// What became of it.
    pub outcome: Outcome,
}

impl Sighting<'_> {
    /// The sensor, and the group that other sensors' observations of the process are in; `None` where no other sensor
    /// sees what this one does, or where the observation does not say enough.
    #[must_use]
    pub fn place(&self) -> Option<(Group, Sensor)> {
        match self.kind {
            SensorKind::Security4688 => self.process(Sensor::Security4688),
            SensorKind::Sysmon1 => self.process(Sensor::Sysmon1),
            SensorKind::SudoSyslog | SensorKind::SudoLogServer => {
                self.run(self.parent_pid, Sensor::SudoLine)
            }
            SensorKind::AuditUserCmd => self.run(self.parent_pid, Sensor::SudoCommand),
            SensorKind::AuditExecve if self.parent_path.is_empty() => {
                self.run(self.pid, Sensor::SudoItself)
            }
            SensorKind::AuditExecve => self.run(self.parent_pid, Sensor::SudoStarted),
            _ => None,
        }
    }

    /// To whom sudo told of the run, and the group that what it told others of the run is in; `None` where this is not of
    /// sudo, or does not say enough.
    ///
    /// No log of sudo names a run in a way that the others know. They agree on device, user, target, outcome, terminal,
    /// and program with arguments, whose quotes and blanks each writes its own way.
    #[must_use]
    pub fn told(&self) -> Option<(Group, Told)> {
        let told = match self.kind {
            SensorKind::SudoLogServer => Told::Server,
            SensorKind::SudoEventJson | SensorKind::SudoIoLog => Told::Json,
            SensorKind::SudoSyslog => Told::Line,
            SensorKind::SudoLogfile => Told::File,
            _ => return None,
        };
        let known = [self.device, self.user, self.target, self.file_path];
        if self.trigger != Trigger::Sudo || known.contains(&"") {
            return None;
        }
        let terminal = match self.terminal.strip_prefix("/dev/") {
            Some(terminal) => terminal,
            None if ["unknown", "none"].contains(&self.terminal) => "",
            None => self.terminal,
        };
        let hashed = |salt: &str| {
            let mut hasher = DefaultHasher::new();
            (salt, self.device.to_lowercase(), self.user, self.target).hash(&mut hasher);
            (self.outcome as i32, terminal).hash(&mut hasher);
            let command = self.file_path.chars().chain(self.arguments.chars());
            let is_alike = |letter: &char| !letter.is_whitespace() && !"'\"\\".contains(*letter);
            for letter in command.filter(is_alike) {
                letter.hash(&mut hasher);
            }
            hasher.finish()
        };
        Some(((hashed("told"), hashed("told again")), told))
    }

    fn process(&self, sensor: Sensor) -> Option<(Group, Sensor)> {
        let is_known = self.pid != 0 && !self.file_path.is_empty();
        is_known.then(|| (group_of(self.device, self.file_path, self.pid), sensor))
    }

    // A run of sudo has the id of sudo's process, which each of its sensors tells in its own place. Logs that name no
    // device may be of several.
    fn run(&self, pid: u64, sensor: Sensor) -> Option<(Group, Sensor)> {
        let is_known = pid != 0 && self.trigger == Trigger::Sudo && !self.device.is_empty();
        is_known.then(|| (group_of(self.device, "a run of sudo", pid), sensor))
    }
}

// Names differ in case for one file and for one device.
fn group_of(device: &str, what: &str, pid: u64) -> Group {
    let mut hasher = DefaultHasher::new();
    device.to_lowercase().hash(&mut hasher);
    what.to_lowercase().hash(&mut hasher);
    (hasher.finish(), pid)
}

/// Sorts the observations of one group and says which of them are of one process: each with the earliest of every
/// other sensor that follows it within the window, the earliest first. A set holds places in the sorted `group`.
///
/// `seen` tells when an observation was made, in microseconds, and by whom. The order of the type must begin with that
/// time and be total, or the answer depends on the order of arrival.
pub fn join<T: Ord>(group: &mut [T], seen: impl Fn(&T) -> (i64, Sensor)) -> Vec<Vec<usize>> {
    group.sort_unstable();
    let mut is_taken = vec![false; group.len()];
    let mut sets = Vec::new();
    for first in 0..group.len() {
        if is_taken[first] {
            continue;
        }
        let (from_us, sensor) = seen(&group[first]);
        let mut sensors = vec![sensor];
        let mut set = vec![first];
        for (at, other) in group.iter().enumerate().skip(first + 1) {
            let (at_us, other) = seen(other);
            if at_us.saturating_sub(from_us) > sensor.window_us() {
                break;
            }
            if !is_taken[at] && !sensors.contains(&other) {
                is_taken[at] = true;
                sensors.push(other);
                set.push(at);
            }
        }
        sets.push(set);
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::Sensor::{Security4688, Sysmon1};
    use super::*;

    fn joined(mut group: Vec<(i64, Sensor)>) -> Vec<Vec<(i64, Sensor)>> {
        let sets = join(&mut group, |one| *one);
        let of = |set: Vec<usize>| set.into_iter().map(|at| group[at]).collect();
        sets.into_iter().map(of).collect()
    }

    #[test]
    fn each_is_joined_with_the_earliest_of_the_other_sensor_that_follows() {
        let sets = joined(vec![
            (2_500_000, Sysmon1),
            (900_000, Security4688),
            (0, Sysmon1),
            (1, Sysmon1),
            (800_000, Security4688),
            (2_600_000, Sysmon1),
        ]);
        assert_eq!(
            sets,
            [
                vec![(0, Sysmon1), (800_000, Security4688)],
                vec![(1, Sysmon1), (900_000, Security4688)],
                vec![(2_500_000, Sysmon1)],
                vec![(2_600_000, Sysmon1)],
            ]
        );
    }

    #[test]
    fn every_log_of_sudo_tells_of_a_run_in_its_own_way_and_means_the_same() {
        let server = Sighting {
            kind: SensorKind::SudoLogServer,
            trigger: Trigger::Sudo,
            device: "WEB-1",
            file_path: "/usr/bin/sh",
            arguments: r"-c 'echo '\''a b'\'''",
            user: "anna",
            target: "root",
            terminal: "pts/0",
            outcome: Outcome::Elevated,
            ..Sighting::default()
        };
        let line = Sighting {
            kind: SensorKind::SudoSyslog,
            device: "web-1",
            arguments: "-c echo 'a b'",
            terminal: "/dev/pts/0",
            ..server
        };
        let (group, told) = server.told().expect("it says enough");
        assert_eq!(told, Told::Server);
        assert_eq!(line.told(), Some((group, Told::Line)));
        let (user, target, terminal, device) = ("bert", "daemon", "pts/1", "web-2");
        let (arguments, outcome) = ("-c echo 'a c'", Outcome::Denied);
        let others = [
            Sighting { user, ..line },
            Sighting { target, ..line },
            Sighting { terminal, ..line },
            Sighting { device, ..line },
            Sighting { arguments, ..line },
            Sighting { outcome, ..line },
        ];
        for other in others {
            let (apart, _) = other.told().expect("it says enough");
            assert_ne!(apart, group, "{other:?}");
        }
        let (device, kind) = ("", SensorKind::AuditUserCmd);
        assert_eq!(Sighting { device, ..line }.told(), None);
        assert_eq!(Sighting { kind, ..line }.told(), None);
        let at = |terminal| Sighting { terminal, ..line }.told();
        assert_eq!(at(""), at("unknown"));
    }

    #[test]
    fn what_is_further_apart_than_the_window_is_apart() {
        let apart = |later_us| joined(vec![(0, Sysmon1), (later_us, Security4688)]).len();
        assert_eq!(apart(2_000_000), 1);
        assert_eq!(apart(2_000_001), 2);
        assert_eq!(
            joined(vec![(i64::MIN, Sysmon1), (i64::MAX, Security4688)]).len(),
            2
        );
    }
}
