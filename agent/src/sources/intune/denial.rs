//! A row of `EpmDeniedReport`: how often a file was denied to a user on a device in a month. It has neither an id nor a
//! time, so that both are made of what it says and of the month that it was exported in.

use epm_proto::ids::SourceKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::source::{Reading, Verdict};

use super::columns::{Column, Record};
use super::elevation::{self, Kind};

/// Why a row of the month's report by user and application is skipped: the two reports have the same columns, and an
/// elevation outside of Intune's reach cannot have been denied by it.
pub(super) const MONTH_OF_ELEVATIONS: &str = "month_of_elevations";

/// What tells one row of a month from another.
const IDENTITY: [Column; 9] = [
    Column::DeviceId,
    Column::User,
    Column::FileName,
    Column::Hash,
    Column::FileVersion,
    Column::ProductName,
    Column::InternalName,
    Column::CompanyName,
    Column::ElevationType,
];

/// The month that an export counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    starts_us: i64,
}

impl Month {
    /// The month in UTC of a moment, in microseconds since 1970.
    pub(super) fn of(moment_us: i64) -> Self {
        let starts = Timestamp::from_microsecond(moment_us)
            .ok()
            .and_then(|moment| {
                let first = moment.to_zoned(TimeZone::UTC).first_of_month().ok()?;
                Some(first.start_of_day().ok()?.timestamp().as_microsecond())
            });
        Self {
            starts_us: starts.unwrap_or_default(),
        }
    }
}

/// The reading of a row; why there is none otherwise.
pub(super) fn read(
    record: &Record<'_>,
    principal: Option<&str>,
    month: Month,
) -> Result<Reading, &'static str> {
    let count = record.text(Column::MonthElevationCount);
    let count: u64 = count.parse().unwrap_or_default();
    if count == 0 {
        return Err("an Intune denial without its count");
    }
    if record.text(Column::FileName).is_empty() {
        return Err("an Intune denial without a file");
    }
    let mut parts = vec![
        b"intune".to_vec(),
        b"denial".to_vec(),
        month.starts_us.to_le_bytes().to_vec(),
    ];
    let identity = IDENTITY.map(|column| record.text(column).to_lowercase());
    parts.extend(identity.map(String::into_bytes));
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mut elevation = elevation::elevation(record, principal, Kind::Denied);
    elevation.repeat_count = u32::try_from(count).unwrap_or(u32::MAX);
    let key = SourceKey::derive(&parts);
    Ok(elevation::reading(
        Verdict::Denied,
        month.starts_us,
        key,
        elevation,
    ))
}

/// Whether the row counts elevations rather than denials.
pub(super) fn counts_elevations(record: &Record<'_>) -> bool {
    Kind::parse(record.text(Column::ElevationType)) == Kind::Unmanaged
}
