//! The gate in front of every endpoint: reads the token, finds out who it is, and holds that against the table.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use epm_control::{Caller, Right, SignInError, Target, TimeUs, Token};

use super::ReadAccess;
use super::endpoints::{self, Need};
use crate::http::problem::Problem;
use crate::http::wrong_method;
use crate::{AppState, console};

/// The routes, each behind what the table says that it needs.
pub(crate) fn guarded(routes: Router, state: AppState) -> Router {
    routes.route_layer(from_fn_with_state(state, admitted))
}

async fn admitted(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(endpoint) = endpoints::at(request.method(), request.uri().path()) else {
        return match endpoints::exists(request.uri().path()) {
            true => wrong_method(request).await.into_response(),
            false => unruled(&request),
        };
    };
    let caller = match caller(&state, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) => return refused(problem, &request),
    };
    if let Err(problem) = check(&state, endpoint.need, caller.as_ref()) {
        return refused(problem, &request);
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    next.run(request).await
}

/// A route that somebody added without saying what it needs.
fn unruled(request: &Request) -> Response {
    tracing::error!(path = request.uri().path(), "an endpoint has no rule");
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-allowed",
        "Not allowed",
        "nobody may use this endpoint: the server has no rule for it".to_owned(),
        "Tell whoever runs the server.",
    )
    .into_response()
}

fn check(state: &AppState, need: Need, caller: Option<&Caller>) -> Result<(), Problem> {
    let is_open = state.control.is_none() || state.access == ReadAccess::Open;
    match (need, caller) {
        (Need::Nothing, _) => Ok(()),
        (Need::Reports, None) if is_open => Ok(()),
        (_, None) => Err(no_token(state)),
        (Need::Reports, Some(caller)) => somewhere(caller, Right::ReportsView),
        (Need::Token, Some(_)) => Ok(()),
        (Need::Somewhere(right), Some(caller)) => somewhere(caller, right),
        (Need::Everywhere(right), Some(caller)) => {
            match caller.access.may(right, Target::Everything) {
                true => Ok(()),
                false => Err(forbidden(right, " on every device")),
            }
        }
    }
}

fn somewhere(caller: &Caller, right: Right) -> Result<(), Problem> {
    match caller.access.reach(right).is_nowhere() {
        true => Err(forbidden(right, "")),
        false => Ok(()),
    }
}

/// Who calls; nobody where no token is presented. A token that does not work is refused, also where none is needed:
/// whoever presents one wants to be somebody.
async fn caller(state: &AppState, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    let Some(presented) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let Some(store) = &state.control else {
        return Ok(None);
    };
    let text = presented.to_str().ok();
    let text = text.and_then(|text| text.split_once(' '));
    let bearer = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = bearer.and_then(|(_, token)| Token::parse(token.trim()).ok());
    let token =
        token.ok_or_else(|| not_let_in("the Authorization header holds no token".to_owned()))?;
    match store.sign_in(&token, now()).await {
        Ok(caller) => Ok(Some(caller)),
        Err(SignInError::Refused(refusal)) => Err(not_let_in(refusal.to_string())),
        Err(SignInError::Store(error)) => Err(Problem::from(&error)),
    }
}

/// The clock of everything that is recorded here.
pub(crate) fn now() -> TimeUs {
    TimeUs(jiff::Timestamp::now().as_microsecond())
}

fn no_token(state: &AppState) -> Problem {
    if state.control.is_none() {
        return Problem::new(
            StatusCode::NOT_FOUND,
            "no-control-store",
            "No control plane",
            "this query API runs without a control store".to_owned(),
            "Start it with --control.",
        );
    }
    not_let_in("a token is needed".to_owned())
}

fn not_let_in(detail: String) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "not-signed-in",
        "Not signed in",
        detail,
        "Send `Authorization: Bearer TOKEN`. The first start of the server printed an administrator's token; \
         administrators make others.",
    )
}

pub(super) fn forbidden(right: Right, where_: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-allowed",
        "Not allowed",
        format!("this needs the right {right}{where_}"),
        "Ask an administrator for a role that has it.",
    )
}

fn refused(problem: Problem, request: &Request) -> Response {
    let status = problem.status;
    let mut response = if console::reads_pages(request.uri().path(), request.headers()) {
        console::show_problem(problem)
    } else {
        problem.into_response()
    };
    if status == StatusCode::UNAUTHORIZED.as_u16() {
        let scheme = HeaderValue::from_static("Bearer realm=\"epm\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}
