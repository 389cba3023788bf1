//! The control plane over REST: roles, principals, tokens, requests for approval and the audit trail. Each handler reads
//! its body, gives a command to the store and answers with what came of it; who may call it is known before.

pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod principals;
pub(crate) mod requests;
pub(crate) mod roles;
mod scope;
pub(crate) mod tokens;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json};
use epm_control::{
    Actor, Aggregate, Caller, CommandError, ControlStore, Entry, Listed, StoreError, TimeUs,
    Version,
};
use serde::Serialize;
use uuid::Uuid;

use super::problem::Problem;
use crate::AppState;

/// Bytes of a body: a principal with all the roles that one can have.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The routes of the control plane.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/me", get(principals::me))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/roles", get(roles::list).post(roles::define))
        .route(
            "/api/v1/roles/{id}",
            get(roles::show).put(roles::change).delete(roles::remove),
        )
        .route(
            "/api/v1/principals",
            get(principals::list).post(principals::register),
        )
        .route(
            "/api/v1/principals/{id}",
            get(principals::show).put(principals::set),
        )
        .route("/api/v1/tokens", get(tokens::list).post(tokens::issue))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/requests", get(requests::list))
        .route("/api/v1/requests/{id}", get(requests::show))
        .route("/api/v1/requests/{id}/{decision}", post(requests::decide))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// The store, and who calls.
#[derive(Debug)]
pub(crate) struct Control {
    store: ControlStore,
    caller: Caller,
}

impl Control {
    /// For the trail.
    fn actor(&self) -> Actor {
        Actor::Principal(self.caller.principal)
    }

    fn now() -> TimeUs {
        crate::access::now()
    }

    /// What a list shows of the thing with this id.
    async fn entry<A: Listed>(&self, id: Uuid, what: &str) -> Result<Entry<A::Row>, Problem> {
        let entry = self.store.entry::<A>(id).await?;
        entry.ok_or_else(|| nothing(what))
    }

    /// Carries out a command of the caller's.
    async fn carry_out<A: Aggregate>(
        &self,
        id: Uuid,
        expected: Option<Version>,
        command: &A::Command,
    ) -> Result<(), Problem> {
        let (actor, now) = (self.actor(), Self::now());
        let outcome = self.store.execute::<A>(id, expected, command, actor, now);
        outcome.await.map(drop).map_err(failed)
    }
}

impl FromRequestParts<AppState> for Control {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Extension(caller) = Extension::<Caller>::from_request_parts(parts, state)
            .await
            .map_err(|_| internal("no caller"))?;
        let store = state.control.clone().ok_or_else(|| internal("no store"))?;
        Ok(Self { store, caller })
    }
}

/// What the gate in front of the handlers should have kept out.
fn internal(what: &str) -> Problem {
    tracing::error!(what, "an endpoint was reached that should not have been");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The server is at fault",
        "the request came to a handler that cannot answer it".to_owned(),
        "Tell whoever runs the server.",
    )
}

/// A thing with its version, which is its ETag.
struct Versioned<T>(StatusCode, Version, T);

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let Self(status, version, body) = self;
        let mut response = (status, Json(body)).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The version that a command is for, by its If-Match; nothing where it has none, or says that any will do.
fn version_meant(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let digits = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let version = digits.and_then(|digits| digits.parse().ok());
    version.map(|number| Some(Version(number))).ok_or_else(|| {
        field(
            "If-Match",
            format!("{text:?} is no version"),
            "Send the ETag of what you read.",
        )
    })
}

/// The version that a command is for, where it would replace what somebody else may have changed meanwhile.
fn version_needed(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    if headers.contains_key(header::IF_MATCH) {
        return version_meant(headers);
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_REQUIRED,
        "version-missing",
        "Which version is meant?",
        "this replaces the whole, so it needs an If-Match header".to_owned(),
        "Read it, and send its ETag as If-Match; If-Match: * replaces whatever there is.",
    ))
}

/// A field of a request that cannot be understood.
fn field(name: &str, detail: String, remedy: &str) -> Problem {
    let title = "The request cannot be understood";
    let mut problem = Problem::new(StatusCode::BAD_REQUEST, "bad-field", title, detail, remedy);
    problem.field = Some(name.to_owned());
    problem
}

/// What is not there, or not for the caller: which of them is not told.
fn nothing(what: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "Nothing here",
        format!("there is no such {what}, or it is not within your scope"),
        "List what there is.",
    )
}

/// A command that was not carried out.
fn failed<R: std::error::Error + 'static>(error: CommandError<R>) -> Problem {
    match error {
        CommandError::Store(StoreError::Conflict {
            actual: Version(0), ..
        }) => nothing("thing"),
        CommandError::Store(error) => Problem::from(&error),
        CommandError::Refused(refusal) => Problem::new(
            StatusCode::CONFLICT,
            "refused",
            "Refused",
            refusal.to_string(),
            "Read it again: its state does not allow this, or not in this form.",
        ),
    }
}

/// A moment, as answers have it.
fn moment(at: TimeUs) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .map_or_else(|_| at.0.to_string(), |time| time.to_string())
}
