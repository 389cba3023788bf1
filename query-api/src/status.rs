//! How fresh and how complete an answer is. Comes with every answer, in its body or beside it.

use jiff::Timestamp;
use serde::Serialize;

/// What the reader of a report must know about the data behind it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DataStatus {
    /// The version of the table that answered.
    pub as_of: AsOf,
    /// How recent the newest data is.
    pub freshness: Freshness,
    /// What share of what agents recorded is there.
    pub completeness: Completeness,
    /// Why there is nothing to show, where that is so; a sentence for people.
    pub empty_reason: Option<String>,
    /// Elevations in the window that the request's `account_class` filter hides; None without such a filter.
    pub hidden_by_account_class: Option<i64>,
}

/// The version of the table that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AsOf {
    /// Name of the table.
    pub table: String,
    /// Delta version; None when the table does not exist yet.
    pub version: Option<u64>,
    /// When that version was committed.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub committed_at: Option<Timestamp>,
    /// Set when the request asked for a past version.
    pub past: bool,
}

/// How recent the newest data is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Freshness {
    /// Newest commit to the table.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_commit_at: Option<Timestamp>,
    /// Newest event by the devices' clocks.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest_event_at: Option<Timestamp>,
    /// Newest receipt by the server's clock.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest_received_at: Option<Timestamp>,
}

/// What share of what agents recorded has reached the tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Completeness {
    /// Every device that is not silent has delivered everything up to this time; None while no device has reported.
    #[serde(serialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub complete_to: Option<Timestamp>,
    /// Devices known.
    pub devices: u64,
    /// Devices heard from within three heartbeat intervals.
    pub reporting: u64,
    /// Devices not heard from for longer.
    pub silent: u64,
    /// Devices with records missing from their sequence.
    pub devices_with_gaps: u64,
    /// Records that agents numbered and that have not arrived, and nobody has said why.
    pub missing_records: u64,
    /// Records that agents reported as lost, with a reason.
    pub lost_records: u64,
    /// Records that wait on devices, as of their last heartbeats.
    pub waiting_records: u64,
    /// Records stored.
    pub records: u64,
    /// stored / (stored + missing + lost), from 0 to 1; None while nothing is known.
    pub share: Option<f64>,
}

fn optional_time<S: serde::Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_none(),
    }
}
