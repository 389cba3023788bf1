//! What the `devices` table says about freshness and completeness. Must not look at elevations.

use std::time::Duration;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::cast;
use datafusion::prelude::ident;
use epm_tables::Snapshot;
use jiff::Timestamp;

use super::plan::Plan;
use super::query;
use super::query::data_type;
use crate::{ColumnKind, Completeness, Freshness, QueryError};

/// A device is silent after this many heartbeat intervals: one may be late and one may be lost.
const SILENT_AFTER_INTERVALS: i32 = 3;
/// For devices that never said how often they send heartbeats.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

pub(crate) const TIMES: [&str; 4] = [
    "last_received_at",
    "last_heartbeat_at",
    "last_observed_at",
    "oldest_unsent_at",
];
pub(crate) const COUNTS: [&str; 5] = [
    "missing",
    "lost",
    "records",
    "spool_records",
    "heartbeat_interval_s",
];

/// What one row of `devices` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DeviceState {
    pub(crate) last_received_at: Option<Timestamp>,
    pub(crate) last_heartbeat_at: Option<Timestamp>,
    pub(crate) last_observed_at: Option<Timestamp>,
    pub(crate) oldest_unsent_at: Option<Timestamp>,
    pub(crate) missing: u64,
    pub(crate) lost: u64,
    pub(crate) records: u64,
    pub(crate) spool_records: u64,
    pub(crate) heartbeat_interval: Option<Duration>,
}

/// Freshness (but for the commit) and completeness by the devices of one snapshot, at `now`.
pub(crate) async fn of(
    devices: &Snapshot,
    plan: &Plan,
    session: &SessionContext,
    now: Timestamp,
) -> Result<(Freshness, Completeness), QueryError> {
    let times = TIMES.map(|name| (name, ColumnKind::Time));
    let counts = COUNTS.map(|name| (name, ColumnKind::Count));
    let columns: Vec<_> = times
        .into_iter()
        .chain(counts)
        .map(|(name, kind)| cast(ident(name), data_type(kind)).alias(name))
        .collect();
    let frame = devices
        .frame(session)
        .and_then(|frame| query::visible(plan, frame))
        .and_then(|frame| frame.select(columns))
        .map_err(super::failed)?;
    let batches = frame.collect().await.map_err(super::failed)?;
    Ok(summed(batches.iter().flat_map(states), now))
}

/// The sum over devices.
pub(crate) fn summed(
    devices: impl Iterator<Item = DeviceState>,
    now: Timestamp,
) -> (Freshness, Completeness) {
    let mut freshness = Freshness::default();
    let mut sum = Completeness::default();
    for device in devices {
        freshness.newest_event_at = freshness.newest_event_at.max(device.last_observed_at);
        freshness.newest_received_at = freshness.newest_received_at.max(device.last_received_at);
        sum.devices += 1;
        sum.missing_records += device.missing;
        sum.lost_records += device.lost;
        sum.waiting_records += device.spool_records;
        sum.records += device.records;
        sum.devices_with_gaps += u64::from(device.missing > 0);
        if device.silent_at(now) {
            sum.silent += 1;
            continue;
        }
        sum.reporting += 1;
        if let Some(complete_to) = device.complete_to() {
            sum.complete_to = Some(
                sum.complete_to
                    .map_or(complete_to, |least| least.min(complete_to)),
            );
        }
    }
    let sequenced = sum.records + sum.missing_records + sum.lost_records;
    sum.share = (sequenced > 0).then(|| sum.records as f64 / sequenced as f64);
    (freshness, sum)
}

impl DeviceState {
    fn silent_at(&self, now: Timestamp) -> bool {
        let Some(heard) = self.last_received_at.max(self.last_heartbeat_at) else {
            return true;
        };
        let interval = self.heartbeat_interval.unwrap_or(DEFAULT_INTERVAL);
        heard
            .saturating_add(interval * SILENT_AFTER_INTERVALS.unsigned_abs())
            .is_ok_and(|quiet| quiet < now)
    }

    /// Up to when everything the device recorded has arrived. What waited at a heartbeat was sequenced before it, so
    /// where nothing is missing it has arrived since. A gap that nobody explains makes the time unknown, unless the
    /// device said how old the oldest waiting record is.
    fn complete_to(&self) -> Option<Timestamp> {
        match self.missing {
            0 => self.last_heartbeat_at.max(self.last_observed_at),
            _ => self.oldest_unsent_at,
        }
    }
}

fn states(batch: &RecordBatch) -> Vec<DeviceState> {
    let column = |name: &str| batch.column_by_name(name).cloned();
    let time = |name: &str, row: usize| {
        let column: ArrayRef = column(name)?;
        let micros = column.as_primitive_opt::<TimestampMicrosecondType>()?;
        micros
            .is_valid(row)
            .then(|| Timestamp::from_microsecond(micros.value(row)).ok())
            .flatten()
    };
    let count = |name: &str, row: usize| {
        let column: ArrayRef = column(name)?;
        let counts = column.as_primitive_opt::<Int64Type>()?;
        counts
            .is_valid(row)
            .then(|| u64::try_from(counts.value(row)).unwrap_or(0))
    };
    (0..batch.num_rows())
        .map(|row| DeviceState {
            last_received_at: time("last_received_at", row),
            last_heartbeat_at: time("last_heartbeat_at", row),
            last_observed_at: time("last_observed_at", row),
            oldest_unsent_at: time("oldest_unsent_at", row),
            missing: count("missing", row).unwrap_or(0),
            lost: count("lost", row).unwrap_or(0),
            records: count("records", row).unwrap_or(0),
            spool_records: count("spool_records", row).unwrap_or(0),
            heartbeat_interval: count("heartbeat_interval_s", row)
                .filter(|s| *s > 0)
                .map(Duration::from_secs),
        })
        .collect()
}

#[cfg(test)]
mod tests;
