//! What sudo says of one run: the same fields stand in its JSON event log, in the `log.json` of an I/O log, and in what
//! it sends to a log server.

use epm_proto::ids::SourceKey;
use epm_proto::v1;
use serde::Deserialize;

use crate::source::{Observation, Reading, Verdict};

use super::super::command::{file_name, joined};
use super::super::runs::{Start, Starts};
use super::super::unmanaged::{exit_of, reading_of};
use super::seen_by;

/// What is read of a record; everything else in it is passed over.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record {
    pub(crate) uuid: Option<String>,
    pub(crate) submit_time: Option<Time>,
    pub(crate) server_time: Option<Time>,
    pub(crate) timestamp: Option<Time>,
    pub(crate) exit_time: Option<Time>,
    pub(crate) run_time: Option<Time>,
    pub(crate) submituser: Option<String>,
    pub(crate) submituid: Option<i64>,
    pub(crate) submithost: Option<String>,
    pub(crate) submitcwd: Option<String>,
    pub(crate) runcwd: Option<String>,
    pub(crate) ttyname: Option<String>,
    pub(crate) command: Option<String>,
    pub(crate) runuser: Option<String>,
    pub(crate) runuid: Option<i64>,
    pub(crate) runargv: Option<Vec<String>>,
    pub(crate) runenv: Option<Vec<String>>,
    pub(crate) reason: Option<String>,
    pub(crate) exit_value: Option<i64>,
    pub(crate) signal: Option<String>,
    /// sudo's own process. It says this nowhere; who talks to it may know.
    #[serde(skip)]
    pub(crate) sudo_pid: Option<u64>,
}

/// A moment or a stretch of time as sudo writes it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    #[serde(default)]
    pub(crate) nanoseconds: i64,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) observed_at_us: i64,
    pub(crate) lasted_us: Option<i64>,
    pub(crate) exit_value: Option<i64>,
    /// Name of the signal that ended it, or empty.
    pub(crate) signal: String,
}

impl Time {
    pub(crate) fn micros(&self) -> i64 {
        self.seconds
            .saturating_mul(1_000_000)
            .saturating_add(self.nanoseconds / 1_000)
    }
}

/// Reads one record; what is wrong where it cannot be read.
pub(super) fn parse(value: &[u8]) -> Result<Record, &'static str> {
    // sudo writes names and arguments as it got them, whatever their encoding.
    let text = String::from_utf8_lossy(value);
    serde_json::from_str(&text).map_err(|_| "a record whose fields cannot be read")
}

impl Record {
    /// The reading of a start or a denial, remembered in `starts` for its exit.
    pub(super) fn start(
        self,
        sensor: v1::SensorKind,
        is_denied: bool,
        starts: &mut Starts,
    ) -> Result<Reading, &'static str> {
        let uuid = self.uuid.clone();
        let (reading, start) = self.begin(sensor, is_denied)?;
        if let (Some(uuid), Some(start)) = (uuid, start) {
            starts.open(&[uuid.as_bytes()], start);
        }
        Ok(reading)
    }

    /// The reading of a start or a denial; for a start also what its exit has to be joined to.
    pub(crate) fn begin(
        self,
        sensor: v1::SensorKind,
        is_denied: bool,
    ) -> Result<(Reading, Option<Start>), &'static str> {
        let Some(user) = self.submituser.as_deref() else {
            return Err("a record without a user");
        };
        let command = self.command.as_deref().unwrap_or_default();
        if command.is_empty() && !is_denied {
            return Err("a record without a command");
        }
        let Some(observed_at_us) = self.time() else {
            return Err("a record without a time");
        };
        let verdict = if is_denied {
            Verdict::Denied
        } else {
            self.verdict()
        };
        let source_key = self.key(observed_at_us, user, command);
        let start = (!is_denied).then_some(Start {
            source_key,
            observed_at_us,
            is_stored: verdict != Verdict::NotElevated,
        });
        let elevation = self.elevation(user, command);
        let seen = seen_by(sensor);
        let reading = reading_of(verdict, seen, observed_at_us, source_key, elevation);
        Ok((reading, start))
    }

    /// The reading of an end. Without its start in this file, the start is named by the uuid and the time that the run
    /// took.
    pub(super) fn exit(
        self,
        sensor: v1::SensorKind,
        starts: &mut Starts,
    ) -> Result<Reading, &'static str> {
        let Some(uuid) = self.uuid.as_deref() else {
            return Err("an exit without the uuid of its start");
        };
        let ended = self.exit_time.as_ref().or(self.server_time.as_ref());
        let Some(observed_at_us) = ended.map(Time::micros) else {
            return Err("an exit without a time");
        };
        let lasted_us = self.run_time.as_ref().map(Time::micros);
        let start = starts.close(&[uuid.as_bytes()]).unwrap_or_else(|| Start {
            source_key: uuid_key(uuid, b"start"),
            observed_at_us: observed_at_us.saturating_sub(lasted_us.unwrap_or(0)),
            is_stored: true,
        });
        let end = End {
            observed_at_us,
            lasted_us,
            exit_value: self.exit_value,
            signal: self.signal.unwrap_or_default(),
        };
        Ok(exit_reading(sensor, &start, end, uuid_key(uuid, b"exit")))
    }

    fn time(&self) -> Option<i64> {
        let time = self.submit_time.as_ref();
        let time = time.or(self.timestamp.as_ref());
        time.or(self.server_time.as_ref()).map(Time::micros)
    }

    fn verdict(&self) -> Verdict {
        match (self.runuid, self.runuser.as_deref()) {
            (Some(0), _) | (None, Some("root")) => Verdict::Elevated,
            (None, None) => Verdict::Undecided,
            _ => Verdict::NotElevated,
        }
    }

    // An event log and an I/O log of one run carry the same uuid and so give the same key.
    fn key(&self, observed_at_us: i64, user: &str, command: &str) -> SourceKey {
        if let Some(uuid) = &self.uuid {
            return uuid_key(uuid, b"start");
        }
        let host = self
            .submithost
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
        // Nanoseconds tell runs apart that differ in nothing else.
        let time = self.submit_time.as_ref().or(self.timestamp.as_ref());
        let nanoseconds = time.map_or(0, |time| time.nanoseconds);
        let arguments = self.arguments();
        SourceKey::derive(&[
            b"sudo",
            b"json",
            host.as_bytes(),
            &observed_at_us.to_le_bytes(),
            &nanoseconds.to_le_bytes(),
            user.as_bytes(),
            command.as_bytes(),
            arguments.as_bytes(),
        ])
    }

    // Arguments behind the program, quoted where a blank or a quote would hide where one ends.
    fn arguments(&self) -> String {
        let arguments = self.runargv.as_deref().unwrap_or_default();
        joined(arguments.iter().skip(1))
    }

    fn elevation(&self, user: &str, command: &str) -> v1::Elevation {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let run_as = match self.verdict() {
            Verdict::Elevated => v1::RunAs::Root,
            Verdict::Undecided => v1::RunAs::Unspecified,
            _ => v1::RunAs::Other,
        };
        let terminal = text(&self.ttyname);
        let environment = self.runenv.as_deref().unwrap_or_default();
        let of_environment = || {
            let mut values = environment.iter();
            values.find_map(|pair| pair.strip_prefix("SUDO_UID="))
        };
        let user_id = match self.submituid {
            Some(id) => id.to_string(),
            None => of_environment().unwrap_or_default().to_owned(),
        };
        let cwd = self.runcwd.as_ref().or(self.submitcwd.as_ref());
        v1::Elevation {
            run_as: run_as.into(),
            result_code: self.exit_value,
            duration_ms: self.run_time.as_ref().map(Time::micros).and_then(millis),
            reason: text(&self.reason),
            user: Some(v1::User {
                user_id,
                user_name_raw: user.to_owned(),
                target_user_name: text(&self.runuser),
                target_user_id: self.runuid.map(|id| id.to_string()).unwrap_or_default(),
                ..v1::User::default()
            }),
            device: Some(v1::Device {
                device_name: text(&self.submithost),
                ..v1::Device::default()
            }),
            file: Some(v1::File {
                path: command.to_owned(),
                file_name: file_name(command),
                arguments: self.arguments(),
                ..v1::File::default()
            }),
            process: Some(v1::Process {
                parent_pid: self.sudo_pid.unwrap_or(0),
                parent_path: self.sudo_pid.map(|_| "sudo".to_owned()).unwrap_or_default(),
                working_directory: cwd.cloned().unwrap_or_default(),
                terminal: terminal
                    .strip_prefix("/dev/")
                    .unwrap_or(&terminal)
                    .to_owned(),
                process_guid: text(&self.uuid),
                ..v1::Process::default()
            }),
            repeat_count: 1,
            ..v1::Elevation::default()
        }
    }
}

/// The reading of the end of `start`; `source_key` names it.
pub(crate) fn exit_reading(
    sensor: v1::SensorKind,
    start: &Start,
    end: End,
    source_key: SourceKey,
) -> Reading {
    let observation = start.is_stored.then(|| Observation {
        observed_at_us: end.observed_at_us,
        source_key: Some(source_key),
        class: v1::RecordClass::Unmanaged,
        body: v1::record::Body::ElevationExit(v1::ElevationExit {
            start_key: start.source_key.as_bytes().to_vec(),
            start_observed_at_us: start.observed_at_us,
            result_code: end.exit_value,
            duration_ms: end.lasted_us.and_then(millis),
            signal: end.signal,
        }),
    });
    exit_of(sensor, observation)
}

fn uuid_key(uuid: &str, kind: &[u8]) -> SourceKey {
    let uuid = uuid.to_lowercase();
    SourceKey::derive(&[b"sudo", b"uuid", uuid.as_bytes(), kind])
}

fn millis(micros: i64) -> Option<u64> {
    u64::try_from(micros).ok().map(|micros| micros / 1_000)
}
