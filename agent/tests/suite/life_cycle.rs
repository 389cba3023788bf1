//! The life cycle of a device's management: kept on disk, measured in the device's own time, and told once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epm_agent::life_cycle::{Keeper, Reading, Transition, reporting_scope};
use epm_policy::{EffectiveSettings, LifeCycle, ReportingScope, SettingsPolicy};
use epm_proto::v1;
use proptest::prelude::*;

use crate::disks::{FailingDisk, QuickDisk};

const DAY_S: i64 = 24 * 60 * 60;
/// From the start of the kernel to that of the agent.
const BOOT_S: i64 = 5;
const START_S: i64 = 1_780_000_000;

/// A device whose clocks the test turns.
#[derive(Clone, Copy, Debug)]
struct Device {
    wall_s: i64,
    boot: u8,
    up_s: u64,
}

impl Device {
    fn new() -> Self {
        Self {
            wall_s: START_S,
            boot: 1,
            up_s: 100,
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.wall_s += seconds;
        self.up_s += seconds as u64;
    }

    /// Off for some time, then started again.
    fn reboot(&mut self, off_s: i64) {
        self.wall_s += off_s + BOOT_S;
        self.boot += 1;
        self.up_s = BOOT_S as u64;
    }

    fn now(self) -> Reading {
        Reading {
            wall_us: self.wall_s * 1_000_000,
            monotonic_us: self.up_s * 1_000_000,
            boot_id: [self.boot; 16],
        }
    }
}

fn settings(policies: &[SettingsPolicy]) -> EffectiveSettings {
    EffectiveSettings::merge(policies.iter())
}

fn says(enabled: bool) -> EffectiveSettings {
    settings(&[SettingsPolicy {
        enabled: Some(enabled),
        ..SettingsPolicy::default()
    }])
}

fn open(state: &Path, device: Device) -> Keeper {
    Keeper::open_on(Arc::new(QuickDisk), state, device.now()).expect("it opens")
}

/// One turn whose changes are told.
fn turn(keeper: &mut Keeper, says: &EffectiveSettings, device: Device) -> Vec<LifeCycle> {
    let changes = keeper
        .turn(Some(says), true, device.now())
        .expect("written");
    keeper.told().expect("written");
    changes.into_iter().map(|change| change.now).collect()
}

#[test]
fn a_device_is_made_ready_disabled_at_once_and_removed_after_seven_days() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut device = Device::new();
    let mut keeper = open(folder.path(), device);
    assert_eq!(keeper.state(), LifeCycle::Absent);
    assert_eq!(turn(&mut keeper, &settings(&[]), device), []);
    let became = turn(&mut keeper, &says(true), device);
    assert_eq!(became, [LifeCycle::Provisioning, LifeCycle::Active]);
    device.pass(60);
    // No policy any more is like one that says disabled.
    let became = turn(&mut keeper, &settings(&[]), device);
    assert!(matches!(became[..], [LifeCycle::Disabled { .. }]));
    let told = keeper.as_record(device.now());
    assert_eq!(told.state(), v1::LifeCycleState::Disabled);
    let week_us = told.removal_us - device.now().wall_us;
    assert!(
        (week_us - 7 * DAY_S * 1_000_000).abs() <= 60_000_000,
        "{week_us}"
    );
    device.pass(7 * DAY_S - 1);
    assert_eq!(turn(&mut keeper, &says(false), device), []);
    device.pass(1);
    assert_eq!(
        turn(&mut keeper, &says(false), device),
        [LifeCycle::Removed]
    );
    let became = turn(&mut keeper, &says(true), device);
    assert_eq!(became, [LifeCycle::Provisioning, LifeCycle::Active]);
}

#[test]
fn enabled_again_within_seven_days_nothing_is_made_ready_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut device = Device::new();
    let mut keeper = open(folder.path(), device);
    turn(&mut keeper, &says(true), device);
    turn(&mut keeper, &says(false), device);
    device.pass(7 * DAY_S - 1);
    assert_eq!(turn(&mut keeper, &says(true), device), [LifeCycle::Active]);
    turn(&mut keeper, &says(false), device);
    device.pass(7 * DAY_S - 1);
    assert_eq!(
        turn(&mut keeper, &says(false), device),
        [],
        "the days begin anew"
    );
}

#[test]
fn a_device_that_is_not_ready_stays_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::new();
    let mut keeper = open(folder.path(), device);
    let enabled = says(true);
    let changes = keeper.turn(Some(&enabled), false, device.now());
    let expected = Transition {
        before: LifeCycle::Absent,
        now: LifeCycle::Provisioning,
    };
    assert_eq!(changes.expect("written"), [expected]);
    assert_eq!(
        turn(&mut keeper, &enabled, device).last(),
        Some(&LifeCycle::Active)
    );
}

#[test]
fn what_was_due_while_the_device_was_off_is_told_before_what_settings_say_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut device = Device::new();
    let mut keeper = open(folder.path(), device);
    turn(&mut keeper, &says(true), device);
    turn(&mut keeper, &says(false), device);
    drop(keeper);
    device.reboot(8 * DAY_S);
    let mut keeper = open(folder.path(), device);
    let became = turn(&mut keeper, &says(true), device);
    assert_eq!(
        became,
        [
            LifeCycle::Removed,
            LifeCycle::Provisioning,
            LifeCycle::Active
        ]
    );
}

#[test]
fn a_clock_that_is_set_neither_removes_early_nor_keeps_for_ever() {
    for jump_s in [20 * 365 * DAY_S, -20 * 365 * DAY_S, 8 * DAY_S, -DAY_S] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut device = Device::new();
        let mut keeper = open(folder.path(), device);
        turn(&mut keeper, &says(true), device);
        turn(&mut keeper, &says(false), device);
        device.pass(DAY_S);
        device.wall_s += jump_s;
        assert_eq!(turn(&mut keeper, &says(false), device), [], "by {jump_s}");
        // A restart of the agent, not of the device.
        drop(keeper);
        let mut keeper = open(folder.path(), device);
        device.pass(6 * DAY_S - 1);
        assert_eq!(turn(&mut keeper, &says(false), device), [], "by {jump_s}");
        device.pass(1);
        let became = turn(&mut keeper, &says(false), device);
        assert_eq!(became, [LifeCycle::Removed], "by {jump_s}");
    }
}

#[test]
fn a_device_that_starts_with_a_clock_in_the_past_loses_no_day_that_it_lived() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut device = Device::new();
    let mut keeper = open(folder.path(), device);
    turn(&mut keeper, &says(true), device);
    turn(&mut keeper, &says(false), device);
    device.pass(5 * DAY_S);
    turn(&mut keeper, &says(false), device);
    drop(keeper);
    // The battery of its clock is flat.
    device.reboot(-10 * 365 * DAY_S);
    let mut keeper = open(folder.path(), device);
    device.pass(2 * DAY_S);
    assert_eq!(
        turn(&mut keeper, &says(false), device),
        [LifeCycle::Removed]
    );
}

#[test]
fn a_change_is_given_again_until_it_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::new();
    let mut keeper = open(folder.path(), device);
    let given = keeper.turn(Some(&says(true)), true, device.now());
    assert_eq!(given.expect("written").len(), 2);
    drop(keeper);
    let mut keeper = open(folder.path(), device);
    assert_eq!(keeper.state(), LifeCycle::Active);
    let given = keeper.turn(Some(&says(true)), true, device.now());
    assert_eq!(given.expect("written").len(), 2);
    let told = keeper.changes_as_records(device.now());
    assert_eq!(told[0].before(), v1::LifeCycleState::Absent);
    assert_eq!(told[1].state(), v1::LifeCycleState::Active);
    keeper.told().expect("written");
    drop(keeper);
    let mut keeper = open(folder.path(), device);
    assert_eq!(turn(&mut keeper, &says(true), device), []);
}

#[test]
fn whichever_operation_fails_the_change_comes_about_once_the_disk_works() {
    for fail_at in 0.. {
        let folder = tempfile::tempdir().expect("a folder");
        let device = Device::new();
        let operations = Arc::new(AtomicU64::new(0));
        let disk = FailingDisk {
            operations: Arc::clone(&operations),
            fail_at,
            torn: true,
        };
        let keeper = Keeper::open_on(Arc::new(disk), folder.path(), device.now());
        let mut keeper = keeper.expect("it opens");
        let turned = keeper.turn(Some(&says(true)), true, device.now());
        if turned.is_ok() && operations.load(Ordering::SeqCst) <= fail_at {
            return;
        }
        assert!(turned.is_err());
        assert_eq!(keeper.state(), LifeCycle::Absent);
        let given = keeper.turn(Some(&says(true)), true, device.now());
        assert_eq!(given.expect("written").len(), 2);
        drop(keeper);
        assert_eq!(open(folder.path(), device).state(), LifeCycle::Active);
    }
}

#[test]
fn a_damaged_file_is_a_device_of_which_nothing_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::new();
    std::fs::write(folder.path().join("life-cycle.json"), "{\"state\":").expect("written");
    let mut keeper = open(folder.path(), device);
    let became = turn(&mut keeper, &says(true), device);
    assert_eq!(became, [LifeCycle::Provisioning, LifeCycle::Active]);
}

#[test]
fn what_may_leave_the_device_follows_its_settings() {
    use v1::ReportingScope::{All, Diagnostic, Managed, None};
    let of = |change: fn(&mut SettingsPolicy), is_active| {
        let mut policy = SettingsPolicy::default();
        change(&mut policy);
        reporting_scope(&settings(&[policy]), is_active)
    };
    assert_eq!(of(|_| {}, true), All);
    assert_eq!(of(|_| {}, false), Diagnostic);
    assert_eq!(
        of(|policy| policy.elevation_detection = Some(false), true),
        Managed
    );
    assert_eq!(
        of(
            |policy| policy.reporting_scope = Some(ReportingScope::Managed),
            true
        ),
        Managed
    );
    let diagnostic = |policy: &mut SettingsPolicy| {
        policy.reporting_scope = Some(ReportingScope::DiagnosticOnly);
    };
    assert_eq!(of(diagnostic, true), Diagnostic);
    for is_active in [true, false] {
        assert_eq!(of(|policy| policy.send_data = Some(false), is_active), None);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Settings(bool),
    Pass(i64),
    SetClock(i64),
    Restart,
    Reboot(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        any::<bool>().prop_map(Act::Settings),
        (0..3 * DAY_S).prop_map(Act::Pass),
        (-100 * DAY_S..100 * DAY_S).prop_map(Act::SetClock),
        Just(Act::Restart),
        (0..2 * DAY_S).prop_map(Act::Reboot),
    ]
}

proptest! {
    /// Whatever happens, a disabled device is removed once it lived for seven days, and not before: by the clock that
    /// nobody sets while it ran, and by the wall clock for the time that it was off.
    #[test]
    fn components_go_after_seven_days_and_not_before(
        acts in proptest::collection::vec(act(), 1..40)
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut device = Device::new();
        let mut keeper = open(folder.path(), device);
        let mut is_enabled = true;
        turn(&mut keeper, &says(true), device);
        // Seconds since it was disabled; none where it is not.
        let mut disabled_for_s: Option<i64> = None;
        let mut is_removed = false;
        for act in acts {
            let mut lived_s = 0;
            match act {
                Act::Settings(says) => is_enabled = says,
                Act::Pass(seconds) => {
                    device.pass(seconds);
                    lived_s = seconds;
                }
                Act::SetClock(by_s) => device.wall_s += by_s,
                Act::Restart => keeper = open(folder.path(), device),
                Act::Reboot(off_s) => {
                    device.reboot(off_s);
                    lived_s = off_s + BOOT_S;
                    keeper = open(folder.path(), device);
                }
            }
            turn(&mut keeper, &says(is_enabled), device);
            disabled_for_s = disabled_for_s.map(|for_s| for_s + lived_s);
            if disabled_for_s.is_some_and(|for_s| for_s >= 7 * DAY_S) {
                (is_removed, disabled_for_s) = (true, None);
            }
            if is_enabled {
                (is_removed, disabled_for_s) = (false, None);
                prop_assert_eq!(keeper.state(), LifeCycle::Active);
            } else if is_removed {
                prop_assert_eq!(keeper.state(), LifeCycle::Removed);
            } else {
                disabled_for_s.get_or_insert(0);
                let is_disabled = matches!(keeper.state(), LifeCycle::Disabled { .. });
                prop_assert!(is_disabled, "{:?} after {:?}", keeper.state(), disabled_for_s);
            }
        }
    }
}
