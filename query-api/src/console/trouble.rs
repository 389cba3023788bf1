//! Problems as pages: what is wrong, with which field, and what to do about it.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::Frame;
use crate::QueryError;
use crate::http::problem::{Problem, RETRY_AFTER_S};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    problem: Problem,
    /// Where the reader can go on from: the page without what is wrong.
    way_out: String,
    way_out_title: &'static str,
}

/// Whether whoever asks reads pages rather than problem documents.
pub(crate) fn reads_pages(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    !path.starts_with("/api/") && accepts.is_some_and(|accept| accept.contains("text/html"))
}

/// A problem as a page.
pub(crate) fn show(problem: Problem) -> Response {
    page(problem, "/".to_owned(), "Go to the overview")
}

/// A failed question as a page; the way out is the same page without parameters.
pub(super) fn failed(error: &QueryError, path: &str) -> Response {
    error.log();
    let problem = Problem::from(error);
    match error {
        QueryError::UnknownReport { .. } => show(problem),
        _ => page(problem, path.to_owned(), "Start again without filters"),
    }
}

fn page(problem: Problem, way_out: String, way_out_title: &'static str) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = ProblemPage {
        frame: Frame::new(problem.title, ""),
        problem,
        way_out,
        way_out_title,
    };
    let mut response = super::answer(status, &page);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    response
}
