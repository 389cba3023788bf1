//! Stamps of text logs: `Nov 23 05:29:20`, the same with a year behind it, and ISO 8601.
//!
//! Taking a stamp apart is cheap and happens on every line; resolving it to a moment happens only for sudo's lines.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How stamps without a year or a zone are read.
#[derive(Clone, Debug)]
pub struct TextTime {
    /// A moment not long before which the last record was written, such as the file's change time: microseconds since
    /// 1970. A stamp without a year belongs to the latest year that does not put it more than a day behind this.
    pub reference_us: i64,
    /// Zone of stamps that name none.
    pub zone: TimeZone,
}

impl TextTime {
    /// Stamps written before `reference_us` in the zone of this machine.
    #[must_use]
    pub fn local(reference_us: i64) -> Self {
        Self {
            reference_us,
            zone: TimeZone::system(),
        }
    }
}

const DAY_US: i64 = 86_400_000_000;
// 29 February comes back within eight years at most (1896 to 1904).
const YEARS_BACK: i16 = 8;
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A stamp as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp<'a> {
    pub(crate) text: &'a [u8],
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Named {
        month: i8,
        day: i8,
        time: (i8, i8, i8),
        year: Option<i16>,
    },
    Iso,
}

/// The stamp that `line` begins with, and what follows behind the blanks after it.
pub(crate) fn split(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    split_named(line).or_else(|| split_iso(line))
}

impl Stamp<'_> {
    /// Microseconds since 1970; `None` where no such moment exists.
    pub(crate) fn resolve(&self, time: &TextTime) -> Option<i64> {
        match &self.form {
            Form::Iso => iso(self.text, time),
            Form::Named {
                month,
                day,
                time: clock,
                year: Some(year),
            } => civil(*year, *month, *day, *clock, time),
            Form::Named {
                month,
                day,
                time: clock,
                year: None,
            } => {
                let reference = Timestamp::from_microsecond(time.reference_us).ok()?;
                let latest = reference.to_zoned(time.zone.clone()).year() + 1;
                (latest - 1 - YEARS_BACK..=latest)
                    .rev()
                    .filter_map(|year| civil(year, *month, *day, *clock, time))
                    .find(|moment| *moment <= time.reference_us.saturating_add(DAY_US))
            }
        }
    }
}

fn civil(year: i16, month: i8, day: i8, clock: (i8, i8, i8), time: &TextTime) -> Option<i64> {
    // A leap second is read as the second before it.
    let second = clock.2.min(59);
    let moment = DateTime::new(year, month, day, clock.0, clock.1, second, 0).ok()?;
    Some(time.zone.to_timestamp(moment).ok()?.as_microsecond())
}

fn iso(text: &[u8], time: &TextTime) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_microsecond());
    }
    let moment = text.parse::<DateTime>().ok()?;
    Some(time.zone.to_timestamp(moment).ok()?.as_microsecond())
}

fn split_named(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    let name = line.get(..3)?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let mut at = skip_blanks(line, 3);
    if at == 3 {
        return None;
    }
    let (day, behind) = number(line, at, 2)?;
    at = skip_blanks(line, behind);
    if at == behind {
        return None;
    }
    let (hour, behind) = number(line, at, 2)?;
    let (minute, behind) = number(line, colon(line, behind)?, 2)?;
    let (second, mut end) = number(line, colon(line, behind)?, 2)?;
    // A year is four digits with a blank behind them: a host may begin with digits.
    let mut year = None;
    if line.get(end) == Some(&b' ')
        && let Some((written, behind)) = number(line, end + 1, 4)
        && behind == end + 5
        && matches!(line.get(behind), Some(b' ') | None)
    {
        year = Some(written);
        end = behind;
    }
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let small = |number: i16| i8::try_from(number).ok();
    let form = Form::Named {
        month: i8::try_from(month + 1).ok()?,
        day: small(day)?,
        time: (small(hour)?, small(minute)?, small(second)?),
        year,
    };
    finish(line, end, form)
}

fn split_iso(line: &[u8]) -> Option<(Stamp<'_>, &[u8])> {
    // 2026-11-23T05:29:20, at least.
    let head = line.get(..19)?;
    let shape = b"0000-00-00T00:00:00";
    let fits = head.iter().zip(shape).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    });
    if !fits {
        return None;
    }
    let end = line
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(line.len());
    finish(line, end, Form::Iso)
}

fn finish(line: &[u8], end: usize, form: Form) -> Option<(Stamp<'_>, &[u8])> {
    let rest = skip_blanks(line, end);
    if rest == end {
        return None;
    }
    let text = &line[..end];
    Some((Stamp { text, form }, &line[rest..]))
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while line.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

fn colon(line: &[u8], at: usize) -> Option<usize> {
    (line.get(at) == Some(&b':')).then_some(at + 1)
}

// A number of one to `digits` digits at `at`, and where it ends.
fn number(line: &[u8], at: usize, digits: usize) -> Option<(i16, usize)> {
    let mut value = 0_i16;
    let mut end = at;
    while end < at + digits
        && let Some(byte) = line.get(end).filter(|byte| byte.is_ascii_digit())
    {
        value = value * 10 + i16::from(byte - b'0');
        end += 1;
    }
    (end > at).then_some((value, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(reference: &str) -> TextTime {
        let reference: Timestamp = reference.parse().expect("a stamp");
        TextTime {
            reference_us: reference.as_microsecond(),
            zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(1)),
        }
    }

    fn resolved(line: &str, reference: &str) -> String {
        let (stamp, _) = split(line.as_bytes()).expect("a stamp");
        let moment = stamp.resolve(&time(reference)).expect("a moment");
        Timestamp::from_microsecond(moment)
            .expect("in range")
            .to_string()
    }

    #[test]
    fn a_stamp_without_a_year_is_never_more_than_a_day_ahead() {
        let reference = "2026-11-24T00:00:00Z";
        assert_eq!(
            resolved("Nov 23 05:29:20 x", reference),
            "2026-11-23T04:29:20Z"
        );
        assert_eq!(
            resolved("Nov 24 22:00:00 x", reference),
            "2026-11-24T21:00:00Z"
        );
        assert_eq!(
            resolved("Nov 26 00:00:00 x", reference),
            "2025-11-25T23:00:00Z"
        );
        assert_eq!(
            resolved("Dec 31 23:59:60 x", reference),
            "2025-12-31T22:59:59Z"
        );
        assert_eq!(
            resolved("Jan  1 00:30:00 x", "2026-12-31T23:40:00Z"),
            "2026-12-31T23:30:00Z"
        );
        assert_eq!(
            resolved("Feb 29 10:00:00 x", reference),
            "2024-02-29T09:00:00Z"
        );
    }

    #[test]
    fn a_written_year_and_a_written_offset_are_taken_as_they_are() {
        let reference = "2031-01-01T00:00:00Z";
        assert_eq!(
            resolved("Nov 23 05:29:20 2026 : x", reference),
            "2026-11-23T04:29:20Z"
        );
        assert_eq!(
            resolved("2026-11-23T05:29:20.123456-07:00 h", reference),
            "2026-11-23T12:29:20.123456Z"
        );
        assert_eq!(
            resolved("2026-11-23T05:29:20 h", reference),
            "2026-11-23T04:29:20Z"
        );
    }

    #[test]
    fn a_host_of_digits_is_no_year_and_other_text_is_no_stamp() {
        let (stamp, rest) = split(b"Nov  3 05:29:20 2026web sudo: x").expect("a stamp");
        assert_eq!(stamp.text, b"Nov  3 05:29:20");
        assert_eq!(rest, b"2026web sudo: x");
        for line in [
            "",
            "Nov",
            "Nov 23",
            "Nov 40 05:29:20 x",
            "Foo 23 05:29:20 x",
            "Nov 23 05:29:20",
            "2026-11-23",
        ] {
            assert_eq!(split(line.as_bytes()), None, "{line}");
        }
    }
}
