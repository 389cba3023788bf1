//! A process start that some sensor saw, made into a reading.
//!
//! The sensors' readers settle what their events mean; here it becomes a record. It must not read event fields by
//! itself except those that both sensors share: where the event was logged, its number and its time.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use super::account::Account;
use super::fields::Fields;
use super::image;
use super::integrity::Integrity;
use crate::source::{Observation, ProcessKey, Reading, Verdict};

/// Zones differ by whole quarters of an hour: seconds.
pub(in crate::sources) const ZONE_STEP_S: i64 = 15 * 60;
const GUID_DIGITS: usize = 32;

/// What a sensor's event says of the start.
#[derive(Debug)]
pub(super) struct ProcessStart<'a> {
    pub(super) sensor: v1::SensorKind,
    pub(super) verdict: Verdict,
    pub(super) observed_at_us: i64,
    /// Whose rights the process has: what decides between person and service.
    pub(super) runs_as: Account<'a>,
    /// Who asked for it: what the record's user is.
    pub(super) user: Account<'a>,
    /// A consent prompt, or Windows in its place, made the process out of a person's split token.
    pub(super) is_consent: bool,
    /// The event hides the person behind the machine's account.
    pub(super) is_person_hidden: bool,
    pub(super) integrity: Option<Integrity>,
    /// The program and its version information.
    pub(super) file: v1::File,
    /// The process without what `integrity` says.
    pub(super) process: v1::Process,
}

impl ProcessStart<'_> {
    /// The reading; what is not elevated carries no observation.
    pub(super) fn into_reading(self, event: &Fields<'_>) -> Reading {
        let (sensor, verdict, account) = (self.sensor, self.verdict, self.runs_as.class());
        // Some collectors lose the process id: then nothing says which process it is.
        let is_known = verdict == Verdict::Elevated && self.process.pid != 0;
        let process = is_known.then(|| ProcessKey {
            device: image::short_host(event.computer()).to_lowercase(),
            pid: self.process.pid,
            image: self.file.path.to_lowercase(),
        });
        let observation =
            matches!(verdict, Verdict::Elevated | Verdict::Undecided).then(|| Observation {
                observed_at_us: self.observed_at_us,
                source_key: source_key(event, &self),
                class: v1::RecordClass::Unmanaged,
                body: v1::record::Body::Elevation(self.into_elevation(event.computer())),
            });
        Reading {
            sensor,
            verdict,
            account,
            process,
            observation,
        }
    }

    fn into_elevation(self, computer: &str) -> v1::Elevation {
        let (outcome, elevation_type) = if self.verdict == Verdict::Undecided {
            (v1::Outcome::Undecided, v1::ElevationType::Undetermined)
        } else {
            (v1::Outcome::Elevated, v1::ElevationType::Unmanaged)
        };
        let account = self.runs_as.class();
        let trigger = self.trigger(account);
        let user = v1::User {
            user_id: self.user.sid.to_owned(),
            user_name_raw: self.user.qualified(),
            user_type: self.user.user_type(computer).into(),
            target_user_name: self.runs_as.qualified(),
            target_user_id: self.runs_as.sid.to_owned(),
            ..v1::User::default()
        };
        let mut process = self.process;
        process.integrity_level = self
            .integrity
            .map(Integrity::word)
            .unwrap_or_default()
            .to_owned();
        process.system_initiated = match trigger {
            v1::Trigger::System => Some(true),
            v1::Trigger::OsRunas => Some(false),
            _ => None,
        };
        v1::Elevation {
            outcome: outcome.into(),
            management: v1::Management::Unmanaged.into(),
            decision_source: v1::DecisionSource::None.into(),
            elevation_type: elevation_type.into(),
            trigger: trigger.into(),
            run_as: run_as(account, &self.user, &self.runs_as).into(),
            sensor: self.sensor.into(),
            account_class: account.into(),
            user: Some(user),
            device: Some(v1::Device {
                device_name: computer.to_owned(),
                ..v1::Device::default()
            }),
            file: Some(self.file),
            process: Some(process),
            repeat_count: 1,
            ..v1::Elevation::default()
        }
    }

    /// A process that inherits its rights looks like one that a script started: that is left unsaid.
    fn trigger(&self, account: v1::AccountClass) -> v1::Trigger {
        match account {
            _ if self.is_consent => v1::Trigger::OsRunas,
            _ if self.is_person_hidden => v1::Trigger::Unspecified,
            v1::AccountClass::Service => v1::Trigger::System,
            v1::AccountClass::Person | v1::AccountClass::Unspecified => v1::Trigger::Unspecified,
        }
    }
}

fn run_as(account: v1::AccountClass, user: &Account<'_>, runs_as: &Account<'_>) -> v1::RunAs {
    match account {
        v1::AccountClass::Unspecified => v1::RunAs::Unspecified,
        v1::AccountClass::Person if user.is_same(runs_as) => v1::RunAs::CurrentUser,
        v1::AccountClass::Person | v1::AccountClass::Service => v1::RunAs::Other,
    }
}

/// The program at `path`; version information is the sensor's to add.
pub(super) fn file_at(path: String, command_line: String) -> v1::File {
    v1::File {
        file_name: image::file_name(&path).to_owned(),
        is_network_path: image::is_network_path(&path),
        arguments: command_line,
        path,
        ..v1::File::default()
    }
}

/// A logon id as records write it: lower-case hexadecimal after `0x`.
pub(super) fn logon_id_text(logon_id: Option<u64>) -> String {
    logon_id.map(|id| format!("{id:#x}")).unwrap_or_default()
}

/// The event's own name, the same in every copy of it: in the log itself and in whatever a collector made of it, which
/// may have left out the number, cut the time or shifted it by its own zone. So it is made of the first of these that
/// the event has:
///
/// 1. Sysmon's id of the process, which no other process has.
/// 2. Its number in its log, with the process and what no zone changes of its time, because numbers begin anew.
/// 3. All that it says of the process, with its time as written.
///
/// Absent where the event has no time either: two events could share a name.
fn source_key(event: &Fields<'_>, start: &ProcessStart<'_>) -> Option<SourceKey> {
    let sensor = start.sensor.as_str_name().as_bytes();
    let host = image::short_host(event.computer()).to_lowercase();
    let process = &start.process;
    if is_guid(&process.process_guid) {
        return Some(SourceKey::derive(&[
            b"windows",
            b"process",
            sensor,
            host.as_bytes(),
            process.process_guid.as_bytes(),
        ]));
    }
    let own_us = (start.observed_at_us != 0).then_some(start.observed_at_us);
    let created_at_us = event.created_at_us().or(own_us)?;
    let path = start.file.path.to_lowercase();
    let pid = process.pid.to_le_bytes();
    if let Some(record_id) = event.record_id() {
        let second = created_at_us.div_euclid(1_000_000).rem_euclid(ZONE_STEP_S);
        return Some(SourceKey::derive(&[
            b"windows",
            b"record",
            sensor,
            host.as_bytes(),
            &record_id.to_le_bytes(),
            &second.to_le_bytes(),
            &pid,
            path.as_bytes(),
        ]));
    }
    Some(SourceKey::derive(&[
        b"windows",
        b"content",
        sensor,
        host.as_bytes(),
        &created_at_us.div_euclid(1_000).to_le_bytes(),
        &pid,
        path.as_bytes(),
        start.file.arguments.as_bytes(),
        &process.parent_pid.to_le_bytes(),
        process.logon_id.as_bytes(),
        start.runs_as.name.to_lowercase().as_bytes(),
    ]))
}

/// Whether `text` is a GUID that names something.
fn is_guid(text: &str) -> bool {
    let digits = || text.bytes().filter(u8::is_ascii_hexdigit);
    digits().count() == GUID_DIGITS && digits().any(|digit| digit != b'0')
}
