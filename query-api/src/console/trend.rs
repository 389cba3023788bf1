//! Managed against unmanaged elevations by day, or by month where days would be too many. Adds up what the engine
//! counted by day and counts nothing itself.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::address::Address;
use super::cells::Rows;
use super::chart::{self, Bar};
use super::{figures, report_path};
use crate::ReportPage;

/// Days beyond which columns stand for months: more would be thinner than the gaps between them.
const MAX_DAYS: i32 = 120;
/// Columns of months at most: a century. A clock that is further off than that is not drawn.
const MAX_MONTHS: usize = 1_200;

/// The chart, and the same numbers as a table.
#[derive(Debug)]
pub(super) struct Trend {
    pub(super) wide: String,
    pub(super) narrow: String,
    /// `Day` or `Month`.
    pub(super) unit: &'static str,
    pub(super) rows: Vec<TrendRow>,
}

/// A column of the chart as a row.
#[derive(Debug)]
pub(super) struct TrendRow {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) total: String,
    pub(super) managed: String,
    pub(super) unmanaged: String,
    pub(super) denied: String,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    /// First day of the column.
    from: Date,
    /// First day after it.
    until: Date,
    total: i64,
    managed: i64,
    unmanaged: i64,
    denied: i64,
}

/// The chart of a page of the trend by day.
pub(super) fn of(page: &ReportPage, now: Timestamp) -> Trend {
    let mut found: Vec<(Date, [i64; 4])> = Rows::of(page)
        .iter()
        .filter_map(|row| {
            let day: Date = row.text("event_date")?.parse().ok()?;
            let counts = ["total", "managed", "unmanaged", "denied"].map(|name| row.count(name));
            Some((day, counts))
        })
        .collect();
    found.sort_by_key(|(day, _)| *day);
    let today = date(now);
    let first = page
        .window
        .since
        .map(date)
        .or_else(|| found.first().map(|(day, _)| *day));
    let newest = found.last().map(|(day, _)| *day);
    // An open window ends today, or with a device whose clock is ahead.
    let last = match page.window.until {
        Some(_) => newest,
        None => newest.max(page.window.since.map(|_| today)),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return drawn(&[], "Day");
    };
    let days = first.until(last).map_or(i32::MAX, |span| span.get_days());
    let monthly = days > MAX_DAYS;
    let mut columns = Vec::new();
    let mut from = if monthly {
        first.first_of_month()
    } else {
        first
    };
    while from <= last && columns.len() < MAX_MONTHS {
        let step = if monthly {
            Span::new().months(1)
        } else {
            Span::new().days(1)
        };
        let Ok(until) = from.checked_add(step) else {
            break;
        };
        columns.push(counted(from, until, &found));
        from = until;
    }
    drawn(&columns, if monthly { "Month" } else { "Day" })
}

fn counted(from: Date, until: Date, found: &[(Date, [i64; 4])]) -> Counted {
    let begin = found.partition_point(|(day, _)| *day < from);
    let end = found.partition_point(|(day, _)| *day < until);
    let sum = |index: usize| {
        found[begin..end]
            .iter()
            .map(|(_, counts)| counts[index])
            .sum()
    };
    Counted {
        from,
        until,
        total: sum(0),
        managed: sum(1),
        unmanaged: sum(2),
        denied: sum(3),
    }
}

fn drawn(columns: &[Counted], unit: &'static str) -> Trend {
    let monthly = unit == "Month";
    let name = |column: &Counted| match monthly {
        true => column.from.strftime("%Y-%m").to_string(),
        false => column.from.to_string(),
    };
    let bars: Vec<Bar> = columns
        .iter()
        .map(|column| Bar {
            label: match monthly {
                true => column.from.strftime("%b %Y").to_string(),
                false => column.from.strftime("%-d %b").to_string(),
            },
            name: name(column),
            managed: column.managed,
            unmanaged: column.unmanaged,
        })
        .collect();
    let managed: i64 = columns.iter().map(|column| column.managed).sum();
    let unmanaged: i64 = columns.iter().map(|column| column.unmanaged).sum();
    let description = format!(
        "{} managed and {} unmanaged elevations; the table below has each {}.",
        figures::count(managed),
        figures::count(unmanaged),
        unit.to_lowercase()
    );
    let rows = columns.iter().rev().map(|column| TrendRow {
        name: name(column),
        link: Address::new(report_path("elevations"))
            .and("since", &column.from.to_string())
            .and("until", &column.until.to_string())
            .to_string(),
        total: figures::count(column.total),
        managed: figures::count(column.managed),
        unmanaged: figures::count(column.unmanaged),
        denied: figures::count(column.denied),
    });
    Trend {
        wide: chart::svg(&bars, chart::WIDE, &description),
        narrow: chart::svg(&bars, chart::NARROW, &description),
        unit,
        rows: rows.collect(),
    }
}

fn date(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}
