//! Times as people write them in parameters: RFC 3339, a date, an age. Does not read the clock.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::QueryError;

/// Ages are bounded so that arithmetic on times cannot overflow: a thousand years, in days.
const MAX_AGE_DAYS: i64 = 366_000;

/// The forms that [`parse`] understands, for remedies.
pub const FORMS: &str = "Write RFC 3339 with an offset (2026-11-23T08:00:00Z), a date (2026-11-23, midnight UTC), an age \
(90s, 15m, 24h exactly; 7d or 2w back to midnight UTC), or now, today, yesterday.";

/// The moment that `text` means at `now`.
///
/// Ages in days and weeks go back to midnight UTC, so that windows of days can be answered from daily usage.
///
/// # Errors
/// [`QueryError::BadParameter`] for `field` with the forms that are understood.
pub fn parse(field: &str, text: &str, now: Timestamp) -> Result<Timestamp, QueryError> {
    read(text.trim(), now).ok_or_else(|| QueryError::BadParameter {
        field: field.to_owned(),
        detail: format!("{text:?} is not a time"),
        remedy: FORMS.to_owned(),
    })
}

/// Midnight UTC of the day of `time`.
#[must_use]
pub fn midnight(time: Timestamp) -> Timestamp {
    start_of(time.to_zoned(TimeZone::UTC).date()).unwrap_or(time)
}

/// Whether `time` is midnight UTC.
#[must_use]
pub fn is_midnight(time: Timestamp) -> bool {
    midnight(time) == time
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    match text {
        "now" => return Some(now),
        "today" => return Some(midnight(now)),
        "yesterday" => return days_back(1, now),
        _ => {}
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == "2026-11-23".len()
    {
        return start_of(date);
    }
    // A + in a query string arrives as a space.
    text.parse()
        .or_else(|_| text.replacen(' ', "+", 1).parse())
        .ok()
        .or_else(|| age(text, now))
}

fn age(text: &str, now: Timestamp) -> Option<Timestamp> {
    let unit = text.chars().next_back()?;
    let count: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => return days_back(count, now),
        'w' => return days_back(count.checked_mul(7)?, now),
        _ => return None,
    };
    let total = count
        .checked_mul(seconds)
        .filter(|total| (0..=MAX_AGE_DAYS * 86_400).contains(total))?;
    now.checked_sub(total.seconds()).ok()
}

fn days_back(days: i64, now: Timestamp) -> Option<Timestamp> {
    if !(0..=MAX_AGE_DAYS).contains(&days) {
        return None;
    }
    midnight(now).checked_sub((days * 24).hours()).ok()
}

fn start_of(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests;
