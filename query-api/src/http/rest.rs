//! The REST routes. Each only reads its parameters, asks the engine and gives the answer its form.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::{Value, json};

use super::download::{add_metadata, file};
use super::problem::Problem;
use super::{metrics, openapi};
use crate::access::Reports;
use crate::format::{Width, meta, metadata_pairs, rows, table};
use crate::{
    AppState, DataStatus, Encoder, Format, Place, QueryError, Report, ReportPage, ReportRequest,
    catalogue,
};

/// The routes of the REST interface.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/reports", get(list))
        .route("/api/v1/reports/{name}", get(report))
        .route("/api/v1/status", get(status))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::show))
        .merge(super::control::routes())
}

/// A report and its columns.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ReportInfo {
    /// Name in addresses.
    name: &'static str,
    /// Title for people.
    title: &'static str,
    /// What it answers.
    summary: &'static str,
    /// Its own order, as in `sort`.
    default_sort: &'static str,
    /// Columns to filter and sort by, and to name in `columns`.
    columns: Vec<ColumnEntry>,
}

/// A column of a report.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ColumnEntry {
    /// Name in rows, filters and sort.
    name: &'static str,
    /// Title for people.
    title: &'static str,
    /// text, word, id, count, number, time, date, flag or list.
    kind: &'static str,
    /// Whether rows have it without asking for it in `columns`.
    default: bool,
    /// Whether tables for people show it.
    shown: bool,
}

/// One page of a report. Rows have the columns that `meta.columns` lists, null where there is no value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PageBody {
    /// What the page says about itself: window, columns, total_rows, freshness, completeness.
    #[schema(value_type = Object)]
    meta: Value,
    /// The rows.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Value>,
    /// Give this as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// The reports there are.
#[utoipa::path(
    get,
    path = "/api/v1/reports",
    tag = "reports",
    responses((status = 200, description = "Every report with its columns", body = Vec<ReportInfo>))
)]
pub(crate) async fn list() -> Json<Vec<ReportInfo>> {
    Json(catalogue::REPORTS.iter().map(info).collect())
}

/// A report: a page of it as JSON or a table, all of it as a file.
///
/// Any column is a filter: `column=value`; the same column again = or; `!value` = not; `*` = any text; an empty
/// value = no value; `>`, `>=`, `<`, `<=` in front of a number, date or time; `=` in front takes the rest as it is.
/// Texts are compared without regard to case.
/// Grouped reports group by the dimension columns named in `columns`. Windows of whole UTC days are answered from
/// daily usage; where `since` or `until` cuts a day, that day is counted from its elevations.
#[utoipa::path(
    get,
    path = "/api/v1/reports/{name}",
    tag = "reports",
    params(
        ("name" = String, Path, description = "Name of the report"),
        ("since" = Option<String>, Query, description = "Start, inclusive: RFC 3339, a date, or an age such as 24h (exact) or 30d (back to midnight UTC)"),
        ("until" = Option<String>, Query, description = "End, exclusive; same forms"),
        ("as_of" = Option<String>, Query, description = "Read the tables as they were at this time; same forms"),
        ("columns" = Option<String>, Query, description = "Columns, separated by commas; * = all"),
        ("sort" = Option<String>, Query, description = "Column, - in front for descending; rows without a value come last"),
        ("limit" = Option<u32>, Query, description = "Rows of a page, 1 to 10000; 100 by default. csv, ndjson, parquet and arrow give every row by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before; the pages together are one version of the tables"),
        ("format" = Option<String>, Query, description = "json, csv, ndjson, parquet, arrow or table"),
    ),
    responses(
        (status = 200, description = "The report. Freshness and completeness are in meta, in EPM- headers, and in Parquet and Arrow metadata", content(
            (PageBody = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.parquet"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"),
            (String = "text/plain"),
        )),
        (status = 400, description = "A parameter cannot be understood", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such report", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The version of a cursor or as_of is not kept any more", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many queries, or this one costs too much", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn report(
    reports: Reports,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (formats, pairs): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|(name, _)| name == "format");
    let format = match formats.last() {
        Some((_, name)) => Format::parse(name)?,
        None => Format::Json,
    };
    let request = ReportRequest::from_pairs(&name, pairs)?;
    if matches!(format, Format::Json | Format::Table) {
        let engine = reports.to_read(&name).await?;
        return Ok(page(format, &engine.run(&request).await?)?);
    }
    let engine = reports.to_export(&name, format.name()).await?;
    let stream = engine.stream(&request).await?;
    match Encoder::new(format, &stream)? {
        Some(encoder) => Ok(file(format, encoder, stream)),
        // Unreachable by the formats above; a page is an answer too.
        None => Ok(page(Format::Json, &engine.run(&request).await?)?),
    }
}

/// Freshness and completeness of the tables.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "reports",
    responses((status = 200, description = "How fresh and complete the tables are", body = DataStatus))
)]
pub(crate) async fn status(reports: Reports) -> Result<Json<DataStatus>, Problem> {
    Ok(Json(reports.narrowed().await?.status().await?))
}

/// Whether the process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain"))
)]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether reports can be answered.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses(
        (status = 200, description = "The tables can be read", body = String, content_type = "text/plain"),
        (status = 503, description = "The tables cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(state): State<AppState>) -> Response {
    match state.engine.status().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(
                status,
                "not-ready",
                "Not ready",
                error.to_string(),
                &error.remedy(),
            )
            .into_response()
        }
    }
}

fn page(format: Format, page: &ReportPage) -> Result<Response, QueryError> {
    let mut response = match format {
        Format::Table => table(page, Width::Free).into_response(),
        _ => {
            let body = PageBody {
                meta: meta(page),
                rows: rows(page)?,
                next_cursor: page.next_cursor.clone(),
            };
            Json(json!(body)).into_response()
        }
    };
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    add_metadata(
        &mut response,
        metadata_pairs(page.report, page.window, &page.status),
    );
    Ok(response)
}

fn info(report: &Report) -> ReportInfo {
    let columns = report
        .columns
        .iter()
        .map(|column| ColumnEntry {
            name: column.name,
            title: column.title,
            kind: crate::format::kind_name(column.kind),
            default: column.place != Place::OnRequest,
            shown: column.place == Place::Shown,
        })
        .collect();
    let Report {
        name,
        title,
        summary,
        default_sort,
        ..
    } = report;
    ReportInfo {
        name,
        title,
        summary,
        default_sort,
        columns,
    }
}
