//! Times as Windows events write them, in microseconds since 1970. It must not take a time without a zone for local.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// An ISO 8601 time with its zone, as TimeCreated holds it.
pub(in crate::sources) fn utc_us(text: &str) -> Option<i64> {
    text.trim()
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_microsecond)
}

/// Sysmon's UtcTime: `YYYY-MM-DD hh:mm:ss.mmm`, UTC without saying so.
pub(in crate::sources) fn zoneless_utc_us(text: &str) -> Option<i64> {
    let civil: DateTime = text.trim().parse().ok()?;
    Offset::UTC
        .to_timestamp(civil)
        .ok()
        .map(Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_utc() {
        assert_eq!(
            utc_us("2021-10-01T17:30:39.083965Z"),
            Some(1_633_109_439_083_965)
        );
        assert_eq!(
            zoneless_utc_us("2021-10-01 17:30:39.083"),
            Some(1_633_109_439_083_000)
        );
    }

    #[test]
    fn what_is_no_time_gives_nothing() {
        for text in ["", "-", "yesterday", "2021-13-01 00:00:00.000"] {
            assert_eq!((utc_us(text), zoneless_utc_us(text)), (None, None));
        }
    }
}
