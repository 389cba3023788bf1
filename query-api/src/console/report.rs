//! The page of a report: filters, rows, sort, paging and downloads. Each link is an address that REST would understand
//! word for word below `/api/v1`.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;

use super::address::{self, Address, exactly, is_parameter};
use super::cells::{Cell, Row, Rows};
use super::columns::{self, Header};
use super::form::{self, Chip, Form};
use super::health::{self, Fact};
use super::{Frame, answer, figures, report_path, trouble};
use crate::access::Reports;
use crate::catalogue::{self, Source};
use crate::engine::MAX_PAGE_ROWS;
use crate::{ColumnInfo, Format, QueryError, Report, ReportEngine, ReportPage, ReportRequest};

/// Windows that are one click away.
const WINDOWS: [(&str, &str); 4] = [
    ("24h", "24 hours"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
];

#[derive(Template)]
#[template(path = "report.html")]
struct ReportView {
    frame: Frame,
    summary: &'static str,
    path: String,
    windows: Vec<Link>,
    form: Form,
    chips: Vec<Chip>,
    without_filters: String,
    health: Vec<Fact>,
    headers: Vec<Header>,
    rows: Vec<Vec<Cell>>,
    showing: String,
    empty: String,
    hidden: String,
    first_page: Option<String>,
    next_page: Option<String>,
    downloads: Vec<Link>,
}

/// A link and whether it leads to what is already shown.
#[derive(Debug)]
struct Link {
    title: String,
    address: String,
    hint: String,
    current: bool,
}

/// The page of the report called `name`.
pub(super) async fn show(
    reports: Reports,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let report = match catalogue::find(&name) {
        Ok(report) => report,
        Err(error) => return trouble::failed(&error, "/"),
    };
    let path = report_path(report.name);
    if let Some(clean) = form::sent(report, &path, &pairs) {
        return Redirect::to(&clean.to_string()).into_response();
    }
    let address = Address::new(path.as_str()).and_all(pairs);
    let engine = match reports.to_read(report.name).await {
        Ok(engine) => engine,
        Err(problem) => return trouble::show(problem),
    };
    match asked(&engine, report, &address).await {
        Ok(page) => answer(StatusCode::OK, &view(report, &address, &page)),
        Err(error) => trouble::failed(&error, &path),
    }
}

async fn asked(
    engine: &ReportEngine,
    report: &'static Report,
    address: &Address,
) -> Result<ReportPage, QueryError> {
    let mut request: ReportRequest = address::request(report.name, address)?;
    columns::choose(report, &mut request);
    engine.run(&request).await
}

fn view(report: &'static Report, address: &Address, page: &ReportPage) -> ReportView {
    let now = Timestamp::now();
    let sort = address.value("sort").unwrap_or(report.default_sort);
    let chosen = address.value("columns").is_some();
    let shown = columns::shown(report, chosen, &page.columns);
    let rows: Vec<Vec<Cell>> = Rows::of(page)
        .iter()
        .map(|row| cells(report, address, row, &shown, now))
        .collect();
    let path = report_path(report.name);
    let first = address.clone().without("cursor");
    let next = page
        .next_cursor
        .as_deref()
        .map(|cursor| first.clone().and("cursor", cursor).to_string());
    let chips = form::chips(report, address);
    ReportView {
        frame: Frame::new(report.title, &path),
        summary: report.summary,
        windows: windows(&first),
        form: form::of(report, address),
        without_filters: unfiltered(&path, &first),
        chips,
        health: health::line(&page.status, now),
        headers: shown
            .iter()
            .map(|column| columns::header(column, address, sort))
            .collect(),
        showing: showing(rows.len(), page.total_rows),
        rows,
        empty: page.status.empty_reason.clone().unwrap_or_default(),
        hidden: hidden(page),
        first_page: address.value("cursor").map(|_| first.to_string()),
        next_page: next,
        downloads: downloads(report, &first, page.total_rows),
        path,
    }
}

fn cells(
    report: &Report,
    address: &Address,
    row: Row<'_>,
    shown: &[ColumnInfo],
    now: Timestamp,
) -> Vec<Cell> {
    let mut cells: Vec<Cell> = shown.iter().map(|column| row.cell(column, now)).collect();
    if report.source == Source::Usage
        && let Some(first) = cells.first_mut()
    {
        first.link = Some(elevations_of(report, address, row, shown));
        if first.text.is_empty() {
            first.text = "(none)".to_owned();
        }
    }
    cells
}

/// The elevations that a row of a grouped report counts: its group, and the filters of the page.
fn elevations_of(report: &Report, address: &Address, row: Row<'_>, shown: &[ColumnInfo]) -> String {
    let is_group =
        |name: &str| !catalogue::is_measure(name) && shown.iter().any(|column| column.name == name);
    let window = |name: &str| matches!(name, "since" | "until" | "as_of");
    let carried = address.pairs().iter().filter(|(name, _)| {
        let filter = !is_parameter(name) && !catalogue::is_measure(name) && !is_group(name);
        window(name) || filter
    });
    let group = shown
        .iter()
        .filter(|column| is_group(column.name))
        .map(|column| {
            let value = row.text(column.name);
            (
                column.name.to_owned(),
                value.as_deref().map_or_else(String::new, exactly),
            )
        });
    let fixed = report
        .fixed_filter
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Address::new(report_path("elevations"))
        .and_all(carried.cloned())
        .and_all(group)
        .and_all(fixed)
        .to_string()
}

fn windows(address: &Address) -> Vec<Link> {
    let open = address.clone().without("since").without("until");
    let since = address.value("since");
    let until = address.value("until");
    let mut links: Vec<Link> = WINDOWS
        .iter()
        .map(|(age, title)| Link {
            title: (*title).to_owned(),
            address: open.clone().and("since", age).to_string(),
            hint: String::new(),
            current: since == Some(*age) && until.is_none(),
        })
        .collect();
    links.push(Link {
        title: "All".to_owned(),
        address: open.to_string(),
        hint: String::new(),
        current: since.is_none() && until.is_none(),
    });
    links
}

/// The page without filters, in the same order.
fn unfiltered(path: &str, address: &Address) -> String {
    let kept = address
        .pairs()
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "sort" | "limit"));
    Address::new(path).and_all(kept.cloned()).to_string()
}

fn downloads(report: &Report, address: &Address, total: Option<u64>) -> Vec<Link> {
    let below_rest = address.at(format!("/api/v1/reports/{}", report.name));
    Format::ALL
        .into_iter()
        .filter(|format| *format != Format::Table)
        .map(|format| {
            let whole = below_rest.clone().without("limit").without("format");
            let (whole, hint) = match format {
                Format::Json => {
                    let cut = total.is_none_or(|total| total > MAX_PAGE_ROWS as u64);
                    let hint = if cut {
                        format!("The first {} rows", figures::unsigned(MAX_PAGE_ROWS as u64))
                    } else {
                        String::new()
                    };
                    (whole.and("limit", &MAX_PAGE_ROWS.to_string()), hint)
                }
                _ => (whole, String::new()),
            };
            Link {
                title: format.name().to_owned(),
                address: whole.and("format", format.name()).to_string(),
                hint,
                current: false,
            }
        })
        .collect()
}

fn showing(rows: usize, total: Option<u64>) -> String {
    let rows = rows as u64;
    match total {
        Some(total) if total > rows => format!(
            "Showing {} of {}",
            figures::unsigned(rows),
            health::plural(total, "row", "rows")
        ),
        _ => health::plural(rows, "row", "rows"),
    }
}

fn hidden(page: &ReportPage) -> String {
    match page.status.hidden_by_account_class {
        Some(hidden) if hidden > 0 => format!(
            "The account class filter hides {} elevations.",
            figures::count(hidden)
        ),
        _ => String::new(),
    }
}
