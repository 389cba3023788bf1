//! Clocks of computers whose exporter wrote their local time as if it were UTC, set right by Sysmon.
//!
//! Every Sysmon event says when it happened by itself, in UTC, and the exporter says it once more in its own way. Where
//! the two differ by whole quarters of an hour, that is the zone which the exporter forgot, and it forgot it for the
//! Security events of that computer too. So these wait a little for an event of Sysmon that was written close to them:
//! an exporter may be off by seven hours in the morning and, where it writes twelve hours without saying which half of
//! the day they are of, by nineteen in the afternoon. Without Sysmon nothing is changed.

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
/// A clock that was read this close to an event is the event's: it is not waited for a nearer one.
const CLOSE_US: u64 = 10_000_000;
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
    /// Of the clocks that were read, the one closest to it.
    nearest: Option<Clock>,
}

impl Waiting {
    /// Takes notice of `clock`; says whether it is close.
    fn learn(&mut self, clock: Clock) -> bool {
        let written_us = self.reading.observation.as_ref();
        let written_us = written_us.map_or(0, |observation| observation.observed_at_us);
        let distance_us = |clock: Clock| clock.written_us.abs_diff(written_us);
        let held_us = self.nearest.map_or(u64::MAX, distance_us);
        let offered_us = distance_us(clock);
        if offered_us <= held_us {
            self.nearest = Some(clock);
        }
        offered_us.min(held_us) <= CLOSE_US
    }

    /// The reading, with its time set right.
    fn settled(mut self) -> Reading {
        let ahead_us = self.nearest.map_or(0, |clock| clock.ahead_us);
        if let Some(observation) = &mut self.reading.observation {
            observation.observed_at_us = observation.observed_at_us.saturating_sub(ahead_us);
        }
        self.reading
    }
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
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            if waiting.computer == computer && waiting.learn(clock) {
                self.release(at, into)?;
            } else {
                at += 1;
            }
        }
        if self.known.len() >= COMPUTERS && !self.known.contains_key(&computer) {
            self.known.clear();
        }
        self.known.insert(computer, clock);
        ControlFlow::Continue(())
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
            self.release(0, into)?;
        }
        let computer = computer.to_lowercase();
        let known = self.known.get(&computer).copied();
        let mut waiting = Waiting {
            computer,
            reading,
            bytes,
            nearest: None,
        };
        if known.is_some_and(|clock| waiting.learn(clock)) {
            return into.reading(waiting.settled());
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(waiting);
        ControlFlow::Continue(())
    }

    /// Hands on all that waits.
    pub(super) fn settle(&mut self, into: &mut dyn Readings) -> Flow {
        while !self.waiting.is_empty() {
            self.release(0, into)?;
        }
        ControlFlow::Continue(())
    }

    fn release(&mut self, at: usize, into: &mut dyn Readings) -> Flow {
        let Some(waiting) = self.waiting.remove(at) else {
            return ControlFlow::Continue(());
        };
        self.waiting_bytes -= waiting.bytes;
        into.reading(waiting.settled())
    }
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

    const SECOND_US: i64 = 1_000_000;

    #[test]
    fn what_waits_is_set_right_by_the_nearest_clock() {
        let (mut clocks, mut into) = (Clocks::default(), Recorded::default());
        let _ = clocks.learn("PC", 0, 7 * HOUR_US, &mut into);
        for (computer, seconds) in [("pc", 11), ("PC", 90), ("other", 5)] {
            let _ = clocks.set_right(computer, reading(seconds * SECOND_US), 1, &mut into);
        }
        assert!(times(&into).is_empty());
        let later_us = 91 * SECOND_US;
        let _ = clocks.learn("pc", later_us, later_us + 19 * HOUR_US, &mut into);
        assert_eq!(times(&into), [90 * SECOND_US + 19 * HOUR_US]);
        let _ = clocks.set_right("pc", reading(later_us), 1, &mut into);
        assert_eq!(times(&into)[1..], [later_us + 19 * HOUR_US]);
        let _ = clocks.settle(&mut into);
        assert_eq!(
            times(&into)[2..],
            [11 * SECOND_US + 7 * HOUR_US, 5 * SECOND_US]
        );
    }

    #[test]
    fn all_of_one_log_before_all_of_sysmons_are_each_set_right_by_their_own_hour() {
        // An exporter that writes twelve hours: 11:35 is 18:35 elsewhere, and 07:30 in the evening is 02:30 there.
        let (mut clocks, mut into) = (Clocks::default(), Recorded::default());
        let written = [11 * HOUR_US, 7 * HOUR_US];
        for written_us in written {
            let _ = clocks.set_right("pc", reading(written_us), 1, &mut into);
        }
        for (written_us, ahead_us) in written.into_iter().zip([-7 * HOUR_US, -19 * HOUR_US]) {
            let _ = clocks.learn("pc", written_us + 4_000, written_us - ahead_us, &mut into);
        }
        assert_eq!(times(&into), [18 * HOUR_US, 26 * HOUR_US]);
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
