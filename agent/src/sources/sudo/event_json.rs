//! sudo's JSON event log: one object with the keys `accept`, `exit` and `reject` again and again, or an object a line.

use std::io::{self, BufRead};

use epm_proto::v1;

use crate::source::Readings;

use super::json_record;
use super::members::{Member, Members};
use super::runs::Starts;

const SENSOR: v1::SensorKind = v1::SensorKind::SudoEventJson;

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
