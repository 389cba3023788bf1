//! The web console: pages made on the server, readable without JavaScript.
//!
//! Every number on a page is an answer of the report engine, asked as REST would ask it. Must not query tables itself,
//! and must not put HTML together by hand: templates escape what people and files are called.

mod address;
mod assets;
mod cells;
mod chart;
mod columns;
mod figures;
mod form;
mod health;
mod overview;
mod report;
mod trend;
mod trouble;
mod wording;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;

use crate::{AppState, catalogue};

pub(crate) use trouble::{reads_pages, show as show_problem};

/// The routes of the console.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(overview::show))
        .route("/reports/{name}", get(report::show))
        .route("/assets/console.css", get(assets::style))
        .route("/assets/favicon.svg", get(assets::icon))
}

/// What surrounds every page.
#[derive(Debug)]
struct Frame {
    title: String,
    menu: Vec<MenuEntry>,
    style: String,
    icon: String,
}

#[derive(Debug)]
struct MenuEntry {
    title: &'static str,
    address: String,
    current: bool,
}

impl Frame {
    /// The frame of a page; `current` is the address in the menu that it stands for.
    fn new(title: impl Into<String>, current: &str) -> Self {
        let entry = |title, address: String| MenuEntry {
            title,
            current: address == current,
            address,
        };
        let reports = catalogue::REPORTS
            .iter()
            .map(|report| entry(report.title, report_path(report.name)));
        Self {
            title: title.into(),
            menu: std::iter::once(entry("Overview", "/".to_owned()))
                .chain(reports)
                .collect(),
            style: assets::style_address(),
            icon: assets::icon_address(),
        }
    }
}

/// Where a report's page is.
fn report_path(name: &str) -> String {
    format!("/reports/{name}")
}

/// A page as an answer.
fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
