//! The device's two clocks: the wall clock, which people set, and the clock of this boot, which only goes forward.

use std::time::{SystemTime, UNIX_EPOCH};

use epm_proto::ids::ID_BYTES;
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// Reads the clocks of the device.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    boot_id: [u8; ID_BYTES],
}

impl Clock {
    /// The clock of this boot. Where the system does not name its boot, this process stands for it.
    #[must_use]
    pub fn of_this_boot() -> Self {
        let named = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| Uuid::parse_str(text.trim()).ok());
        Self {
            boot_id: named.unwrap_or_else(Uuid::new_v4).into_bytes(),
        }
    }

    /// The boot that [`Clock::monotonic_us`] counts from.
    #[must_use]
    pub fn boot_id(&self) -> [u8; ID_BYTES] {
        self.boot_id
    }

    /// Microseconds since the boot, time asleep included.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
    }
}

/// Wall clock, microseconds since 1970.
#[must_use]
pub fn now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}
