//! Which part of a window is whole days.

use super::Window;

fn window(since: Option<&str>, until: Option<&str>) -> Window {
    let time = |text: &str| text.parse().expect("a time");
    Window {
        since: since.map(time),
        until: until.map(time),
    }
}

#[test]
fn open_windows_and_windows_of_days_need_no_ends() {
    for (since, until) in [
        (None, None),
        (Some("2026-11-01T00:00:00Z"), None),
        (None, Some("2026-11-03T00:00:00Z")),
        (Some("2026-11-01T00:00:00Z"), Some("2026-11-03T00:00:00Z")),
    ] {
        let whole = window(since, until);
        assert_eq!(whole.split(), (Some(whole), vec![]));
    }
}

#[test]
fn cut_days_are_split_off_at_both_ends() {
    let (days, ends) = window(Some("2026-11-01T10:00:00Z"), Some("2026-11-04T09:00:00Z")).split();
    assert_eq!(
        days,
        Some(window(
            Some("2026-11-02T00:00:00Z"),
            Some("2026-11-04T00:00:00Z")
        ))
    );
    assert_eq!(
        ends,
        vec![
            window(Some("2026-11-01T10:00:00Z"), Some("2026-11-02T00:00:00Z")),
            window(Some("2026-11-04T00:00:00Z"), Some("2026-11-04T09:00:00Z")),
        ]
    );
}

#[test]
fn a_window_within_a_day_has_no_whole_day() {
    let within = window(Some("2026-11-01T10:00:00Z"), Some("2026-11-01T12:00:00Z"));
    assert_eq!(within.split(), (None, vec![within]));
    let (days, ends) = window(Some("2026-11-01T10:00:00Z"), Some("2026-11-02T12:00:00Z")).split();
    assert_eq!((days, ends.len()), (None, 2));
}

#[test]
fn a_window_open_at_one_end_is_cut_at_the_other_only() {
    let (days, ends) = window(None, Some("2026-11-02T12:00:00Z")).split();
    assert_eq!(days, Some(window(None, Some("2026-11-02T00:00:00Z"))));
    assert_eq!(
        ends,
        vec![window(
            Some("2026-11-02T00:00:00Z"),
            Some("2026-11-02T12:00:00Z")
        )]
    );
}

#[test]
fn a_window_that_ends_before_it_starts_is_refused() {
    let now = "2026-11-23T08:30:00Z".parse().expect("a time");
    let error = Window::parse(Some("1h"), Some("2h"), now).expect_err("refused");
    assert!(error.to_string().starts_with("until"), "{error}");
}
