//! What a request carries: a JSON body whose every field is known, and the page of a list that is wanted.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use epm_control::{ControlStore, Entry, Listed, MAX_LISTED};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::super::problem::Problem;
use super::field;

/// Rows of a page where nothing else is asked for.
const DEFAULT_ROWS: u32 = 100;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "Not JSON",
                format!("the body's Content-Type is {kind:?}"),
                "Send JSON with Content-Type: application/json.",
            ));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|refused| {
                Problem::new(
                    refused.status(),
                    "body",
                    "The body cannot be read",
                    refused.body_text(),
                    "Send a shorter body.",
                )
            })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let said = error.to_string();
            // serde names fields in backquotes: unknown ones, and those that are missing.
            let name = said.split('`').nth(1).unwrap_or("body").to_owned();
            field(
                &name,
                said,
                "The fields are described at /api/v1/openapi.json.",
            )
        })
    }
}

/// The page of a list that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: u32,
    cursor: Option<String>,
}

impl Page {
    /// The page of a query string; every other parameter is an error.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut page = Self {
            limit: DEFAULT_ROWS,
            cursor: None,
        };
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MAX_LISTED).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        let remedy = "Give a whole number from 1 to 1000.";
                        field(
                            "limit",
                            format!("{value:?} is not a number of rows"),
                            remedy,
                        )
                    })?;
                }
                "cursor" => page.cursor = Some(value),
                _ => {
                    let detail = "there is no such parameter".to_owned();
                    return Err(field(&name, detail, "A list has limit and cursor."));
                }
            }
        }
        Ok(page)
    }

    /// Whether it is the one that a list begins with.
    pub(super) fn is_first(&self) -> bool {
        self.cursor.is_none()
    }

    /// The things on it, and the cursor of the page behind it where there may be one.
    pub(super) async fn read<A: Listed>(
        &self,
        store: &ControlStore,
    ) -> Result<(Vec<Entry<A::Row>>, Option<String>), Problem> {
        let after = self.after()?;
        let after = after.as_ref().map(|(label, id)| (label.as_str(), *id));
        let entries = store.list::<A>(after, self.limit).await?;
        let is_full = entries.len() as u64 == u64::from(self.limit);
        let last = entries.last().filter(|_| is_full);
        let next = last.and_then(|last| cursor(&A::label(&last.row), last.id));
        Ok((entries, next))
    }

    /// The label and the id after which the page begins.
    fn after(&self) -> Result<Option<(String, Uuid)>, Problem> {
        let Some(text) = &self.cursor else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let after = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        after.map(Some).ok_or_else(|| {
            let detail = "it is not one that this server gave".to_owned();
            field("cursor", detail, "Start again without a cursor.")
        })
    }
}

/// The cursor behind a row.
fn cursor(label: &str, id: Uuid) -> Option<String> {
    let bytes = serde_json::to_vec(&(label, id)).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
