//! The `log.json` of a sudo I/O log: one object about one run, with its exit where the run has ended.

use std::io::{self, Read};

use epm_proto::v1;

use crate::source::Readings;

use super::super::format::{self, Format};
use super::super::runs::Starts;
use super::json_record;
use super::members::{RECORD_LIMIT, top_level_keys};

/// The `log.json` of a sudo I/O log.
pub static FORMAT: Format = Format {
    name: "the log.json of a sudo I/O log",
    recognises: |head| {
        let keys = top_level_keys(head.bytes());
        let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
        has(&["command", "runargv", "submituser"])
            && has(&["timestamp", "server_time", "submit_time"])
    },
    reading: format::Reading::Whole(|file, _time, into| read(file, into)),
};

/// Reads the file. Errors are the reader's own; damage goes to `into`.
pub fn read<R: Read>(from: R, into: &mut dyn Readings) -> io::Result<()> {
    let mut text = Vec::new();
    from.take(RECORD_LIMIT as u64 + 1).read_to_end(&mut text)?;
    let reading = if text.len() > RECORD_LIMIT {
        Err("a record longer than 8 MiB")
    } else {
        json_record::parse(&text).and_then(|record| {
            record.start(v1::SensorKind::SudoIoLog, false, &mut Starts::default())
        })
    };
    let _ = match reading {
        Ok(reading) => into.reading(reading),
        Err(why) => into.unreadable(why),
    };
    Ok(())
}
