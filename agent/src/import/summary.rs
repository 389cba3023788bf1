//! What a file holds, counted: one line of JSON a file for `import --dry-run --summary json`.
//!
//! Counts are before processes that two sensors saw are joined; how many those are is a count of its own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use epm_proto::ids::SourceKey;
use epm_proto::sightings::{self, Group, Sensor, Sighting};
use epm_proto::v1::{AccountClass, SensorKind};
use serde::Serialize;

use crate::source::{Observation, ProcessKey, Reading, Readings, Verdict};

/// Elevated starts remembered to find those that both sensors saw: 50 MB at most. The two are written close together, so
/// that settling all of them when it is full loses hardly any.
const STARTS: usize = 1 << 20;

/// Records of one Windows sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcessStarts {
    /// Process starts.
    pub records: u64,
    /// Of them with administrator rights.
    pub elevations: u64,
    /// Elevations of people.
    pub by_user: u64,
    /// Elevations of services.
    pub by_service: u64,
    /// Records that do not say.
    pub undecided: u64,
}

/// Records of a program that runs others with more rights, or of a product that records such runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Commands that ran, as anybody.
    pub records: u64,
    /// Of them with administrator rights.
    pub elevations: u64,
    /// Commands that were refused.
    pub denied: u64,
}

/// Everything that one file holds. Kinds that are absent are left out of the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The file, as it was named.
    pub file: String,
    /// Security event 4688.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_4688: Option<ProcessStarts>,
    /// Sysmon event 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysmon_1: Option<ProcessStarts>,
    /// sudo, whichever log it wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sudo: Option<Runs>,
    /// pkexec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pkexec: Option<Runs>,
    /// su.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub su: Option<Runs>,
    /// doas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doas: Option<Runs>,
    /// Programs that the audit log of Linux saw start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Runs>,
    /// Commands that sudo told the audit log of Linux about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_user_cmd: Option<Runs>,
    /// Exported reports of Microsoft Intune.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intune: Option<Runs>,
    /// SAP Privileges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Runs>,
    /// Santa.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub santa: Option<Runs>,
    /// Elevated processes that both 4688 and Sysmon recorded.
    pub same_process: u64,
    /// Stretches that should hold a record and cannot be read.
    pub unreadable: u64,
    /// Records of no interest, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// The line of JSON, without a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Counts what a source hands on.
#[derive(Clone, Debug)]
pub struct Counter {
    summary: Summary,
    starts: Vec<Start>,
}

/// An elevated start that either sensor saw, ordered as [`sightings::join`] needs it within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    group: Group,
    observed_at_us: i64,
    key: Option<SourceKey>,
    sensor: Sensor,
}

impl Counter {
    /// A counter for `file`, which appears in the summary as it is written here.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self {
            summary: Summary {
                file: file.to_string_lossy().into_owned(),
                ..Summary::default()
            },
            starts: Vec::new(),
        }
    }

    /// What was counted.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        self.settle();
        self.summary
    }

    fn start(&mut self, kind: SensorKind, process: &ProcessKey, observation: &Observation) {
        let sighting = Sighting {
            kind,
            device: &process.device,
            file_path: &process.image,
            pid: process.pid,
            ..Sighting::default()
        };
        let Some((group, sensor)) = sighting.place() else {
            return;
        };
        if self.starts.len() >= STARTS {
            self.settle();
        }
        self.starts.push(Start {
            group,
            observed_at_us: observation.observed_at_us,
            key: observation.source_key,
            sensor,
        });
    }

    // Counts the pairs as the tables will join them, where a copy of an event is no second one.
    fn settle(&mut self) {
        let mut starts = std::mem::take(&mut self.starts);
        starts.sort_unstable();
        starts.dedup_by(|one, other| one.key.is_some() && one == other);
        for group in starts.chunk_by_mut(|one, other| one.group == other.group) {
            let sets = sightings::join(group, |start| (start.observed_at_us, start.sensor));
            self.summary.same_process += sets.iter().filter(|set| set.len() > 1).count() as u64;
        }
    }

    fn count(&mut self, reading: &Reading) {
        let summary = &mut self.summary;
        let runs = match reading.sensor {
            SensorKind::Security4688 => {
                return self.count_start(reading, |summary| &mut summary.security_4688);
            }
            SensorKind::Sysmon1 => {
                return self.count_start(reading, |summary| &mut summary.sysmon_1);
            }
            SensorKind::SudoSyslog
            | SensorKind::SudoLogfile
            | SensorKind::SudoEventJson
            | SensorKind::SudoIoLog
            | SensorKind::SudoLogServer => &mut summary.sudo,
            SensorKind::Pkexec => &mut summary.pkexec,
            SensorKind::Su => &mut summary.su,
            SensorKind::Doas => &mut summary.doas,
            SensorKind::AuditExecve => &mut summary.audit,
            SensorKind::AuditUserCmd => &mut summary.audit_user_cmd,
            SensorKind::Intune => &mut summary.intune,
            SensorKind::SapPrivileges => &mut summary.privileges,
            SensorKind::Santa => &mut summary.santa,
            SensorKind::Unspecified
            | SensorKind::Broker
            | SensorKind::Simulated
            | SensorKind::FollowedLog
            | SensorKind::SelfTest
            | SensorKind::KernelAudit => return,
        };
        count_run(runs.get_or_insert_default(), reading.verdict);
    }

    fn count_start(
        &mut self,
        reading: &Reading,
        of: fn(&mut Summary) -> &mut Option<ProcessStarts>,
    ) {
        let starts = of(&mut self.summary).get_or_insert_default();
        starts.records += 1;
        match reading.verdict {
            Verdict::Elevated if reading.account == AccountClass::Service => {
                starts.elevations += 1;
                starts.by_service += 1;
            }
            Verdict::Elevated => {
                starts.elevations += 1;
                starts.by_user += 1;
            }
            Verdict::Undecided => starts.undecided += 1,
            _ => {}
        }
        if let (Some(process), Some(observation)) = (&reading.process, &reading.observation)
            && reading.verdict == Verdict::Elevated
        {
            self.start(reading.sensor, process, observation);
        }
    }
}

fn count_run(runs: &mut Runs, verdict: Verdict) {
    match verdict {
        Verdict::Elevated => {
            runs.records += 1;
            runs.elevations += 1;
        }
        Verdict::NotElevated | Verdict::Undecided => runs.records += 1,
        Verdict::Denied => runs.denied += 1,
        Verdict::Exit => {}
    }
}

impl Readings for Counter {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        self.count(&reading);
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, _detail: &str) -> ControlFlow<()> {
        self.summary.unreadable += 1;
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        *self.summary.skipped.entry(reason).or_default() += 1;
        ControlFlow::Continue(())
    }
}
