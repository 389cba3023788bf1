//! What becomes of an export's records: the first reading learns the names of people, the second tells what happened.

use std::ops::ControlFlow;

use crate::source::Readings;

use super::super::format::Flow;
use super::super::principals::{Names, Principals};
use super::columns::{Column, Record};
use super::denial::{self, MONTH_OF_ELEVATIONS, Month};
use super::export::Records;
use super::report::Report;
use super::request::Fate;
use super::{elevation, request};

/// Learns which names each device has seen.
#[derive(Debug)]
pub(super) struct Learn(pub(super) Names);

impl Records for Learn {
    fn record(&mut self, _report: Report, record: &Record<'_>, _into: &mut dyn Readings) -> Flow {
        let device_name = record.text(Column::DeviceName);
        self.0
            .learn(device_of(record), device_name, record.text(Column::User));
        ControlFlow::Continue(())
    }
}

/// Tells what each record means.
#[derive(Debug)]
pub(super) struct Tell {
    principals: Principals,
    month: Month,
}

impl Tell {
    /// `written_us` is when the export was written, in microseconds since 1970.
    pub(super) fn new(principals: Principals, written_us: i64) -> Self {
        Self {
            principals,
            month: Month::of(written_us),
        }
    }
}

impl Records for Tell {
    fn record(&mut self, report: Report, record: &Record<'_>, into: &mut dyn Readings) -> Flow {
        let principal = self
            .principals
            .of(device_of(record), record.text(Column::User));
        let reading = match report {
            Report::Elevations => elevation::read(record, principal),
            Report::Denials if denial::counts_elevations(record) => {
                return into.skipped(MONTH_OF_ELEVATIONS);
            }
            Report::Denials => denial::read(record, principal, self.month),
            Report::Requests => match request::read(record, principal) {
                Ok(Fate::Denied(reading)) => Ok(*reading),
                Ok(Fate::Skipped(reason)) => return into.skipped(reason),
                Err(why) => Err(why),
            },
        };
        match reading {
            Ok(reading) => into.reading(reading),
            Err(why) => into.unreadable(why),
        }
    }
}

/// What names the device: its id, or its name where the export was made without.
fn device_of<'a>(record: &'a Record<'_>) -> &'a str {
    match record.text(Column::DeviceId) {
        "" => record.text(Column::DeviceName),
        id => id,
    }
}
