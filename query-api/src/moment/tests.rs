//! What each form of a time means.

use super::{is_midnight, parse};
use crate::QueryError;

fn at(text: &str) -> Result<String, QueryError> {
    let now = "2026-11-23T08:30:00Z".parse().expect("a time");
    parse("since", text, now).map(|time| time.to_string())
}

#[test]
fn every_form_of_a_time_is_understood() {
    for (text, meant) in [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
        ("2026-11-01T10:00:00+01:00", "2026-11-01T09:00:00Z"),
        ("2026-11-01T10:00:00 01:00", "2026-11-01T09:00:00Z"),
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("15m", "2026-11-23T08:15:00Z"),
        ("24h", "2026-11-22T08:30:00Z"),
        ("7d", "2026-11-16T00:00:00Z"),
        ("2w", "2026-11-09T00:00:00Z"),
        ("now", "2026-11-23T08:30:00Z"),
        ("today", "2026-11-23T00:00:00Z"),
        ("yesterday", "2026-11-22T00:00:00Z"),
    ] {
        assert_eq!(at(text).expect(text), meant, "{text}");
    }
}

#[test]
fn a_time_that_is_none_names_the_field_and_the_forms() {
    for text in [
        "",
        "-1d",
        "soon",
        "2026-13-01",
        "2026-11-01T10:00:00",
        "99999999999999999h",
        "d",
        "5é",
    ] {
        let error = at(text).expect_err(text);
        assert!(
            matches!(&error, QueryError::BadParameter { field, .. } if field == "since"),
            "{text}"
        );
        assert!(error.remedy().contains("RFC 3339"));
    }
}

#[test]
fn days_begin_at_midnight_utc() {
    assert!(is_midnight("2026-11-01T00:00:00Z".parse().expect("a time")));
    assert!(!is_midnight(
        "2026-11-01T00:00:00.000001Z".parse().expect("a time")
    ));
}
