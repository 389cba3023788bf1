//! Provisioning and removal (domain §1.2), one test for each statement.

use epm_policy::{EffectiveSettings, LifeCycle, LifeCycleInput};

use crate::world::settings;

const DAY_S: i64 = 86_400;

fn effective(enabled: Option<bool>) -> EffectiveSettings {
    let mut policy = settings("s");
    policy.enabled = enabled;
    EffectiveSettings::merge([policy].iter())
}

fn after(state: LifeCycle, enabled: bool, now_s: i64) -> LifeCycle {
    let settings = effective(Some(enabled));
    state.next(LifeCycleInput::Settings(&settings), now_s)
}

const DISABLED_AT_0: LifeCycle = LifeCycle::Disabled {
    removal_s: 7 * DAY_S,
};

#[test]
fn components_are_provisioned_only_when_a_policy_arrives_and_says_enable() {
    assert_eq!(LifeCycle::default(), LifeCycle::Absent);
    assert_eq!(after(LifeCycle::Absent, false, 0), LifeCycle::Absent);
    let none = EffectiveSettings::merge([].iter());
    let unassigned = LifeCycle::Absent.next(LifeCycleInput::Settings(&none), 0);
    assert_eq!(unassigned, LifeCycle::Absent);
    let provisioning = after(LifeCycle::Absent, true, 0);
    assert_eq!(provisioning, LifeCycle::Provisioning);
    assert!(!provisioning.is_active());
    assert!(
        provisioning
            .next(LifeCycleInput::Provisioned, 1)
            .is_active()
    );
}

#[test]
fn a_policy_that_configures_nothing_enables() {
    let settings = effective(None);
    let next = LifeCycle::Absent.next(LifeCycleInput::Settings(&settings), 0);
    assert_eq!(next, LifeCycle::Provisioning);
}

#[test]
fn disabled_stops_at_once_and_removes_after_seven_days() {
    let disabled = after(LifeCycle::Active, false, 0);
    assert_eq!(disabled, DISABLED_AT_0);
    assert!(!disabled.is_active());
    let waiting = disabled.next(LifeCycleInput::Tick, 7 * DAY_S - 1);
    assert_eq!(waiting, disabled);
    assert_eq!(
        disabled.next(LifeCycleInput::Tick, 7 * DAY_S),
        LifeCycle::Removed
    );
}

#[test]
fn unassigning_is_treated_like_disabling() {
    let none = EffectiveSettings::merge([].iter());
    let next = LifeCycle::Active.next(LifeCycleInput::Settings(&none), 0);
    assert_eq!(next, DISABLED_AT_0);
}

#[test]
fn enabled_again_before_the_deadline_is_active_without_provisioning() {
    assert_eq!(after(DISABLED_AT_0, true, 7 * DAY_S - 1), LifeCycle::Active);
}

#[test]
fn enabled_again_after_the_deadline_is_provisioned_anew() {
    assert_eq!(
        after(DISABLED_AT_0, true, 7 * DAY_S),
        LifeCycle::Provisioning
    );
    assert_eq!(after(LifeCycle::Removed, true, 0), LifeCycle::Provisioning);
}

#[test]
fn saying_disabled_again_does_not_put_the_removal_off() {
    assert_eq!(after(DISABLED_AT_0, false, DAY_S), DISABLED_AT_0);
}

#[test]
fn disabled_while_provisioning_is_disabled_too() {
    let next = after(LifeCycle::Provisioning, false, 0);
    assert_eq!(next, DISABLED_AT_0);
    // What was made ready meanwhile does not make it active.
    assert_eq!(next.next(LifeCycleInput::Provisioned, 1), DISABLED_AT_0);
}

#[test]
fn enabled_settings_that_arrive_again_change_nothing() {
    for state in [LifeCycle::Active, LifeCycle::Provisioning] {
        assert_eq!(after(state, true, 0), state);
    }
}
