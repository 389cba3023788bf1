//! The audit trail: every event of the control store, in order.

use axum::Json;
use axum::extract::Query;
use epm_control::{RecordedEvent, Sequence};
use serde::Serialize;
use serde_json::Value;

use super::super::problem::Problem;
use super::{Control, field, moment};

/// Events of one answer.
const MAX_EVENTS: u32 = 1_000;
/// Events of an answer where nothing else is asked for.
const DEFAULT_EVENTS: u32 = 100;

/// What happened, and who did it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditEntry {
    /// Its place among all events, from 1 and without gaps.
    sequence: u64,
    /// When, RFC 3339.
    at: String,
    /// Who: principal:ID, agent:ID or system.
    actor: String,
    /// What kind of thing it happened to.
    kind: String,
    /// To which.
    id: String,
    /// Version of the thing after it.
    version: u64,
    /// What happened.
    name: String,
    /// The particulars.
    #[schema(value_type = Object)]
    body: Value,
    /// SHA-256 over the event before and everything of this one.
    hash: String,
}

/// A page of the audit trail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditPage {
    /// The events, in order.
    events: Vec<AuditEntry>,
    /// Give this as `after` for the next page; it is there on the last one too, for what is still to happen.
    next: u64,
}

/// What happened, in order.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "control",
    params(
        ("after" = Option<u64>, Query, description = "Only events behind this place; 0 by default"),
        ("limit" = Option<u32>, Query, description = "Events of a page, 1 to 1000; 100 by default"),
    ),
    responses(
        (status = 200, description = "A page of events", body = AuditPage),
        (status = 400, description = "A parameter cannot be understood", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that does not work", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not allowed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    control: Control,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<AuditPage>, Problem> {
    let (mut after, mut limit) = (0_u64, DEFAULT_EVENTS);
    for (name, value) in pairs {
        let wrong = |remedy: &str| field(&name, format!("{value:?} cannot be understood"), remedy);
        match name.as_str() {
            "after" => {
                after = value
                    .parse()
                    .ok()
                    .filter(|after| i64::try_from(*after).is_ok())
                    .ok_or_else(|| wrong("Give the place of an event."))?;
            }
            "limit" => {
                let wanted = value.parse().ok();
                let wanted = wanted.filter(|limit| (1..=MAX_EVENTS).contains(limit));
                limit = wanted.ok_or_else(|| wrong("Give a whole number from 1 to 1000."))?;
            }
            _ => return Err(wrong("The trail has after and limit.")),
        }
    }
    let events = control.store.read_after(Sequence(after), limit).await?;
    let next = events.last().map_or(after, |last| last.sequence.0);
    let events = events.iter().map(entry).collect();
    Ok(Json(AuditPage { events, next }))
}

fn entry(event: &RecordedEvent) -> AuditEntry {
    AuditEntry {
        sequence: event.sequence.0,
        at: moment(event.at),
        actor: event.actor.to_string(),
        kind: event.stream.kind.clone(),
        id: event.stream.id.to_string(),
        version: event.version.0,
        name: event.name.clone(),
        body: serde_json::from_slice(&event.body).unwrap_or(Value::Null),
        hash: event
            .hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}
