//! Conditions that the product does not have: parent process, time window, device group.

use epm_policy::{
    ElevationType, MissReason, Moment, PolicySet, Rule, RuleAttribute, TimeWindow, Weekday,
};

use crate::world::{Launch, rule, set_of};

fn matches(set: &PolicySet, launch: &Launch) -> bool {
    launch.with(|request| set.decide(request).winner.is_some())
}

fn under(change: impl FnOnce(&mut Rule)) -> PolicySet {
    let mut rule = rule("a", ElevationType::UserConfirmed);
    change(&mut rule);
    set_of(vec![rule])
}

fn near(set: &PolicySet, launch: &Launch) -> (RuleAttribute, MissReason) {
    launch.with(|request| {
        let near = set.decide(request).near_misses.rules[0];
        (near.attribute, near.reason)
    })
}

#[test]
fn the_parent_must_be_the_program_that_the_rule_names() {
    let set = under(|rule| rule.conditions.parent_path = Some("C:\\WINDOWS\\*.exe".to_owned()));
    let mut launch = Launch::new();
    assert!(matches(&set, &launch));
    launch.parent = Some("C:\\Tools\\shell.exe".to_owned());
    assert!(!matches(&set, &launch));
    assert_eq!(
        near(&set, &launch),
        (RuleAttribute::ParentPath, MissReason::Different)
    );
    launch.parent = None;
    assert_eq!(
        near(&set, &launch),
        (RuleAttribute::ParentPath, MissReason::Unknown)
    );
    // A parent whose path takes a turn is not known either.
    launch.parent = Some("C:\\Windows\\..\\evil.exe".to_owned());
    assert_eq!(
        near(&set, &launch),
        (RuleAttribute::ParentPath, MissReason::Unknown)
    );
}

#[test]
fn one_of_the_device_groups_is_enough() {
    let set = under(|rule| {
        rule.conditions.device_groups = vec!["pilots".into(), "laptops".into()];
    });
    let mut launch = Launch::new();
    assert!(matches(&set, &launch));
    launch.device_groups = vec!["kiosks".into()];
    assert!(!matches(&set, &launch));
}

#[test]
fn a_time_window_is_on_the_devices_wall_and_needs_a_known_time() {
    // Wednesday 12:00 UTC.
    let noon = Launch::new().moment.unwrap();
    assert_eq!(noon.local(), (Weekday::Wednesday, 720));
    let set = under(|rule| {
        rule.conditions.time = Some(TimeWindow {
            days: vec![Weekday::Wednesday],
            from_minute: Some(8 * 60),
            until_minute: Some(18 * 60),
            ..TimeWindow::default()
        });
    });
    let mut launch = Launch::new();
    assert!(matches(&set, &launch));
    launch.moment = Some(Moment {
        utc_offset_min: 6 * 60,
        ..noon
    });
    assert!(!matches(&set, &launch), "18:00 is past the window");
    assert_eq!(
        near(&set, &launch),
        (RuleAttribute::Time, MissReason::Different)
    );
    launch.moment = None;
    assert_eq!(
        near(&set, &launch),
        (RuleAttribute::Time, MissReason::Unknown)
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let night = TimeWindow {
        days: vec![Weekday::Wednesday],
        from_minute: Some(22 * 60),
        until_minute: Some(6 * 60),
        ..TimeWindow::default()
    };
    // Hours from Wednesday 00:00 UTC.
    let at = |hours: i64| {
        night.holds(&Moment {
            unix_s: 1_767_787_200 + (hours - 12) * 3600,
            utc_offset_min: 0,
        })
    };
    assert!(!at(1), "the night of Tuesday");
    assert!(!at(21));
    assert!(at(22) && at(23) && at(24) && at(29));
    assert!(!at(30) && !at(46));
}

#[test]
fn a_rule_can_begin_and_expire() {
    let window = TimeWindow {
        not_before_s: Some(100),
        expires_s: Some(200),
        ..TimeWindow::default()
    };
    let at = |unix_s| {
        window.holds(&Moment {
            unix_s,
            utc_offset_min: 600,
        })
    };
    assert!(!at(99) && at(100) && at(199) && !at(200));
}

#[test]
fn days_before_1970_and_at_the_end_of_time_have_a_weekday() {
    let local = |unix_s| {
        Moment {
            unix_s,
            utc_offset_min: -1,
        }
        .local()
    };
    assert_eq!(local(0), (Weekday::Wednesday, 1439));
    assert_eq!(local(60), (Weekday::Thursday, 0));
    for extreme in [i64::MIN, i64::MAX] {
        assert!(local(extreme).1 < 1440);
    }
}
