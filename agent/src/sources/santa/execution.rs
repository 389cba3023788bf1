//! A program that Santa saw start, made into a reading. It must not know how the event was written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::ControlFlow;

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Readings, Verdict};

use super::super::digest;
use super::super::format::Flow;
use super::super::unmanaged::{Seen, reading_of};
use super::NO_PERSON;
use super::lineage::{self, Lineage, Person};

/// What an event says of a start. Absent parts are empty.
#[derive(Debug, Default)]
pub(super) struct Execution<'a> {
    pub(super) observed_at_us: i64,
    pub(super) machine: &'a str,
    pub(super) pid: i64,
    pub(super) pid_version: i64,
    pub(super) parent_pid: Option<i64>,
    pub(super) real_uid: Option<i64>,
    pub(super) real_user: &'a str,
    /// Absent where the log does not tell it from the real one.
    pub(super) effective_uid: Option<i64>,
    pub(super) is_denied: bool,
    pub(super) reason: &'a str,
    pub(super) path: &'a str,
    pub(super) arguments: String,
    pub(super) sha256: &'a str,
    pub(super) signer: &'a str,
    pub(super) certificate_sha256: &'a str,
    pub(super) working_directory: &'a str,
    pub(super) terminal: &'a str,
    pub(super) parent_path: &'a str,
}

/// The device of a process in [`Lineage`].
pub(super) fn device_of(machine: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    machine.hash(&mut hasher);
    hasher.finish()
}

impl Execution<'_> {
    /// Hands on what the start means.
    pub(super) fn tell(self, lineage: &mut Lineage, into: &mut dyn Readings) -> Flow {
        let device = device_of(self.machine);
        let parent = self.parent_pid.map(|pid| (device, pid));
        let user = self.real_uid.map(|uid| (uid, self.real_user));
        let person = lineage.started((device, self.pid), parent, user, self.path);
        let is_root = self.effective_uid.or(self.real_uid) == Some(0);
        // The way in is no elevation of its own: what it starts is.
        let is_way = self.real_uid != Some(0) && lineage::way_of(self.path).is_some();
        match person {
            None if is_root => into.skipped(NO_PERSON),
            Some(person) if is_root && !is_way => self.elevation(person, into),
            _ => into.reading(reading_of(
                Verdict::NotElevated,
                seen_by(v1::Trigger::Unspecified),
                self.observed_at_us,
                self.key(),
                v1::Elevation::default(),
            )),
        }
    }

    fn elevation(self, person: Person, into: &mut dyn Readings) -> Flow {
        let (verdict, reason) = match self.is_denied {
            true => (Verdict::Denied, self.reason),
            false => (Verdict::Elevated, ""),
        };
        let trigger = match self.real_uid {
            Some(0) | None => person.way,
            Some(_) => v1::Trigger::Setuid,
        };
        let elevation = v1::Elevation {
            run_as: v1::RunAs::Root.into(),
            reason: reason.to_owned(),
            user: Some(v1::User {
                user_id: person.uid.to_string(),
                user_name_raw: person.name,
                target_user_name: "root".to_owned(),
                target_user_id: "0".to_owned(),
                ..v1::User::default()
            }),
            device: Some(v1::Device {
                device_name: self.machine.to_owned(),
                ..v1::Device::default()
            }),
            file: Some(self.file()),
            process: Some(self.process()),
            repeat_count: 1,
            ..v1::Elevation::default()
        };
        let (at, key) = (self.observed_at_us, self.key());
        into.reading(reading_of(verdict, seen_by(trigger), at, key, elevation))?;
        ControlFlow::Continue(())
    }

    fn file(&self) -> v1::File {
        v1::File {
            path: self.path.to_owned(),
            file_name: self.path.rsplit('/').next().unwrap_or_default().to_owned(),
            sha256: digest::sha256(self.sha256).unwrap_or_default(),
            publisher_subject: match self.signer {
                "" => String::new(),
                name => format!("CN={}", name.replace(',', " ")),
            },
            certificate_thumbprint: self.certificate_sha256.to_owned(),
            arguments: self.arguments.clone(),
            ..v1::File::default()
        }
    }

    fn process(&self) -> v1::Process {
        let unsigned = |pid: i64| u64::try_from(pid).unwrap_or_default();
        v1::Process {
            pid: unsigned(self.pid),
            parent_pid: self.parent_pid.map(unsigned).unwrap_or_default(),
            parent_path: self.parent_path.to_owned(),
            working_directory: self.working_directory.to_owned(),
            terminal: self.terminal.to_owned(),
            ..v1::Process::default()
        }
    }

    /// An id of a process is used again after a restart, but not at the same moment.
    fn key(&self) -> SourceKey {
        SourceKey::derive(&[
            b"santa",
            self.machine.to_lowercase().as_bytes(),
            &self.observed_at_us.to_le_bytes(),
            &self.pid.to_le_bytes(),
            &self.pid_version.to_le_bytes(),
            self.path.as_bytes(),
        ])
    }
}

fn seen_by(trigger: v1::Trigger) -> Seen {
    Seen {
        sensor: v1::SensorKind::Santa,
        trigger,
        account: v1::AccountClass::Person,
    }
}
