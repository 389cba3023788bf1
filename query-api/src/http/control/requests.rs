//! Requests for support's approval: those of the devices that the caller may see, and decisions on them.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use epm_control::{
    ElevationRequest, RequestCommand, RequestRow, Reviewer, Right, StateOfRequest, Terms, Version,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::problem::Problem;
use super::body::Body;
use super::{Control, Versioned, field, moment, nothing, version_meant};
use crate::access::devices_with;

/// A request in the list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RequestView {
    /// Its id.
    id: Uuid,
    /// Its version.
    version: u64,
    /// pending, approved, denied, expired, revoked or completed.
    state: &'static str,
    /// Who asked, as the device knows the person.
    requester: String,
    /// Where.
    device: String,
    /// For which file.
    file_sha256: String,
    /// When, RFC 3339.
    submitted_at: String,
    /// When it expires, or ended, RFC 3339.
    due_at: String,
}

/// A request with all that was asked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RequestDetail {
    #[serde(flatten)]
    request: RequestView,
    /// Where the file lies on the device.
    file_path: Option<String>,
    /// Who signed the file.
    publisher: Option<String>,
    /// The file's version.
    file_version: Option<String>,
    /// Why, in the requester's words.
    justification: Option<String>,
    /// The rule that asks for approval.
    rule: Option<String>,
    /// How many different people must approve.
    reviewers_needed: Option<u8>,
    /// For how many launches an approval still holds; null for any number.
    uses_left: Option<u32>,
}

/// Requests in one state, the next to expire first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RequestList {
    requests: Vec<RequestView>,
}

/// What a decision carries; an approval may have terms.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Why; may be left out.
    #[serde(default)]
    reason: String,
    /// Of an approval: for how long, in seconds; 24 hours where it is left out.
    #[serde(default)]
    duration_s: Option<i64>,
    /// Of an approval: for how many launches; any number where it is left out.
    #[serde(default)]
    uses: Option<u32>,
}

/// The requests in a state, of the devices within the caller's scope.
#[utoipa::path(
    get, path = "/api/v1/requests", tag = "control",
    params(("state" = Option<String>, Query, description = "pending (by default), approved, denied, expired, revoked or completed")),
    responses((status = 200, description = "At most 1000 requests, the next to expire first", body = RequestList),
        (status = 400, body = Problem, description = "A parameter cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    control: Control,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<RequestList>, Problem> {
    let mut state = StateOfRequest::Pending;
    for (name, value) in pairs {
        let remedy = "state is pending, approved, denied, expired, revoked or completed.";
        let known = StateOfRequest::ALL.into_iter();
        let mut known = known.filter(|state| epm_control::request_state_name(*state) == value);
        state = known
            .next()
            .filter(|_| name == "state")
            .ok_or_else(|| field(&name, format!("{value:?} cannot be understood"), remedy))?;
    }
    let sight = Sight::of(&control, &[Right::RequestsView]).await?;
    let rows = control.store.requests_in(state).await?;
    let rows = rows.iter().filter(|row| sight.sees(row.device.as_str()));
    Ok(Json(RequestList {
        requests: rows.map(view).collect(),
    }))
}

/// One request, with what was asked.
#[utoipa::path(
    get, path = "/api/v1/requests/{id}", tag = "control", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The request", body = RequestDetail),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such request within the scope", content_type = "application/problem+json"))
)]
pub(crate) async fn show(control: Control, Path(id): Path<String>) -> Result<Response, Problem> {
    let sight = Sight::of(&control, &[Right::RequestsView]).await?;
    answer(&control, &sight, &id).await
}

/// Approves, denies or revokes. Nobody decides on an own request, or on one that an own rule gave rise to.
#[utoipa::path(
    post, path = "/api/v1/requests/{id}/{decision}", tag = "control", request_body = Decision,
    params(("id" = Uuid, Path), ("decision" = String, Path, description = "approve, deny or revoke"),
        ("If-Match" = Option<String>, Header, description = "ETag of what you read")),
    responses((status = 200, description = "The request after it", body = RequestDetail),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such request within the scope", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "Its state, or who asks, does not allow it", content_type = "application/problem+json"),
        (status = 412, body = Problem, description = "Somebody changed it", content_type = "application/problem+json"))
)]
pub(crate) async fn decide(
    control: Control,
    Path((id, decision)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<Decision>,
) -> Result<Response, Problem> {
    let command = command(&control, &decision, body)?;
    // Who decides must see too, on the same device.
    let sight = Sight::of(&control, &[Right::RequestsView, Right::RequestsModify]).await?;
    answer(&control, &sight, &id).await?;
    let key = Uuid::try_parse(&id).map_err(|_| nothing("request"))?;
    let expected = version_meant(&headers)?;
    control
        .carry_out::<ElevationRequest>(key, expected, &command)
        .await?;
    answer(&control, &sight, &id).await
}

fn command(control: &Control, decision: &str, body: Decision) -> Result<RequestCommand, Problem> {
    let Decision {
        reason,
        duration_s,
        uses,
    } = body;
    let reviewer = Reviewer {
        principal: control.caller.principal,
        users: control.caller.users.clone(),
    };
    if decision != "approve" && (duration_s.is_some() || uses.is_some()) {
        let name = if uses.is_some() { "uses" } else { "duration_s" };
        let detail = "only an approval has terms".to_owned();
        return Err(field(name, detail, "Leave it out."));
    }
    match decision {
        "approve" => {
            let usual = Terms::default();
            let terms = Terms {
                duration_s: duration_s.unwrap_or(usual.duration_s),
                uses,
            };
            Ok(RequestCommand::Approve {
                reviewer,
                terms,
                reason,
            })
        }
        "deny" => Ok(RequestCommand::Deny { reviewer, reason }),
        "revoke" => Ok(RequestCommand::Revoke {
            reviewer: reviewer.principal,
            reason,
        }),
        _ => Err(nothing("decision")),
    }
}

/// The devices whose requests the caller may see; nothing means all.
struct Sight(Option<BTreeSet<Uuid>>);

impl Sight {
    async fn of(control: &Control, rights: &[Right]) -> Result<Self, Problem> {
        let sight = devices_with(&control.caller, &control.store, rights).await?;
        Ok(Self(sight))
    }

    /// Requests name a device by its agent's id. One that is named otherwise is within nobody's limits.
    fn sees(&self, device: &str) -> bool {
        match &self.0 {
            None => true,
            Some(agents) => Uuid::try_parse(device).is_ok_and(|agent| agents.contains(&agent)),
        }
    }
}

async fn answer(control: &Control, sight: &Sight, id: &str) -> Result<Response, Problem> {
    let id = Uuid::try_parse(id).map_err(|_| nothing("request"))?;
    let row = control.store.request(id).await?;
    let row = row.filter(|row| sight.sees(row.device.as_str()));
    let row = row.ok_or_else(|| nothing("request"))?;
    let (state, _) = control.store.load::<ElevationRequest>(id).await?;
    let version: Version = row.version;
    let asked = state.submission();
    let detail = RequestDetail {
        request: view(&row),
        file_path: asked.map(|asked| asked.file.path.clone()),
        publisher: asked.and_then(|asked| asked.file.publisher.clone()),
        file_version: asked.and_then(|asked| asked.file.version.clone()),
        justification: asked.map(|asked| asked.justification.clone()),
        rule: asked.and_then(|asked| asked.rule.as_ref().map(ToString::to_string)),
        reviewers_needed: asked.map(|asked| asked.reviewers_needed),
        uses_left: state.uses_left(),
    };
    Ok(Versioned(StatusCode::OK, version, detail).into_response())
}

fn view(row: &RequestRow) -> RequestView {
    RequestView {
        id: row.id,
        version: row.version.0,
        state: epm_control::request_state_name(row.state),
        requester: row.requester.to_string(),
        device: row.device.to_string(),
        file_sha256: String::from(row.file_sha256),
        submitted_at: moment(row.submitted_at),
        due_at: moment(row.due_at),
    }
}
