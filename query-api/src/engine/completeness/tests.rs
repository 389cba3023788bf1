//! When a device counts as silent, and how far the data is complete.

use std::time::Duration;

use jiff::Timestamp;

use super::{DeviceState, summed};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn device(heard: &str) -> DeviceState {
    let time = Some(at(heard));
    DeviceState {
        last_received_at: time,
        last_heartbeat_at: time,
        last_observed_at: time,
        records: 90,
        heartbeat_interval: Some(Duration::from_secs(60)),
        ..DeviceState::default()
    }
}

#[test]
fn a_device_is_silent_after_three_heartbeats_and_holds_nobody_back() {
    let now = at("2026-11-23T10:00:00Z");
    let quiet = device("2026-11-23T09:56:59Z");
    let heard = device("2026-11-23T09:57:01Z");
    let (freshness, sum) = summed([quiet, heard].into_iter(), now);
    assert_eq!((sum.devices, sum.reporting, sum.silent), (2, 1, 1));
    assert_eq!(sum.complete_to, heard.last_heartbeat_at);
    assert_eq!(freshness.newest_event_at, heard.last_observed_at);
}

#[test]
fn what_a_device_still_holds_bounds_completeness() {
    let now = at("2026-11-23T10:00:00Z");
    let behind = DeviceState {
        spool_records: 7,
        missing: 7,
        oldest_unsent_at: Some(at("2026-11-23T08:00:00Z")),
        ..device("2026-11-23T09:59:00Z")
    };
    let (_, sum) = summed([behind, device("2026-11-23T09:59:30Z")].into_iter(), now);
    assert_eq!(sum.complete_to, behind.oldest_unsent_at);
    assert_eq!(sum.waiting_records, 7);
}

#[test]
fn what_waited_at_a_heartbeat_has_arrived_where_nothing_is_missing() {
    let caught_up = DeviceState {
        spool_records: 7,
        oldest_unsent_at: Some(at("2026-11-23T08:00:00Z")),
        ..device("2026-11-23T09:59:00Z")
    };
    let (_, sum) = summed([caught_up].into_iter(), at("2026-11-23T10:00:00Z"));
    assert_eq!(sum.complete_to, caught_up.last_heartbeat_at);
}

#[test]
fn gaps_and_losses_are_counted_into_the_share() {
    let now = at("2026-11-23T10:00:00Z");
    let holed = DeviceState {
        missing: 6,
        lost: 4,
        ..device("2026-11-23T09:59:00Z")
    };
    let (_, sum) = summed([holed].into_iter(), now);
    assert_eq!(
        (sum.devices_with_gaps, sum.missing_records, sum.lost_records),
        (1, 6, 4)
    );
    assert_eq!(sum.share, Some(0.9));
    assert_eq!(sum.complete_to, None);
}

#[test]
fn nothing_is_known_without_devices() {
    let (_, sum) = summed(std::iter::empty(), at("2026-11-23T10:00:00Z"));
    assert_eq!((sum.share, sum.complete_to, sum.devices), (None, None, 0));
}
