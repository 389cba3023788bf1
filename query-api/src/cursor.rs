//! The position of the next page: which versions of the tables the first page read, and the last row so far.
//!
//! Opaque to callers, and nothing in it is trusted: values are compared with rows, never run.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datafusion::common::ScalarValue;
use serde::{Deserialize, Serialize};

use crate::{ColumnKind, QueryError, ReportRequest};

/// Longer than any cursor we give: key columns are bounded by the record's limit.
const MAX_CURSOR_CHARS: usize = 64 * 1024;

/// Everything the next page needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Which request it continues.
    #[serde(rename = "r")]
    pub(crate) request: u64,
    /// When the first page was asked for, in microseconds: ages in since and until count from there.
    #[serde(rename = "n")]
    pub(crate) now_us: i64,
    /// Versions of `elevations`, `usage` and `devices`.
    #[serde(rename = "v")]
    pub(crate) versions: [Option<u64>; 3],
    /// Rows over all pages.
    #[serde(rename = "t")]
    pub(crate) total: u64,
    /// Values of the sort column and of the columns that break ties, in the last row.
    #[serde(rename = "k")]
    pub(crate) key: Vec<Key>,
}

/// One value of the last row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    /// No value.
    Absent,
    /// Yes or no.
    Flag(bool),
    /// A number, microseconds or days.
    Number(i64),
    /// Text.
    Text(String),
}

impl Cursor {
    /// As given to callers.
    pub(crate) fn encode(&self) -> String {
        // Numbers and text always have a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// As given back by callers, for the request it belongs to.
    pub(crate) fn decode(text: &str, request: &ReportRequest) -> Result<Self, QueryError> {
        let parsed: Option<Self> = (text.len() <= MAX_CURSOR_CHARS)
            .then(|| URL_SAFE_NO_PAD.decode(text).ok())
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(cursor) = parsed else {
            return Err(wrong("this is not a cursor that a page gave"));
        };
        if cursor.request != fingerprint(request) {
            return Err(wrong(
                "it belongs to another request: report, window, filters, columns or sort differ",
            ));
        }
        Ok(cursor)
    }
}

impl Key {
    /// The value of a key column, from a row of the page.
    pub(crate) fn of(value: &ScalarValue) -> Self {
        match value {
            ScalarValue::Utf8(Some(text)) => Self::Text(text.clone()),
            ScalarValue::Int64(Some(number))
            | ScalarValue::TimestampMicrosecond(Some(number), _) => Self::Number(*number),
            ScalarValue::Date32(Some(days)) => Self::Number(i64::from(*days)),
            ScalarValue::Boolean(Some(flag)) => Self::Flag(*flag),
            _ => Self::Absent,
        }
    }

    /// The value to compare a column of `kind` with; None where the row had none.
    pub(crate) fn value(&self, kind: ColumnKind) -> Result<Option<ScalarValue>, QueryError> {
        use ColumnKind::{Count, Date, Flag, Id, List, Number, Text, Time, Word};
        let value = match (self, kind) {
            (Self::Absent, _) => return Ok(None),
            (Self::Text(text), Text | Word | Id) => ScalarValue::from(text.as_str()),
            (Self::Number(number), Count | Number) => ScalarValue::from(*number),
            (Self::Number(micros), Time) => {
                ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into()))
            }
            (Self::Number(days), Date) => ScalarValue::Date32(i32::try_from(*days).ok()),
            (Self::Flag(flag), Flag) => ScalarValue::from(*flag),
            (_, Text | Word | Id | Count | Number | Time | Date | Flag | List) => {
                return Err(wrong("this is not a cursor that a page gave"));
            }
        };
        Ok(Some(value))
    }
}

/// Names what a cursor continues: everything in a request but its cursor and limit.
pub(crate) fn fingerprint(request: &ReportRequest) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ReportRequest {
        report,
        since,
        until,
        as_of,
        filters,
        columns,
        sort,
        limit: _,
        cursor: _,
    } = request;
    (report, since, until, as_of, filters, columns, sort).hash(&mut hasher);
    hasher.finish()
}

fn wrong(detail: &str) -> QueryError {
    QueryError::BadParameter {
        field: "cursor".to_owned(),
        detail: detail.to_owned(),
        remedy:
            "Start again without a cursor, and change nothing but cursor and limit between pages."
                .to_owned(),
    }
}
