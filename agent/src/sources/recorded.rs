//! Keeps what a source hands on, for the tests of the readers here.

use std::ops::ControlFlow;

use epm_proto::v1;

use crate::source::{Reading, Readings, Verdict};

use super::TextTime;
use super::format::{Format, Reading as How};

/// Everything that was handed on, in order and by kind.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) readings: Vec<Reading>,
    pub(crate) unreadable: Vec<String>,
    pub(crate) skipped: Vec<&'static str>,
}

impl Readings for Recorded {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        self.readings.push(reading);
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.unreadable.push(detail.to_owned());
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        self.skipped.push(reason);
        ControlFlow::Continue(())
    }
}

impl Recorded {
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.readings
            .iter()
            .map(|reading| reading.verdict)
            .collect()
    }

    pub(crate) fn elevation(&self, at: usize) -> &v1::Elevation {
        let observation = self.readings[at].observation.as_ref();
        match &observation.expect("a stored reading").body {
            v1::record::Body::Elevation(elevation) => elevation,
            other => panic!("an elevation, not {other:?}"),
        }
    }

    pub(crate) fn exit(&self, at: usize) -> &v1::ElevationExit {
        let observation = self.readings[at].observation.as_ref();
        match &observation.expect("a stored reading").body {
            v1::record::Body::ElevationExit(exit) => exit,
            other => panic!("an exit, not {other:?}"),
        }
    }

    /// Source keys of what would be stored.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let observations = self
            .readings
            .iter()
            .filter_map(|reading| reading.observation.as_ref());
        observations
            .map(|observation| {
                let key = observation
                    .source_key
                    .expect("sudo gives every record a key");
                key.as_bytes().to_vec()
            })
            .collect()
    }
}

/// 2026-11-24 in UTC.
pub(crate) fn time() -> TextTime {
    TextTime {
        reference_us: 1_795_478_400_000_000,
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// What `format` reads in `text`.
pub(crate) fn read_text(format: &Format, text: &str) -> Recorded {
    let How::Pieces(new_reader) = format.reading else {
        panic!("{format} is not read in pieces");
    };
    let mut recorded = Recorded::default();
    let mut reader = new_reader();
    let _ = reader.bytes(text.as_bytes(), &time(), &mut recorded);
    let _ = reader.finish(&time(), &mut recorded);
    recorded
}
