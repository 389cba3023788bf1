//! Clocks of computers whose exporter wrote their local time as if it were UTC, set right by Sysmon.
//!
//! Every Sysmon event says when it happened by itself, in UTC, and the exporter says it once more in its own way. Where
//! the two differ by whole quarters of an hour, that is the zone which the exporter forgot, and it forgot it for the
//! Security events of that computer too. So these wait a little for the next event of Sysmon. Without Sysmon nothing is
//! changed.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use crate::source::{Reading, Readings};
use crate::sources::format::Flow;
use crate::sources::windows::ZONE_STEP_S;

/// Readings that wait for Sysmon. It writes its event of a process within milliseconds: between the two stand hardly
/// more events than this.
const WAITING: usize = 256;
/// Bytes of the objects that they were read from, at which no more wait: absurd command lines must not add up.
const WAITING_BYTES: usize = 4 << 20;
/// Computers whose clocks are remembered: more than forward to one collector. Beyond them all are learnt anew.
const COMPUTERS: usize = 16_384;

const STEP_US: i64 = ZONE_STEP_S * 1_000_000;
/// Sysmon's events are written within seconds; what is further from a whole step is no zone.
const DELAY_US: i64 = 60_000_000;
/// Zones lie within 26 hours of one another.
const ZONES_US: i64 = 26 * 3_600_000_000;

/// What an exporter wrote for the time of an event of Sysmon.
#[derive(Clone, Copy, Debug)]
struct Clock {
    written_us: i64,
    ahead_us: i64,
}

/// A reading whose time may be wrong.
#[derive(Debug)]
struct Waiting {
    computer: String,
    reading: Reading,
    bytes: usize,
}

/// The clocks that are known, and what waits for one.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    known: HashMap<String, Clock>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

impl Clocks {
    /// Learns from an event of Sysmon on `computer` that happened at `happened_us` and that the exporter puts at
    /// `written_us`. What waited for that goes to `into`.
    pub(super) fn learn(
        &mut self,
        computer: &str,
        written_us: i64,
        happened_us: i64,
        into: &mut dyn Readings,
    ) -> Flow {
        let Some(ahead_us) = ahead(written_us.saturating_sub(happened_us)) else {
            return ControlFlow::Continue(());
        };
        let clock = Clock {
            written_us,
            ahead_us,
        };
        let computer = computer.to_lowercase();
        let before = self.known.get(&computer).copied();
        if before.is_none() && self.known.len() >= COMPUTERS {
            self.known.clear();
        }
        let flow = self.release(&computer, before, clock, into);
        self.known.insert(computer, clock);
        flow
    }

    /// Hands on `reading` of an event of `computer`, at once or once its time can be set right. It was read from
    /// `bytes` bytes.
    pub(super) fn set_right(
        &mut self,
        computer: &str,
        reading: Reading,
        bytes: usize,
        into: &mut dyn Readings,
    ) -> Flow {
        if reading.observation.is_none() {
            return into.reading(reading);
        }
        while self.waiting.len() >= WAITING || self.waiting_bytes + bytes > WAITING_BYTES {
            if self.waiting.is_empty() {
                break;
            }
            self.release_oldest(into)?;
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting {
            computer: computer.to_lowercase(),
            reading,
            bytes,
        });
        ControlFlow::Continue(())
    }

    /// Hands on all that waits.
    pub(super) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        while !self.waiting.is_empty() {
            self.release_oldest(into)?;
        }
        ControlFlow::Continue(())
    }

    fn release_oldest(&mut self, into: &mut dyn Readings) -> Flow {
        let Some(oldest) = self.waiting.pop_front() else {
            return ControlFlow::Continue(());
        };
        self.waiting_bytes -= oldest.bytes;
        let clock = self.known.get(&oldest.computer).copied();
        into.reading(by(clock, clock, oldest.reading))
    }

    fn release(
        &mut self,
        computer: &str,
        before: Option<Clock>,
        after: Clock,
        into: &mut dyn Readings,
    ) -> Flow {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get(at) {
            if waiting.computer != computer {
                at += 1;
                continue;
            }
            if let Some(waiting) = self.waiting.remove(at) {
                self.waiting_bytes -= waiting.bytes;
                into.reading(by(before, Some(after), waiting.reading))?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// The reading with its time set right by the clock that was read nearer to it.
fn by(before: Option<Clock>, after: Option<Clock>, mut reading: Reading) -> Reading {
    if let Some(observation) = &mut reading.observation {
        let written_us = observation.observed_at_us;
        let clocks = before.into_iter().chain(after);
        let nearer = clocks.min_by_key(|clock| clock.written_us.abs_diff(written_us));
        let ahead_us = nearer.map_or(0, |clock| clock.ahead_us);
        observation.observed_at_us = written_us.saturating_sub(ahead_us);
    }
    reading
}

/// How far a clock is ahead that shows a difference of `difference_us`; nothing where no zone explains that.
fn ahead(difference_us: i64) -> Option<i64> {
    let ahead_us = difference_us
        .saturating_add(STEP_US / 2)
        .div_euclid(STEP_US)
        .saturating_mul(STEP_US);
    let is_zone = ahead_us.saturating_abs() <= ZONES_US;
    let is_near = difference_us.abs_diff(ahead_us) <= DELAY_US.unsigned_abs();
    (is_zone && is_near).then_some(ahead_us)
}

#[cfg(test)]
mod tests {
    use epm_proto::v1;

    use super::*;
    use crate::source::{Observation, Verdict};
    use crate::sources::recorded::Recorded;

    const HOUR_US: i64 = 3_600_000_000;

    fn reading(written_us: i64) -> Reading {
        Reading {
            sensor: v1::SensorKind::Security4688,
            verdict: Verdict::Elevated,
            account: v1::AccountClass::Person,
            process: None,
            observation: Some(Observation {
                observed_at_us: written_us,
                source_key: None,
                class: v1::RecordClass::Unmanaged,
                body: v1::record::Body::Elevation(v1::Elevation::default()),
            }),
        }
    }

    fn times(recorded: &Recorded) -> Vec<i64> {
        let observations = recorded
            .readings
            .iter()
            .filter_map(|reading| reading.observation.as_ref());
        observations.map(|seen| seen.observed_at_us).collect()
    }

    #[test]
    fn what_waits_is_set_right_by_the_nearer_clock() {
        let (mut clocks, mut into) = (Clocks::default(), Recorded::default());
        let _ = clocks.learn("PC", 10_000, 10_000 + 7 * HOUR_US, &mut into);
        for (computer, written_us) in [("pc", 11_000), ("PC", 90_000_000), ("other", 5)] {
            let _ = clocks.set_right(computer, reading(written_us), 1, &mut into);
        }
        assert!(times(&into).is_empty());
        let _ = clocks.learn("pc", 91_000_000, 91_000_000 + 19 * HOUR_US, &mut into);
        assert_eq!(
            times(&into),
            [11_000 + 7 * HOUR_US, 90_000_000 + 19 * HOUR_US]
        );
        let _ = clocks.settle(&mut into);
        assert_eq!(times(&into)[2..], [5]);
    }

    #[test]
    fn a_delay_is_no_zone() {
        assert_eq!(ahead(3_000_000), Some(0));
        assert_eq!(ahead(-19 * HOUR_US + 3_000_000), Some(-19 * HOUR_US));
        assert_eq!(
            ahead(5 * HOUR_US + HOUR_US / 2 + 9_000),
            Some(5 * HOUR_US + HOUR_US / 2)
        );
        assert_eq!(ahead(300_000_000), None);
        assert_eq!(ahead(27 * HOUR_US), None);
        assert_eq!((ahead(i64::MAX), ahead(i64::MIN)), (None, None));
    }

    #[test]
    fn few_wait_and_all_are_handed_on_in_order() {
        let (mut clocks, mut into) = (Clocks::default(), Recorded::default());
        let count = 3 * WAITING as i64;
        for written_us in 0..count {
            let _ = clocks.set_right("pc", reading(written_us), 1, &mut into);
        }
        assert_eq!(times(&into).len(), 2 * WAITING);
        let _ = clocks.set_right("pc", reading(count), 2 * WAITING_BYTES, &mut into);
        assert_eq!(clocks.waiting.len(), 1);
        let _ = clocks.set_right("pc", reading(count + 1), 1, &mut into);
        let _ = clocks.settle(&mut into);
        assert_eq!(times(&into), (0..count + 2).collect::<Vec<_>>());
        assert_eq!(clocks.waiting_bytes, 0);
    }
}
