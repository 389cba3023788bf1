//! Errors as RFC 9457 problem documents: the one place where an error becomes a status code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use epm_control::{Advice, StoreError};
use serde::Serialize;

use crate::QueryError;

/// Where a client that has to wait should begin again, in seconds.
pub(crate) const RETRY_AFTER_S: &str = "2";

/// A problem document. The `type` names the kind of problem for programs; `detail` and `remedy` are for people.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A URN that is the same for every problem of the kind, such as `urn:epm:problem:bad-parameter`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// The parameter that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A problem without a field.
    pub(crate) fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: String,
        remedy: &str,
    ) -> Self {
        Self {
            kind: format!("urn:epm:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail,
            field: None,
            remedy: remedy.to_owned(),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        error.log();
        Self::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "changed-meanwhile",
                "Somebody changed it",
                error.to_string(),
                "Read it again, decide anew, and send its ETag as If-Match.",
            ),
            StoreError::TooLarge { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large-to-keep",
                "Too large",
                error.to_string(),
                "Split it.",
            ),
            _ => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the control store failed"
                );
                let status = match error.advice() {
                    Advice::Retry => StatusCode::SERVICE_UNAVAILABLE,
                    Advice::Refuse | Advice::Stop => StatusCode::INTERNAL_SERVER_ERROR,
                };
                Self::new(
                    status,
                    "control-store",
                    "The control store cannot be used",
                    "the control store did not answer as it should".to_owned(),
                    "The server's log has the cause; `epm verify` checks the store.",
                )
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&QueryError> for Problem {
    fn from(error: &QueryError) -> Self {
        let (status, kind, title) = match error {
            QueryError::UnknownReport { .. } => {
                (StatusCode::NOT_FOUND, "unknown-report", "No such report")
            }
            QueryError::BadParameter { .. } => (
                StatusCode::BAD_REQUEST,
                "bad-parameter",
                "A parameter cannot be understood",
            ),
            QueryError::Gone { .. } => (
                StatusCode::GONE,
                "version-gone",
                "That version is not kept any more",
            ),
            QueryError::Busy { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too many queries are running",
            ),
            QueryError::TimedOut { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too-slow",
                "The query took too long",
            ),
            QueryError::TooLarge { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too-large",
                "The query needs too much memory",
            ),
            QueryError::Tables(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "tables-unreadable",
                "The tables cannot be read",
            ),
        };
        let mut problem = Self::new(status, kind, title, error.to_string(), &error.remedy());
        if let QueryError::BadParameter { field, detail, .. } = error {
            problem.field = Some(field.clone());
            problem.detail.clone_from(detail);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

impl QueryError {
    /// Puts what the caller does not get to see where whoever runs the server finds it.
    pub(crate) fn log(&self) {
        if let Self::Tables(cause) | Self::TooLarge { source: cause, .. } = self {
            tracing::error!(
                error = cause.as_ref() as &dyn std::error::Error,
                "a query failed"
            );
        }
    }
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        self.log();
        Problem::from(&self).into_response()
    }
}
