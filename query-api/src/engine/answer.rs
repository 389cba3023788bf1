//! What a page says besides its rows: where the next one begins, and why there is none.

use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;

use super::failure::{arrow_failed, failed};
use super::plan::Plan;
use super::query::Sources;
use crate::catalogue::Source;
use crate::cursor::{Cursor, Key, fingerprint};
use crate::{DataStatus, QueryError, ReportRequest};

/// The cursor after the last row of a page.
pub(super) fn next_cursor(
    plan: &Plan,
    request: &ReportRequest,
    sources: &Sources,
    shown: &RecordBatch,
    total: u64,
) -> Result<String, QueryError> {
    let last = shown.num_rows().saturating_sub(1);
    let key = plan
        .key_columns()
        .iter()
        .map(|key| {
            let index = shown
                .schema()
                .index_of(key.column.name)
                .map_err(arrow_failed)?;
            ScalarValue::try_from_array(shown.column(index), last)
                .map(|value| Key::of(&value))
                .map_err(failed)
        })
        .collect::<Result<Vec<_>, QueryError>>()?;
    let versions = [
        sources.elevations.version(),
        sources.usage.version(),
        sources.devices.version(),
    ];
    let now_us = plan.now.as_microsecond();
    Ok(Cursor {
        request: fingerprint(request),
        now_us,
        versions,
        total,
        key,
    }
    .encode())
}

/// Why a page has no rows, as a sentence.
pub(super) fn empty_reason(
    plan: &Plan,
    request: &ReportRequest,
    sources: &Sources,
    status: &DataStatus,
) -> String {
    if plan.report.source == Source::Devices {
        return no_devices(plan, request, status);
    }
    if sources.elevations.files() == 0 {
        return match plan.as_of {
            Some(time) => format!("No elevation had arrived by {time}."),
            None if status.completeness.devices == 0 => {
                "No agent has delivered anything to this data folder yet.".to_owned()
            }
            None => "Agents report, but no elevation has arrived yet.".to_owned(),
        };
    }
    if plan.cursor.is_some() {
        return "There are no more rows.".to_owned();
    }
    if let (Some(since), Some(newest)) = (plan.window.since, status.freshness.newest_event_at)
        && newest < since
    {
        return format!("The newest event is of {newest}, before the window begins.");
    }
    match request.filters.is_empty() && plan.report.fixed_filter.is_none() {
        true => "No elevation happened in this window.".to_owned(),
        false => "No elevation in this window matches the filters.".to_owned(),
    }
}

/// The same for devices, which are there whether elevations are or not.
fn no_devices(plan: &Plan, request: &ReportRequest, status: &DataStatus) -> String {
    if status.completeness.devices == 0 {
        return match plan.as_of {
            Some(time) => format!("No device was known by {time}."),
            None => "No agent has delivered anything to this data folder yet.".to_owned(),
        };
    }
    let sentence = match (plan.cursor.is_some(), request.filters.is_empty()) {
        (true, _) => "There are no more rows.",
        (false, true) => "No device was last heard of in this window.",
        (false, false) => "No device that was last heard of in this window matches the filters.",
    };
    sentence.to_owned()
}
