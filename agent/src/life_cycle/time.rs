//! Time that passes on a device whose clock people set: within a boot it is measured by the clock that only goes forward,
//! and only while the device was off is the wall clock believed, never backwards.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Clock, now_us};

const SECOND_US: i64 = 1_000_000;
/// Two clocks that differ by more did not drift apart: somebody set one.
const SET_BY_US: i64 = 60 * SECOND_US;

/// The device's clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Wall clock, microseconds since 1970.
    pub wall_us: i64,
    /// Microseconds since the boot, time asleep included.
    pub monotonic_us: u64,
    /// Which boot.
    pub boot_id: [u8; 16],
}

impl Reading {
    /// This moment.
    #[must_use]
    pub fn now(clock: &Clock) -> Self {
        Self {
            wall_us: now_us(),
            monotonic_us: clock.monotonic_us(),
            boot_id: clock.boot_id(),
        }
    }
}

/// The device's own count of seconds. It begins at what the wall clock said once and then never jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceTime {
    pub(super) us: i64,
    wall_us: i64,
    monotonic_us: u64,
    boot: u128,
}

impl DeviceTime {
    pub(super) fn begin(now: Reading) -> Self {
        Self {
            us: now.wall_us,
            wall_us: now.wall_us,
            monotonic_us: now.monotonic_us,
            boot: boot(now),
        }
    }

    /// Goes on to `now`.
    pub(super) fn pass(&mut self, now: Reading) {
        let passed_us = match self.boot == boot(now) {
            true => now.monotonic_us.saturating_sub(self.monotonic_us) as i64,
            // All of this boot came after the last reading, whatever the wall clock says.
            false => now
                .wall_us
                .saturating_sub(self.wall_us)
                .max(now.monotonic_us as i64),
        };
        *self = Self {
            us: self.us.saturating_add(passed_us),
            ..Self::begin(now)
        };
    }

    /// Whether what the wall clock says next is to be compared with this reading and not with the one `before`: because
    /// somebody set it between the two, or could in this boot.
    pub(super) fn makes_obsolete(&self, before: &Self) -> bool {
        if self.boot != before.boot {
            return true;
        }
        let by_wall_us = self.wall_us.saturating_sub(before.wall_us);
        let passed_us = self.us.saturating_sub(before.us);
        by_wall_us.saturating_sub(passed_us).saturating_abs() >= SET_BY_US
    }

    pub(super) fn seconds(self) -> i64 {
        self.us.div_euclid(SECOND_US)
    }
}

fn boot(reading: Reading) -> u128 {
    Uuid::from_bytes(reading.boot_id).as_u128()
}
