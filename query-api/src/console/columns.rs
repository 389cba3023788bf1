//! Which columns a report's page shows, and the links in their headers that sort by them.

use super::address::Address;
use super::cells::class_of;
use crate::catalogue::Source;
use crate::{ColumnInfo, ColumnKind, Place, Report, ReportRequest};

/// Columns that come first, in this order: who ran what and how it went must be seen without scrolling. The others
/// follow in the order of the report.
const LEADING: [&str; 16] = [
    "observed_at",
    "event_date",
    "user_name",
    "file_name",
    "management",
    "outcome",
    "product_name",
    "publisher",
    "elevation_type",
    "total",
    "managed",
    "unmanaged",
    "denied",
    "users",
    "devices",
    "applications",
];

/// The header of a column.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) title: &'static str,
    pub(super) class: &'static str,
    /// As in `aria-sort`; empty where the column is not sorted by.
    pub(super) sorted: &'static str,
    /// The page sorted by this column; None for columns without an order.
    pub(super) link: Option<String>,
}

/// Asks for the columns of the page where the reader has not chosen any.
///
/// Grouped reports keep their own: another choice would make other groups than REST has.
pub(super) fn choose(report: &Report, request: &mut ReportRequest) {
    if !request.columns.is_empty() || report.source == Source::Usage {
        return;
    }
    let shown = report
        .columns
        .iter()
        .filter(|column| column.place == Place::Shown);
    request.columns = shown.map(|column| column.name.to_owned()).collect();
}

/// The columns that the page shows, of those that the rows have; in the reader's own order where there is one.
pub(super) fn shown(report: &Report, chosen: bool, there: &[ColumnInfo]) -> Vec<ColumnInfo> {
    let show = |column: &&ColumnInfo| {
        chosen
            || column.place == Place::Shown
            // What tells two rows apart must be seen.
            || (report.source == Source::Usage && !crate::catalogue::is_measure(column.name))
    };
    let mut shown: Vec<ColumnInfo> = there.iter().filter(show).copied().collect();
    if !chosen {
        let place = |column: &ColumnInfo| LEADING.iter().position(|name| *name == column.name);
        shown.sort_by_key(|column| place(column).unwrap_or(LEADING.len()));
    }
    shown
}

/// The header of a column on the page at `address`, which sorts as `sort` says.
pub(super) fn header(column: &ColumnInfo, address: &Address, sort: &str) -> Header {
    let current = match sort.strip_prefix('-') {
        Some(name) if name == column.name => Some(true),
        None if sort == column.name => Some(false),
        _ => None,
    };
    // The first click shows what people look for: the most, the newest, or the beginning of the alphabet.
    let largest_first = matches!(
        column.kind,
        ColumnKind::Count | ColumnKind::Number | ColumnKind::Time | ColumnKind::Date
    );
    let descending = current.map_or(largest_first, |descending| !descending);
    let sign = if descending { "-" } else { "" };
    let link = (column.kind != ColumnKind::List).then(|| {
        let sorted = address.clone().without("sort").without("cursor");
        sorted
            .and("sort", &format!("{sign}{}", column.name))
            .to_string()
    });
    Header {
        title: column.title,
        class: class_of(column.kind),
        sorted: match current {
            Some(true) => "descending",
            Some(false) => "ascending",
            None => "",
        },
        link,
    }
}
