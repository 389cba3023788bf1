//! What a report says about itself outside its rows: the same pairs in headers, Parquet and Arrow metadata.

use jiff::Timestamp;

use crate::{DataStatus, Report, Window};

/// Names (as HTTP headers, which are case-insensitive) and values; what is unknown is left out.
#[must_use]
pub fn pairs(report: &Report, window: Window, status: &DataStatus) -> Vec<(&'static str, String)> {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let completeness = &status.completeness;
    let all = [
        ("epm-report", Some(report.name.to_owned())),
        ("epm-since", time(window.since)),
        ("epm-until", time(window.until)),
        (
            "epm-table-version",
            status.as_of.version.map(|version| version.to_string()),
        ),
        ("epm-committed-at", time(status.as_of.committed_at)),
        (
            "epm-newest-event-at",
            time(status.freshness.newest_event_at),
        ),
        (
            "epm-newest-received-at",
            time(status.freshness.newest_received_at),
        ),
        ("epm-complete-to", time(completeness.complete_to)),
        ("epm-devices", Some(completeness.devices.to_string())),
        (
            "epm-devices-reporting",
            Some(completeness.reporting.to_string()),
        ),
        ("epm-devices-silent", Some(completeness.silent.to_string())),
        (
            "epm-devices-with-gaps",
            Some(completeness.devices_with_gaps.to_string()),
        ),
        (
            "epm-missing-records",
            Some(completeness.missing_records.to_string()),
        ),
        (
            "epm-lost-records",
            Some(completeness.lost_records.to_string()),
        ),
        (
            "epm-share",
            completeness.share.map(|share| share.to_string()),
        ),
        (
            "epm-hidden-by-account-class",
            status
                .hidden_by_account_class
                .map(|hidden| hidden.to_string()),
        ),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}
