//! What sudo tells a log server of a run, made into the record that its JSON logs are read into. It must not decide what
//! the record means.

use super::message::{Info, TimeSpec, Value};
use crate::sources::sudo::json_record::{Record, Time};

/// The variable in which sudo names its caller's user id.
const USER_ID: &str = "SUDO_UID=";

/// The record of a run or a refusal. A later value of a key replaces an earlier one.
pub(super) fn record(submitted: Option<TimeSpec>, infos: Vec<Info>, reason: &[u8]) -> Record {
    let mut record = Record {
        submit_time: submitted.map(time),
        reason: (!reason.is_empty()).then(|| text(reason)),
        ..Record::default()
    };
    for Info { key, value } in infos {
        let Some(value) = value else {
            continue;
        };
        match (key.as_str(), value) {
            ("uuid", Value::Text(value)) => record.uuid = Some(text(&value)),
            ("submituser", Value::Text(value)) => record.submituser = Some(text(&value)),
            ("submituid", Value::Number(value)) => record.submituid = Some(value),
            ("submithost", Value::Text(value)) => record.submithost = Some(text(&value)),
            ("submitcwd", Value::Text(value)) => record.submitcwd = Some(text(&value)),
            ("runcwd", Value::Text(value)) => record.runcwd = Some(text(&value)),
            ("ttyname", Value::Text(value)) => record.ttyname = Some(text(&value)),
            ("command", Value::Text(value)) => record.command = Some(text(&value)),
            ("runuser", Value::Text(value)) => record.runuser = Some(text(&value)),
            ("runuid", Value::Number(value)) => record.runuid = Some(value),
            ("runargv", Value::Texts(values)) => {
                record.runargv = Some(values.texts.iter().map(|value| text(value)).collect());
            }
            // The rest of the environment is nobody's business.
            ("runenv", Value::Texts(values)) => {
                let mut texts = values.texts.iter().map(|value| text(value));
                record.runenv = texts
                    .find(|pair| pair.starts_with(USER_ID))
                    .map(|id| vec![id]);
            }
            _ => {}
        }
    }
    record
}

/// Microseconds of a stretch of time.
pub(super) fn micros(time: TimeSpec) -> i64 {
    self::time(time).micros()
}

/// Nanoseconds of a stretch of time: commit points are compared to the nanosecond.
pub(super) fn nanos(time: TimeSpec) -> i64 {
    let seconds = time.seconds.saturating_mul(1_000_000_000);
    seconds.saturating_add(i64::from(time.nanoseconds))
}

/// Bytes of sudo's as text; what is no UTF-8 is marked.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn time(time: TimeSpec) -> Time {
    Time {
        seconds: time.seconds,
        nanoseconds: i64::from(time.nanoseconds),
    }
}
