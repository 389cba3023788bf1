//! How often strangers may fail: guessing a token of 256 random bits is hopeless, but each guess costs a signature and a
//! read of the store.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use epm_control::TimeUs;

/// Failures of one address in one minute. A network behind one address enrols hundreds without any.
const MAX_FAILURES: u32 = 20;
const WINDOW_US: i64 = 60_000_000;
/// Addresses that are remembered. When there are more, all are forgotten: an attack by that many is not stopped by counting.
const MAX_ADDRESSES: usize = 4_096;

/// Failures of the last minute by address.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: Mutex<HashMap<IpAddr, (TimeUs, u32)>>,
}

impl Attempts {
    /// Whether `address` may try.
    pub(super) fn may(&self, address: IpAddr, now: TimeUs) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures
            .get(&address)
            .is_none_or(|(since, count)| is_over(*since, now) || *count < MAX_FAILURES)
    }

    /// It tried in vain.
    pub(super) fn failed(&self, address: IpAddr, now: TimeUs) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
            failures.clear();
        }
        let (since, count) = failures.entry(address).or_insert((now, 0));
        if is_over(*since, now) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
    }
}

/// Also where the clock was set back.
fn is_over(since: TimeUs, now: TimeUs) -> bool {
    !(0..WINDOW_US).contains(&(now.0 - since.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_too_often_waits_a_minute_and_no_other_does() {
        let attempts = Attempts::default();
        let [one, other] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        let start = TimeUs(1_700_000_000_000_000);
        for _ in 0..MAX_FAILURES {
            assert!(attempts.may(one, start));
            attempts.failed(one, start);
        }
        assert!(!attempts.may(one, TimeUs(start.0 + WINDOW_US - 1)));
        assert!(attempts.may(other, start));
        assert!(attempts.may(one, TimeUs(start.0 + WINDOW_US)));
    }

    #[test]
    fn strangers_from_everywhere_fill_no_memory() {
        let attempts = Attempts::default();
        for number in 0..3 * MAX_ADDRESSES as u32 {
            attempts.failed(IpAddr::from(number.to_be_bytes()), TimeUs(0));
        }
        assert!(attempts.failures.lock().expect("lock").len() <= MAX_ADDRESSES);
    }
}
