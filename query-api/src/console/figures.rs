//! Numbers, times and hashes as people read them. Does not read the clock.

use jiff::Timestamp;

/// Characters of a hash or id that are shown; the whole is in the title and in the data.
const SHORT_ID_CHARS: usize = 10;

/// A count with its thousands apart: `12,345`.
pub(super) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        out.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count of records or devices.
pub(super) fn unsigned(number: u64) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX))
}

/// `part` of `whole` in per cent; None of nothing. Never rounds to all or nothing what is neither.
pub(super) fn percent(part: f64, whole: f64) -> Option<String> {
    if whole <= 0.0 {
        return None;
    }
    let share = part / whole * 100.0;
    Some(if share > 0.0 && share < 0.1 {
        "<0.1 %".to_owned()
    } else if share < 100.0 && share > 99.9 {
        ">99.9 %".to_owned()
    } else if share == share.round() || share >= 99.95 {
        format!("{share:.0} %")
    } else {
        format!("{share:.1} %")
    })
}

/// A moment in UTC, to the second.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long ago a moment was, in its largest unit.
pub(super) fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - time.as_second();
    let length = length(seconds.unsigned_abs());
    match seconds {
        -1..=1 => "just now".to_owned(),
        2.. => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

fn length(seconds: u64) -> String {
    const UNITS: [(u64, &str, &str); 6] = [
        (365 * 86_400, "year", "years"),
        (30 * 86_400, "month", "months"),
        (86_400, "day", "days"),
        (3_600, "h", "h"),
        (60, "min", "min"),
        (1, "s", "s"),
    ];
    let (size, one, many) = UNITS
        .into_iter()
        .find(|(size, ..)| seconds >= *size)
        .unwrap_or(UNITS[5]);
    let number = seconds / size;
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The beginning of a hash or id, which is enough to tell two apart by eye.
pub(super) fn short_id(id: &str) -> String {
    if id.chars().count() <= SHORT_ID_CHARS + 2 {
        return id.to_owned();
    }
    id.chars().take(SHORT_ID_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{age, count, percent, short_id};
    use jiff::Timestamp;

    #[test]
    fn counts_have_their_thousands_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (-1_000, "-1,000"),
        ] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn a_share_is_all_or_nothing_only_when_it_is() {
        assert_eq!(percent(0.0, 0.0), None);
        assert_eq!(percent(0.0, 5.0).as_deref(), Some("0 %"));
        assert_eq!(percent(5.0, 5.0).as_deref(), Some("100 %"));
        assert_eq!(percent(999_999.0, 1_000_000.0).as_deref(), Some(">99.9 %"));
        assert_eq!(percent(1.0, 1_000_000.0).as_deref(), Some("<0.1 %"));
        assert_eq!(percent(1.0, 3.0).as_deref(), Some("33.3 %"));
    }

    #[test]
    fn an_age_is_in_its_largest_unit() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        for (then, text) in [
            (1_000_000, "just now"),
            (999_941, "59 s ago"),
            (999_940, "1 min ago"),
            (990_000, "2 h ago"),
            (800_000, "2 days ago"),
            (1_000_120, "in 2 min"),
        ] {
            assert_eq!(age(at(then), at(1_000_000)), text);
        }
    }

    #[test]
    fn a_short_id_is_the_beginning_of_a_long_one() {
        assert_eq!(short_id("abc"), "abc");
        assert_eq!(short_id("0123456789abcdef"), "0123456789…");
    }
}
