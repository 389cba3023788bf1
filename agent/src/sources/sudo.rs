//! What sudo writes: lines in auth.log, its own log file, its JSON event log and the `log.json` of an I/O log.
//!
//! Every reader streams, holds a bounded amount of memory and goes on behind damage. None of them guesses: a record that
//! does not say as whom the command ran is undecided.
//!
//! A source key is made of what the record says (host, stamp as written, message), never of a file name or a position,
//! so that a renamed, rotated or grown copy of a log gives the same keys. Stamps without a year therefore give the same
//! key in every year: a line that repeats to the letter and the second a year later counts once.

pub mod event_json;
pub mod io_log;
mod json_record;
mod lines;
pub mod logfile;
mod members;
mod message;
mod runs;
mod stamp;
pub mod syslog;
mod text_record;

use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::{Observation, Reading, Verdict};

/// How stamps without a year or a zone are read.
#[derive(Clone, Debug)]
pub struct TextTime {
    /// A moment not long before which the last record was written, such as the file's change time: microseconds since
    /// 1970. A stamp without a year belongs to the latest year that does not put it more than a day behind this.
    pub reference_us: i64,
    /// Zone of stamps that name none.
    pub zone: jiff::tz::TimeZone,
}

impl TextTime {
    /// Stamps written before `reference_us` in the zone of this machine.
    #[must_use]
    pub fn local(reference_us: i64) -> Self {
        Self {
            reference_us,
            zone: jiff::tz::TimeZone::system(),
        }
    }
}

/// Whether `line` (without its newline) has the shape of a syslog line.
pub(crate) fn is_syslog_line(line: &[u8]) -> bool {
    syslog::split(line).is_some()
}

/// Whether `line` (without its newline) begins a record of sudo's own log file.
pub(crate) fn is_logfile_line(line: &[u8]) -> bool {
    logfile::split(line).is_some()
}

pub(crate) use members::top_level_keys;

// Reading stops when whoever takes the readings asks for it; `?` on this is how.
type Flow = ControlFlow<()>;

// The reading of a run, a denial or a record that does not say, with its verdict as the outcome.
fn reading_of(
    verdict: Verdict,
    sensor: v1::SensorKind,
    observed_at_us: i64,
    source_key: epm_proto::ids::SourceKey,
    mut elevation: v1::Elevation,
) -> Reading {
    let outcome = match verdict {
        Verdict::Elevated => Some(v1::Outcome::Elevated),
        Verdict::Denied => Some(v1::Outcome::Denied),
        Verdict::Undecided => Some(v1::Outcome::Undecided),
        Verdict::NotElevated | Verdict::Exit => None,
    };
    let observation = outcome.map(|outcome| {
        elevation.outcome = outcome.into();
        elevation.management = v1::Management::Unmanaged.into();
        elevation.decision_source = v1::DecisionSource::None.into();
        elevation.elevation_type = match verdict {
            Verdict::Denied => v1::ElevationType::Deny,
            Verdict::Undecided => v1::ElevationType::Undetermined,
            _ => v1::ElevationType::Unmanaged,
        }
        .into();
        elevation.trigger = v1::Trigger::Sudo.into();
        elevation.sensor = sensor.into();
        elevation.account_class = v1::AccountClass::Person.into();
        Observation {
            observed_at_us,
            source_key: Some(source_key),
            class: v1::RecordClass::Unmanaged,
            body: v1::record::Body::Elevation(elevation),
        }
    });
    Reading {
        sensor,
        verdict,
        account: v1::AccountClass::Person,
        process: None,
        observation,
    }
}

// The reading of an end; without an observation where its start was not stored either.
fn exit_of(sensor: v1::SensorKind, observation: Option<Observation>) -> Reading {
    Reading {
        sensor,
        verdict: Verdict::Exit,
        account: v1::AccountClass::Person,
        process: None,
        observation,
    }
}

#[cfg(test)]
mod recorded;
