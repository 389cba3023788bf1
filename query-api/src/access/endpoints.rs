//! What each endpoint needs: one table. What is not in it is refused, so that a new endpoint cannot be open by mistake.

use axum::http::Method;
use epm_control::Right;

/// What a caller needs for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it tells nothing of the fleet.
    Nothing,
    /// Seeing reports; where reading is open, nothing. The answer is narrowed to the devices of the caller's scope.
    Reports,
    /// Any token.
    Token,
    /// The right on some devices; the endpoint narrows its answer to them.
    Somewhere(Right),
    /// The right on everything: what it is about concerns every device.
    Everywhere(Right),
}

/// An endpoint and what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) need: Need,
}

const fn endpoint(method: Method, path: &'static str, need: Need) -> Endpoint {
    Endpoint { method, path, need }
}

use Need::{Everywhere, Nothing, Reports, Somewhere, Token};

/// Whoever decides who may do what decides about every device.
const MANAGE: Need = Everywhere(Right::AccessManage);
const REQUESTS: Need = Somewhere(Right::RequestsView);

/// Every endpoint.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    endpoint(Method::GET, "/", Reports),
    endpoint(Method::GET, "/reports/{name}", Reports),
    endpoint(Method::GET, "/assets/console.css", Nothing),
    endpoint(Method::GET, "/assets/favicon.svg", Nothing),
    endpoint(Method::GET, "/healthz", Nothing),
    endpoint(Method::GET, "/readyz", Nothing),
    endpoint(Method::GET, "/metrics", Nothing),
    endpoint(Method::GET, "/api/v1/openapi.json", Nothing),
    endpoint(Method::GET, "/api/v1/reports", Reports),
    endpoint(Method::GET, "/api/v1/reports/{name}", Reports),
    endpoint(Method::GET, "/api/v1/status", Reports),
    endpoint(Method::GET, "/api/v1/me", Token),
    endpoint(Method::GET, "/api/v1/audit", Everywhere(Right::AuditView)),
    endpoint(Method::GET, "/api/v1/roles", MANAGE),
    endpoint(Method::POST, "/api/v1/roles", MANAGE),
    endpoint(Method::GET, "/api/v1/roles/{id}", MANAGE),
    endpoint(Method::PUT, "/api/v1/roles/{id}", MANAGE),
    endpoint(Method::DELETE, "/api/v1/roles/{id}", MANAGE),
    endpoint(Method::GET, "/api/v1/principals", MANAGE),
    endpoint(Method::POST, "/api/v1/principals", MANAGE),
    endpoint(Method::GET, "/api/v1/principals/{id}", MANAGE),
    endpoint(Method::PUT, "/api/v1/principals/{id}", MANAGE),
    endpoint(Method::GET, "/api/v1/tokens", MANAGE),
    endpoint(Method::POST, "/api/v1/tokens", MANAGE),
    endpoint(Method::DELETE, "/api/v1/tokens/{id}", MANAGE),
    endpoint(Method::GET, "/api/v1/requests", REQUESTS),
    endpoint(Method::GET, "/api/v1/requests/{id}", REQUESTS),
    endpoint(
        Method::POST,
        "/api/v1/requests/{id}/{decision}",
        Somewhere(Right::RequestsModify),
    ),
];

/// The endpoint at a path; HEAD is GET without its body.
pub(crate) fn at(method: &Method, path: &str) -> Option<&'static Endpoint> {
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut found = ENDPOINTS.iter().filter(|of| of.method == *method);
    found.find(|of| matches(of.path, path))
}

/// Whether there is an endpoint at this path, with whatever method.
pub(crate) fn exists(path: &str) -> bool {
    pattern_of(path).is_some()
}

/// How the table writes the path of an endpoint: few names, whatever is asked for.
pub(crate) fn pattern_of(path: &str) -> Option<&'static str> {
    let mut found = ENDPOINTS.iter().filter(|of| matches(of.path, path));
    found.next().map(|of| of.path)
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(word), Some(piece)) if word.starts_with('{') && !piece.is_empty() => {}
            (Some(word), Some(piece)) if word == piece => {}
            _ => return false,
        }
    }
}
