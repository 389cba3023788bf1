//! A report for whoever types `epm report`: a table on a terminal, or any format into a file or pipe.

use std::io::{IsTerminal, Write};

use futures::StreamExt as _;
use serde_json::json;

use crate::format::{Width, meta, rows, table};
use crate::{Encoder, Format, QueryError, ReportEngine, ReportRequest};

/// A report that did not reach its reader.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report could not be answered; the cause has a remedy.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The reader is gone or the disk is full.
    #[error("the report cannot be written")]
    Output(#[from] std::io::Error),
}

/// How wide a table may be: the terminal's width, or free where there is none.
#[must_use]
pub fn width_of_stdout() -> Width {
    if !std::io::stdout().is_terminal() {
        return Width::Free;
    }
    terminal_size::terminal_size().map_or(Width::Free, |(width, _)| {
        Width::Columns(usize::from(width.0))
    })
}

/// Writes a report. `table` is one page; every other format is all rows unless the request has a limit.
///
/// # Errors
/// See [`ReportError`].
pub async fn write(
    engine: &ReportEngine,
    request: &ReportRequest,
    format: Format,
    width: Width,
    out: &mut (dyn Write + Send),
) -> Result<(), ReportError> {
    match format {
        Format::Table => out.write_all(table(&engine.run(request).await?, width).as_bytes())?,
        Format::Json => write_json(engine, request, out).await?,
        Format::Csv | Format::Ndjson | Format::Parquet | Format::Arrow => {
            let mut stream = engine.stream(request).await?;
            if let Some(mut encoder) = Encoder::new(format, &stream)? {
                while let Some(batch) = stream.rows.next().await {
                    out.write_all(&encoder.batch(&batch?)?)?;
                }
                out.write_all(&encoder.finish()?)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// One document with the rows of every page.
async fn write_json(
    engine: &ReportEngine,
    request: &ReportRequest,
    out: &mut (dyn Write + Send),
) -> Result<(), ReportError> {
    let mut next = ReportRequest {
        limit: request.limit.or(Some(crate::engine::MAX_PAGE_ROWS)),
        ..request.clone()
    };
    let mut page = engine.run(&next).await?;
    write!(out, "{{\"meta\":{},\"rows\":[", json!(meta(&page)))?;
    let mut first = true;
    loop {
        for row in rows(&page)? {
            write!(out, "{}\n{row}", if first { "" } else { "," })?;
            first = false;
        }
        match (&page.next_cursor, request.limit) {
            (Some(cursor), None) => next.cursor = Some(cursor.clone()),
            (cursor, _) => {
                writeln!(out, "\n],\"next_cursor\":{}}}", json!(cursor))?;
                return Ok(());
            }
        }
        page = engine.run(&next).await?;
    }
}
