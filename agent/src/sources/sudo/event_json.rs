//! sudo's JSON event log: one object with the keys `accept`, `exit` and `reject` again and again, or an object a line.

use std::io::{self, BufRead, BufReader};

use epm_proto::v1;

use crate::source::Readings;

use super::super::format::{self, Format};
use super::super::runs::Starts;
use super::json_record;
use super::members::{Member, Members, top_level_keys};

const SENSOR: v1::SensorKind = v1::SensorKind::SudoEventJson;

/// sudo's JSON event log.
pub static FORMAT: Format = Format {
    name: "sudo's JSON event log",
    recognises: |head| {
        let keys = top_level_keys(head.bytes());
        let begins = ["accept", "reject", "exit"];
        keys.iter().any(|key| begins.contains(&key.as_str()))
    },
    reading: format::Reading::Whole(|file, _time, into| read(BufReader::new(file), into)),
};

/// Reads a whole log. Errors are the reader's own; damage goes to `into`.
pub fn read<R: BufRead>(from: R, into: &mut dyn Readings) -> io::Result<()> {
    let mut members = Members::new(from);
    let mut starts = Starts::default();
    while let Some(member) = members.next()? {
        let reading = match member {
            Member::Damaged(why) => Err(why),
            Member::Value { key, value } => match key {
                b"accept" | b"reject" => json_record::parse(value)
                    .and_then(|record| record.start(SENSOR, key == b"reject", &mut starts)),
                b"exit" => {
                    json_record::parse(value).and_then(|record| record.exit(SENSOR, &mut starts))
                }
                b"alert" => {
                    if into.skipped("alert").is_break() {
                        return Ok(());
                    }
                    continue;
                }
                _ => {
                    if into.skipped("other_event").is_break() {
                        return Ok(());
                    }
                    continue;
                }
            },
        };
        let flow = match reading {
            Ok(reading) => into.reading(reading),
            Err(why) => into.unreadable(why),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
