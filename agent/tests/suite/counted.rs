//! Takes readings and counts them as the importer's summary does. It must not look at what an observation holds.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use epm_agent::source::{ProcessKey, Reading, Readings, Verdict};
use epm_proto::v1::{AccountClass, SensorKind};

/// Readings of one sensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sensor {
    pub(crate) records: u64,
    pub(crate) elevations: u64,
    pub(crate) by_user: u64,
    pub(crate) by_service: u64,
    pub(crate) undecided: u64,
}

/// Everything that a source handed on.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) readings: Vec<Reading>,
    pub(crate) unreadable: Vec<String>,
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// After how many readings to ask the source to stop.
    pub(crate) stop_after: Option<usize>,
}

impl Readings for Counted {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        self.readings.push(reading);
        if self
            .stop_after
            .is_some_and(|limit| self.readings.len() >= limit)
        {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.unreadable.push(detail.to_owned());
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        *self.skipped.entry(reason).or_default() += 1;
        ControlFlow::Continue(())
    }
}

impl Counted {
    pub(crate) fn of(&self, sensor: SensorKind) -> Sensor {
        let mut counted = Sensor::default();
        for reading in self
            .readings
            .iter()
            .filter(|reading| reading.sensor == sensor)
        {
            counted.records += 1;
            match (reading.verdict, reading.account) {
                (Verdict::Undecided, _) => counted.undecided += 1,
                (Verdict::Elevated, account) => {
                    counted.elevations += 1;
                    counted.by_user += u64::from(account == AccountClass::Person);
                    counted.by_service += u64::from(account == AccountClass::Service);
                }
                _ => {}
            }
        }
        counted
    }

    /// Elevated processes that both sensors saw.
    pub(crate) fn same_process(&self) -> u64 {
        let keys = |sensor: SensorKind| -> HashSet<&ProcessKey> {
            let of_sensor = self
                .readings
                .iter()
                .filter(|reading| reading.sensor == sensor);
            of_sensor
                .filter_map(|reading| reading.process.as_ref())
                .collect()
        };
        keys(SensorKind::Security4688)
            .intersection(&keys(SensorKind::Sysmon1))
            .count() as u64
    }
}
