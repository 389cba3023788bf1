//! What holds for every request and every answer: bounds, headers, counting. Knows no route.

use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use super::metrics::HttpMetrics;
use super::problem::Problem;
use crate::access::endpoints;
use crate::console;

/// Bytes of a query string: a hundred filters of the length of a path.
const MAX_QUERY_BYTES: usize = 32 * 1024;

/// Headers of every answer that does not set them itself.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
];

/// The routes with everything around them that holds for all.
pub(crate) fn guarded(routes: Router, metrics: HttpMetrics) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(bounded))
        .layer(from_fn(named_locally))
        .layer(from_fn(secured))
        .layer(from_fn_with_state(metrics, counted))
}

async fn not_found(request: Request) -> Response {
    let detail = format!("there is nothing at {}", request.uri().path());
    let remedy = "The interface is described at /api/v1/openapi.json; the console begins at /.";
    let problem = Problem::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "Nothing here",
        detail,
        remedy,
    );
    if console::reads_pages(request.uri().path(), request.headers()) {
        return console::show_problem(problem);
    }
    problem.into_response()
}

pub(crate) async fn wrong_method(request: Request) -> Problem {
    let detail = format!("{} is not possible here", request.method());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "Not possible here",
        detail,
        "The interface is described at /api/v1/openapi.json.",
    )
}

async fn bounded(request: Request, next: Next) -> Response {
    if request
        .uri()
        .query()
        .is_some_and(|query| query.len() > MAX_QUERY_BYTES)
    {
        let detail = format!("the query string is longer than {MAX_QUERY_BYTES} bytes");
        let title = "The address is too long";
        return Problem::new(
            StatusCode::URI_TOO_LONG,
            "too-long",
            title,
            detail,
            "Give fewer or shorter filters.",
        )
        .into_response();
    }
    next.run(request).await
}

/// A page elsewhere whose name was made to point at this machine is refused: until there are accounts, the address
/// is all that keeps other sites' scripts out.
async fn named_locally(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_none_or(is_local) {
        return next.run(request).await;
    }
    let detail = "the Host header is neither an address nor localhost".to_owned();
    let remedy = "Open the server by its address, such as http://127.0.0.1:8080/.";
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "wrong-host",
        "Not this server's name",
        detail,
        remedy,
    )
    .into_response()
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn counted(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let route = route_of(request.uri().path());
    let began = Instant::now();
    let response = next.run(request).await;
    metrics.answered(route, response.status(), began.elapsed());
    response
}

/// What a path is counted under: few names, whatever is asked for.
fn route_of(path: &str) -> &'static str {
    endpoints::pattern_of(path).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_addresses_and_localhost_are_names_of_this_server() {
        for host in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:80",
            "[::1]:8080",
            "10.0.0.5",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "evil.example:8080",
            "127.0.0.1.nip.io",
            "localhost.evil.example",
            "",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
