//! The description of the interface for programs. Made from the handlers and the catalogue, so that it cannot fall
//! behind them.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::control::{audit, principals, requests, roles, tokens};
use super::{metrics, rest};
use crate::catalogue;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "EPM reports",
        description = "Reports on every elevation of a fleet. Every answer says how fresh and how complete it is.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        rest::list, rest::report, rest::status, show, rest::healthz, rest::readyz, metrics::show,
        principals::me, audit::list,
        roles::list, roles::define, roles::show, roles::change, roles::remove,
        principals::list, principals::register, principals::show, principals::set,
        tokens::list, tokens::issue, tokens::revoke,
        requests::list, requests::show, requests::decide,
    ),
    tags(
        (name = "reports", description = "Reports and what they rest on"),
        (name = "control", description = "Who may do what, requests for approval, and the audit trail"),
        (name = "operation", description = "For whoever runs the server"),
    )
)]
struct Interface;

/// The description of this interface.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(crate) async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

/// The description, with the names of the reports there are.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let mut description = Interface::openapi();
    let names = catalogue::REPORTS.iter().map(|report| report.name);
    let operation = description
        .paths
        .paths
        .get_mut("/api/v1/reports/{name}")
        .and_then(|path| path.get.as_mut());
    let parameters = operation.and_then(|operation| operation.parameters.as_mut());
    for parameter in parameters
        .into_iter()
        .flatten()
        .filter(|parameter: &&mut Parameter| parameter.name == "name")
    {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names.clone()));
        parameter.schema = Some(schema.build().into());
    }
    description
}
