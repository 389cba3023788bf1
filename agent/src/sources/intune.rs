//! Exports of Microsoft Intune's endpoint privilege management: the reports `EpmElevationReportElevationEvent` and
//! `EpmDeniedReport` as CSV, JSON or the zip that the export job delivers, and Graph's lists of elevations and of
//! elevation requests.
//!
//! An export repeats its whole window, so that each record's key is made of what stays the same. It is read twice,
//! because a person's other names are understood only once all of them are known (`principals.rs`).

mod columns;
mod csv;
mod denial;
mod elevation;
mod export;
mod json;
mod report;
mod request;
mod tell;

use super::format::{Format, Head, Reading};
use super::zipped;

pub use report::NoReport;

/// An export, whatever its shape.
pub static FORMAT: Format = Format {
    name: "a Microsoft Intune export",
    recognises: |head| is_report_zip(head) || check(head).is_ok(),
    reading: Reading::Whole(export::read),
};

/// Whether a plain file that begins with `head` is an export with all that it needs; why not otherwise.
pub(crate) fn check(head: &Head<'_>) -> Result<(), NoReport> {
    let report = match head.is_json() {
        true => json::report_of(head),
        false => csv::report_of(head),
    };
    report.map(|_| ())
}

/// A zip whose first file is called as the export job calls it: by the report, with the ending of its shape.
fn is_report_zip(head: &Head<'_>) -> bool {
    let name = zipped::first_name(head.bytes()).unwrap_or_default();
    let name = name.to_ascii_lowercase();
    name.ends_with(b".csv") || name.ends_with(b".json")
}

/// Why a column that is not read is skipped.
fn unknown_column(name: &str) -> &'static str {
    // The same value again, in words of the language of whoever exported it.
    if name.trim().to_ascii_lowercase().ends_with("_loc") {
        "localised_column"
    } else {
        "unknown_column"
    }
}

#[cfg(test)]
mod tests;
