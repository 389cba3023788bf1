//! A request for support approval. A denied one asked for administrator rights and was refused; the others are on their
//! way to an elevation, which the report of elevations holds, or came to nothing, and are counted by their state.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Reading, Verdict};

use super::columns::{Column, Record};
use super::elevation::{self, Kind};

/// What became of a request: what to store, or why it is skipped.
pub(super) enum Fate {
    Denied(Box<Reading>),
    Skipped(&'static str),
}

/// Reads a request; why that is not possible otherwise.
pub(super) fn read(record: &Record<'_>, principal: Option<&str>) -> Result<Fate, &'static str> {
    let id = record.text(Column::Id).to_ascii_lowercase();
    if id.is_empty() {
        return Err("an Intune request without an id");
    }
    let state = record.text(Column::Status).to_ascii_lowercase();
    let reason = match state.as_str() {
        "denied" | "3" => "",
        "pending" | "1" => "request_pending",
        "approved" | "2" => "request_approved",
        "expired" | "4" => "request_expired",
        "revoked" | "6" => "request_revoked",
        "completed" | "7" => "request_completed",
        _ => "request_of_unknown_state",
    };
    if !reason.is_empty() {
        return Ok(Fate::Skipped(reason));
    }
    let moment = elevation::moment(record).ok_or("an Intune request without a time")?;
    let key = SourceKey::derive(&[b"intune", b"request", id.as_bytes()]);
    let mut elevation = elevation::elevation(record, principal, Kind::Denied);
    elevation.decision_source = v1::DecisionSource::Approval.into();
    elevation.trigger = v1::Trigger::RunWithElevatedAccess.into();
    elevation.reason = match record.text(Column::ReviewerJustification) {
        "" => "request denied".to_owned(),
        why => why.to_owned(),
    };
    let reading = elevation::reading(Verdict::Denied, moment, key, elevation);
    Ok(Fate::Denied(Box::new(reading)))
}
