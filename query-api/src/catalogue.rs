//! The reports there are: one static table. Adding a report is adding a row. Does no IO.

use crate::QueryError;

/// One report.
#[derive(Debug)]
pub struct Report {
    /// Name in URLs and on the command line.
    pub name: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// What it answers, in one sentence.
    pub summary: &'static str,
    /// What the rows are made of.
    pub source: Source,
    /// Columns it can return.
    pub columns: &'static [ColumnInfo],
    /// Sort when none is asked for, as in the `sort` parameter.
    pub default_sort: &'static str,
    /// A filter that is part of the report: column and value.
    pub fixed_filter: Option<(&'static str, &'static str)>,
}

/// What the rows of a report are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One row per elevation.
    Elevations,
    /// Groups over the daily usage.
    Usage,
    /// One row per device, as it is known now; a window is about when it was last heard of.
    Devices,
}

/// A column of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Name in JSON, CSV headers, filters and sort.
    pub name: &'static str,
    /// Title for people.
    pub title: &'static str,
    /// What its values are, for alignment and formatting.
    pub kind: ColumnKind,
    /// Whether it is shown without being asked for.
    pub place: Place,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Free text (Utf8).
    Text,
    /// One of a few words (Utf8), such as `managed`.
    Word,
    /// An id or hash (Utf8): monospaced, may be shortened for people.
    Id,
    /// How many (Int64): right-aligned, thousands separated.
    Count,
    /// A number that is not a count (Int32 or Int64): right-aligned.
    Number,
    /// A moment (Timestamp µs UTC).
    Time,
    /// A day (Date32).
    Date,
    /// Yes, no or unknown (Boolean).
    Flag,
    /// Several texts (List of Utf8).
    List,
}

/// Whether a column is shown without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In tables for people and in data.
    Shown,
    /// In data and in the details of a row.
    Detail,
    /// Only when named in `columns`.
    OnRequest,
}

/// The report of that name.
///
/// # Errors
/// [`QueryError::UnknownReport`] with the names there are.
pub fn find(name: &str) -> Result<&'static Report, QueryError> {
    REPORTS
        .iter()
        .find(|report| report.name == name)
        .ok_or_else(|| QueryError::UnknownReport {
            name: name.to_owned(),
            known: REPORTS.iter().map(|report| report.name).collect(),
        })
}

/// Columns of `usage` that rows can be grouped by.
pub(crate) const USAGE_DIMENSIONS: [&str; 16] = [
    "event_date",
    "file_name",
    "product_name",
    "internal_name",
    "file_version",
    "publisher",
    "sha256",
    "management",
    "elevation_type",
    "outcome",
    "decision_source",
    "rule_id",
    "policy_id",
    "account_class",
    "user_name",
    "device",
];

/// Whether a column of a grouped report is counted rather than grouped by.
#[must_use]
pub fn is_measure(name: &str) -> bool {
    !USAGE_DIMENSIONS.contains(&name)
}

/// Every report, in the order of menus.
pub static REPORTS: &[Report] = &[
    Report {
        name: "elevations",
        title: "Elevations",
        summary: "Every elevation, managed and unmanaged, one row each.",
        source: Source::Elevations,
        columns: ELEVATION_COLUMNS,
        default_sort: "-observed_at",
        fixed_filter: None,
    },
    Report {
        name: "managed-elevations",
        title: "Managed elevations",
        summary: "Elevations carried out by the agent: by rule, default response or approval.",
        source: Source::Elevations,
        columns: ELEVATION_COLUMNS,
        default_sort: "-observed_at",
        fixed_filter: Some(("management", "managed")),
    },
    Report {
        name: "by-application",
        title: "By application",
        summary: "How often each application was elevated, by how many users on how many devices.",
        source: Source::Usage,
        columns: BY_APPLICATION_COLUMNS,
        default_sort: "-total",
        fixed_filter: None,
    },
    Report {
        name: "by-publisher",
        title: "By publisher",
        summary: "How often each publisher's applications were elevated.",
        source: Source::Usage,
        columns: BY_PUBLISHER_COLUMNS,
        default_sort: "-total",
        fixed_filter: None,
    },
    Report {
        name: "by-user",
        title: "By user",
        summary: "How often each user elevated, managed and unmanaged.",
        source: Source::Usage,
        columns: BY_USER_COLUMNS,
        default_sort: "-total",
        fixed_filter: None,
    },
    Report {
        name: "trend",
        title: "Trend",
        summary: "Managed and unmanaged elevations of each day.",
        source: Source::Usage,
        columns: TREND_COLUMNS,
        default_sort: "event_date",
        fixed_filter: None,
    },
    Report {
        name: "devices",
        title: "Devices",
        summary: "Every device: where the management of elevations stands on it, when it was last heard of, and what is missing.",
        source: Source::Devices,
        columns: DEVICE_COLUMNS,
        default_sort: "device",
        fixed_filter: None,
    },
];

const fn column(
    name: &'static str,
    title: &'static str,
    kind: ColumnKind,
    place: Place,
) -> ColumnInfo {
    ColumnInfo {
        name,
        title,
        kind,
        place,
    }
}

mod columns;
use columns::{BY_APPLICATION_COLUMNS, BY_PUBLISHER_COLUMNS, BY_USER_COLUMNS, TREND_COLUMNS};
pub(crate) use columns::{DEVICE_COLUMNS, ELEVATION_COLUMNS};
