//! Rows as JSON objects, and what a page says about them. Every column is there in every row, null without a value.

use arrow::json::writer::{LineDelimited, WriterBuilder};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};

use super::{Written, unencodable};
use crate::{ColumnKind, Place, QueryError, ReportPage};

/// One object a line.
pub(super) fn lines(batch: &RecordBatch, out: &mut Written) -> Result<(), QueryError> {
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(out);
    writer.write(batch).map_err(unencodable)?;
    writer.finish().map_err(unencodable)
}

/// The rows of a page as objects.
///
/// # Errors
/// When a row has no JSON form.
pub fn rows(page: &ReportPage) -> Result<Vec<Value>, QueryError> {
    let mut written = Written::default();
    for batch in &page.batches {
        lines(batch, &mut written)?;
    }
    let bytes = written.take();
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(unencodable)
}

/// What a page says besides its rows.
#[must_use]
pub fn meta(page: &ReportPage) -> Value {
    let columns: Vec<Value> = page
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "title": column.title,
                "kind": kind_name(column.kind),
                "shown": column.place == Place::Shown,
            })
        })
        .collect();
    json!({
        "report": page.report.name,
        "title": page.report.title,
        "since": page.window.since.map(|time| time.to_string()),
        "until": page.window.until.map(|time| time.to_string()),
        "total_rows": page.total_rows,
        "columns": columns,
        "as_of": page.status.as_of,
        "freshness": page.status.freshness,
        "completeness": page.status.completeness,
        "hidden_by_account_class": page.status.hidden_by_account_class,
        "empty_reason": page.status.empty_reason,
    })
}

/// The word for a kind of column.
pub(crate) fn kind_name(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Word => "word",
        ColumnKind::Id => "id",
        ColumnKind::Count => "count",
        ColumnKind::Number => "number",
        ColumnKind::Time => "time",
        ColumnKind::Date => "date",
        ColumnKind::Flag => "flag",
        ColumnKind::List => "list",
    }
}
