//! Readings of text records, whichever log they stand in: runs, denials and exits, with their keys.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Observation, Reading, Readings, Verdict};

use super::super::command::file_name;
use super::super::format::Flow;
use super::super::runs::{Occurrences, Start, Starts};
use super::super::unmanaged::{exit_of, reading_of};
use super::message::{self, Exit, Message, Parsed, Target};
use super::seen_by;

/// One record of a text log, its lines joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextRecord<'a> {
    /// Host of the line; empty where the log names none.
    pub(super) host: &'a str,
    /// The stamp as written.
    pub(super) stamp: &'a [u8],
    /// The stamp as a moment; `None` where there is no such moment.
    pub(super) observed_at_us: Option<i64>,
    /// The line's tag with its process id (`sudo[123]`); empty where the log has none.
    pub(super) tag: &'a [u8],
    /// sudo's process; zero where the log does not say.
    pub(super) pid: u64,
    /// What sudo wrote, from the user on.
    pub(super) message: &'a [u8],
    /// How many identical messages the line stands for.
    pub(super) repeat_count: u32,
}

/// Turns text records into readings and joins exits to starts.
#[derive(Debug)]
pub(super) struct TextRuns {
    sensor: v1::SensorKind,
    log: &'static str,
    occurrences: Occurrences,
    starts: Starts,
}

impl TextRuns {
    /// `log` names the format in source keys and never changes.
    pub(super) fn new(sensor: v1::SensorKind, log: &'static str) -> Self {
        Self {
            sensor,
            log,
            occurrences: Occurrences::default(),
            starts: Starts::default(),
        }
    }

    /// Hands on what `record` says.
    pub(super) fn record(&mut self, record: TextRecord<'_>, into: &mut dyn Readings) -> Flow {
        let text = String::from_utf8_lossy(record.message);
        let message = match message::parse(&text) {
            Parsed::Run(message) => *message,
            Parsed::Other(reason) => return into.skipped(reason),
            Parsed::Broken(detail) => return into.unreadable(detail),
        };
        let Some(observed_at_us) = record.observed_at_us else {
            return into.unreadable("a sudo record whose stamp is no moment");
        };
        let host = record.host.to_lowercase();
        let occurrence = self
            .occurrences
            .next(record.stamp, &[host.as_bytes(), record.tag, record.message]);
        let start_text = message::start_of(&text).as_bytes();
        let same_run = [host.as_bytes(), record.tag, start_text];
        let reading = match &message.exit {
            Some(exit) => {
                // Without its start in this file, the start of the same second is the best that can be named.
                let start = self.starts.close(&same_run).unwrap_or_else(|| Start {
                    source_key: self.key(&record, &host, start_text, 0),
                    observed_at_us,
                    is_stored: true,
                });
                let source_key = self.key(&record, &host, record.message, occurrence);
                exit_of(
                    self.sensor,
                    start
                        .is_stored
                        .then(|| exit_observation(&start, exit, observed_at_us, source_key)),
                )
            }
            None => {
                let source_key = self.key(&record, &host, start_text, occurrence);
                let verdict = verdict(&message);
                if verdict != Verdict::Denied {
                    let start = Start {
                        source_key,
                        observed_at_us,
                        is_stored: verdict != Verdict::NotElevated,
                    };
                    self.starts.open(&same_run, start);
                }
                self.start(verdict, observed_at_us, source_key, &record, message)
            }
        };
        into.reading(reading)
    }

    fn start(
        &self,
        verdict: Verdict,
        observed_at_us: i64,
        source_key: SourceKey,
        record: &TextRecord<'_>,
        message: Message,
    ) -> Reading {
        let elevation = elevation(record, message);
        reading_of(
            verdict,
            seen_by(self.sensor),
            observed_at_us,
            source_key,
            elevation,
        )
    }

    fn key(
        &self,
        record: &TextRecord<'_>,
        host: &str,
        message: &[u8],
        occurrence: u64,
    ) -> SourceKey {
        SourceKey::derive(&[
            b"sudo",
            self.log.as_bytes(),
            host.as_bytes(),
            record.stamp,
            record.tag,
            message,
            &occurrence.to_le_bytes(),
        ])
    }
}

fn verdict(message: &Message) -> Verdict {
    match &message.target {
        _ if !message.reason.is_empty() => Verdict::Denied,
        Target::Account(name) if is_root(name) => Verdict::Elevated,
        Target::Account(_) => Verdict::NotElevated,
        Target::Unknown => Verdict::Undecided,
    }
}

fn is_root(name: &str) -> bool {
    name == "root" || name == "#0"
}

fn exit_observation(
    start: &Start,
    exit: &Exit,
    observed_at_us: i64,
    source_key: SourceKey,
) -> Observation {
    // Text logs know whole seconds only; a clock that was set back gives no duration.
    let lasted = observed_at_us.saturating_sub(start.observed_at_us);
    Observation {
        observed_at_us,
        source_key: Some(source_key),
        class: v1::RecordClass::Unmanaged,
        body: v1::record::Body::ElevationExit(v1::ElevationExit {
            start_key: start.source_key.as_bytes().to_vec(),
            start_observed_at_us: start.observed_at_us,
            result_code: exit.code,
            duration_ms: u64::try_from(lasted).ok().map(|us| us / 1_000),
            signal: exit.signal.clone(),
        }),
    }
}

fn elevation(record: &TextRecord<'_>, message: Message) -> v1::Elevation {
    let program = message::first_word(&message.command);
    let arguments = message.command[program.len()..].trim_start();
    let path = message::unescape_path(program);
    let (target, run_as) = match message.target {
        Target::Account(name) if is_root(&name) => (name, v1::RunAs::Root),
        Target::Account(name) => (name, v1::RunAs::Other),
        Target::Unknown => (String::new(), v1::RunAs::Unspecified),
    };
    let device_name = if message.host.is_empty() {
        record.host.to_owned()
    } else {
        message.host
    };
    v1::Elevation {
        run_as: run_as.into(),
        reason: message.reason,
        user: Some(v1::User {
            user_name_raw: message.user,
            target_user_id: if run_as == v1::RunAs::Root {
                "0".to_owned()
            } else {
                String::new()
            },
            target_user_name: target,
            ..v1::User::default()
        }),
        device: Some(v1::Device {
            device_name,
            ..v1::Device::default()
        }),
        file: Some(v1::File {
            file_name: file_name(&path),
            arguments: message::unescape(arguments),
            path,
            ..v1::File::default()
        }),
        process: Some(v1::Process {
            // sudo starts the program or becomes it.
            parent_pid: record.pid,
            parent_path: if record.pid == 0 { "" } else { "sudo" }.to_owned(),
            working_directory: message.cwd,
            terminal: message.tty,
            process_guid: message.tsid,
            ..v1::Process::default()
        }),
        repeat_count: record.repeat_count,
        ..v1::Elevation::default()
    }
}
