//! Which observations of several sensors are of one process: what a dry run of the agent counts by, and what the
//! processor joins rows by.
//!
//! Pure: the answer is a function of the set of observations, in whatever order they came. It must not read a record.

use crate::v1::SensorKind;

/// A sensor that sees what another one sees too. Of one process each sees one thing, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sensor {
    /// Windows Security event 4688.
    Security4688,
    /// Sysmon event 1.
    Sysmon1,
}

impl Sensor {
    /// The sensor, where others see the same processes.
    #[must_use]
    pub fn of(kind: SensorKind) -> Option<Self> {
        match kind {
            SensorKind::Security4688 => Some(Self::Security4688),
            SensorKind::Sysmon1 => Some(Self::Sysmon1),
            _ => None,
        }
    }

    /// How far apart sensors may date what they saw of one process, in microseconds.
    #[must_use]
    pub fn window_us(self) -> i64 {
        match self {
            // They differ by milliseconds, or by a second where an exporter cut it; a process id comes back later.
            Self::Security4688 | Self::Sysmon1 => 2_000_000,
        }
    }
}

/// Sorts the observations of one group and says which of them are of one process: each with the earliest of every
/// other sensor that follows it within the window, the earliest first. A set holds places in the sorted `group`.
///
/// `seen` tells when an observation was made, in microseconds, and by whom. The order of the type must begin with that
/// time and be total, or the answer depends on the order of arrival.
pub fn join<T: Ord>(group: &mut [T], seen: impl Fn(&T) -> (i64, Sensor)) -> Vec<Vec<usize>> {
    group.sort_unstable();
    let mut is_taken = vec![false; group.len()];
    let mut sets = Vec::new();
    for first in 0..group.len() {
        if is_taken[first] {
            continue;
        }
        let (from_us, sensor) = seen(&group[first]);
        let mut sensors = vec![sensor];
        let mut set = vec![first];
        for (at, other) in group.iter().enumerate().skip(first + 1) {
            let (at_us, other) = seen(other);
            if at_us.saturating_sub(from_us) > sensor.window_us() {
                break;
            }
            if !is_taken[at] && !sensors.contains(&other) {
                is_taken[at] = true;
                sensors.push(other);
                set.push(at);
            }
        }
        sets.push(set);
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::Sensor::{Security4688, Sysmon1};
    use super::*;

    fn joined(mut group: Vec<(i64, Sensor)>) -> Vec<Vec<(i64, Sensor)>> {
        let sets = join(&mut group, |one| *one);
        let of = |set: Vec<usize>| set.into_iter().map(|at| group[at]).collect();
        sets.into_iter().map(of).collect()
    }

    #[test]
    fn each_is_joined_with_the_earliest_of_the_other_sensor_that_follows() {
        let sets = joined(vec![
            (2_500_000, Sysmon1),
            (900_000, Security4688),
            (0, Sysmon1),
            (1, Sysmon1),
            (800_000, Security4688),
            (2_600_000, Sysmon1),
        ]);
        assert_eq!(
            sets,
            [
                vec![(0, Sysmon1), (800_000, Security4688)],
                vec![(1, Sysmon1), (900_000, Security4688)],
                vec![(2_500_000, Sysmon1)],
                vec![(2_600_000, Sysmon1)],
            ]
        );
    }

    #[test]
    fn what_is_further_apart_than_the_window_is_apart() {
        let apart = |later_us| joined(vec![(0, Sysmon1), (later_us, Security4688)]).len();
        assert_eq!(apart(2_000_000), 1);
        assert_eq!(apart(2_000_001), 2);
        assert_eq!(
            joined(vec![(i64::MIN, Sysmon1), (i64::MAX, Security4688)]).len(),
            2
        );
    }
}
