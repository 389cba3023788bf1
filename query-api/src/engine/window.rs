//! The stretch of time that a report covers, and which part of it daily usage can answer. Does no IO.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::filter::days_since_1970;
use crate::{QueryError, moment};

/// From `since` (inclusive) to `until` (exclusive), open where None.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Start, inclusive.
    pub since: Option<Timestamp>,
    /// End, exclusive.
    pub until: Option<Timestamp>,
}

impl Window {
    /// The window that a request writes, at `now`.
    ///
    /// # Errors
    /// [`QueryError::BadParameter`] for a time that is none and for an end before its start.
    pub(crate) fn parse(
        since: Option<&str>,
        until: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, QueryError> {
        let since = since
            .map(|text| moment::parse("since", text, now))
            .transpose()?;
        let until = until
            .map(|text| moment::parse("until", text, now))
            .transpose()?;
        if let (Some(start), Some(end)) = (since, until)
            && end <= start
        {
            return Err(QueryError::BadParameter {
                field: "until".to_owned(),
                detail: format!("{end} is not after since, {start}"),
                remedy: "Give a later until or an earlier since; until itself is not part of the window.".to_owned(),
            });
        }
        Ok(Self { since, until })
    }

    /// The whole days within, for `usage`, and what is left at the ends, for `elevations`.
    ///
    /// No day is cut when both ends are midnight UTC or open; then the second part is empty.
    pub(crate) fn split(self) -> (Option<Self>, Vec<Self>) {
        let first = self.since.map(midnight_from);
        let last = self.until.map(moment::midnight);
        if let (Some(first), Some(last)) = (first, last)
            && first > last
        {
            return (None, vec![self]);
        }
        let mut ends = Vec::new();
        if self.since < first {
            ends.push(Self {
                since: self.since,
                until: first,
            });
        }
        if self.until > last {
            ends.push(Self {
                since: last,
                until: self.until,
            });
        }
        let days = first.is_none() || first != last;
        (
            days.then_some(Self {
                since: first,
                until: last,
            }),
            ends,
        )
    }

    /// The condition on rows of a table that is not kept apart by day, by a column of times.
    pub(crate) fn on(self, column: &'static str) -> Expr {
        let since = self.since.map(|since| ident(column).gt_eq(micros(since)));
        let until = self.until.map(|until| ident(column).lt(micros(until)));
        since
            .into_iter()
            .chain(until)
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true))
    }

    /// The condition on rows that have a time; prunes partitions by day too.
    pub(crate) fn on_times(self) -> Expr {
        let since = self.since.map(|since| {
            ident("observed_at")
                .gt_eq(micros(since))
                .and(ident("event_date").gt_eq(lit(day(since))))
        });
        let until = self.until.map(|until| {
            ident("observed_at")
                .lt(micros(until))
                .and(ident("event_date").lt_eq(lit(day(until))))
        });
        since
            .into_iter()
            .chain(until)
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true))
    }

    /// The condition on rows that have a day only; right for windows of whole days.
    pub(crate) fn on_days(self) -> Expr {
        let since = self
            .since
            .map(|since| ident("event_date").gt_eq(lit(day(since))));
        let until = self
            .until
            .map(|until| ident("event_date").lt(lit(day(until))));
        since
            .into_iter()
            .chain(until)
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true))
    }
}

fn micros(time: Timestamp) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(
        Some(time.as_microsecond()),
        Some("UTC".into()),
    ))
}

fn midnight_from(time: Timestamp) -> Timestamp {
    if moment::is_midnight(time) {
        return time;
    }
    moment::midnight(time)
        .checked_add(24.hours())
        .unwrap_or(time)
}

fn day(time: Timestamp) -> ScalarValue {
    ScalarValue::Date32(Some(days_since_1970(time.to_zoned(TimeZone::UTC).date())))
}

#[cfg(test)]
mod tests;
