//! Roles: the built-in ones, which are always there, and those that administrators make.

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use epm_control::{BuiltInRole, CustomRole, Entry, InvalidRole, Name, Rights, Role, RoleCommand};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::problem::Problem;
use super::body::{Body, Page};
use super::{Control, Versioned, field, nothing, version_needed};

/// A role.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RoleView {
    /// How grants name it.
    id: String,
    /// Its name.
    name: String,
    /// What it allows.
    #[schema(value_type = Vec<String>)]
    rights: Rights,
    /// Whether it is always there and cannot be changed.
    built_in: bool,
    /// Its version; not of a built-in one.
    version: Option<u64>,
}

/// A page of roles; the built-in ones stand on the first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RolePage {
    roles: Vec<RoleView>,
    /// Give this as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// A role that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Its name, which no other role has.
    name: String,
    /// What it allows.
    #[schema(value_type = Vec<String>)]
    rights: Rights,
}

/// What a role is to allow.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedRole {
    /// All of it.
    #[schema(value_type = Vec<String>)]
    rights: Rights,
}

/// The roles there are.
#[utoipa::path(
    get, path = "/api/v1/roles", tag = "control",
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of roles", body = RolePage),
        (status = 400, body = Problem, description = "A parameter cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    control: Control,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<RolePage>, Problem> {
    let page = Page::of(pairs)?;
    let (entries, next_cursor) = page.read::<Role>(&control.store).await?;
    let mut roles = Vec::new();
    if page.is_first() {
        roles.extend(BuiltInRole::ALL.into_iter().map(built_in));
    }
    roles.extend(entries.into_iter().map(custom));
    Ok(Json(RolePage { roles, next_cursor }))
}

/// One role.
#[utoipa::path(
    get, path = "/api/v1/roles/{id}", tag = "control", params(("id" = String, Path)),
    responses((status = 200, description = "The role", body = RoleView),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such role", content_type = "application/problem+json"))
)]
pub(crate) async fn show(control: Control, Path(id): Path<String>) -> Result<Response, Problem> {
    if let Some(role) = BuiltInRole::ALL.into_iter().find(|role| role.id() == id) {
        return Ok(Json(built_in(role)).into_response());
    }
    answer(&control, custom_id(&id)?, StatusCode::OK).await
}

/// Makes a role.
#[utoipa::path(
    post, path = "/api/v1/roles", tag = "control", request_body = NewRole,
    responses((status = 201, description = "The role", body = RoleView),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "A role of this name exists", content_type = "application/problem+json"))
)]
pub(crate) async fn define(
    control: Control,
    Body(new): Body<NewRole>,
) -> Result<Response, Problem> {
    let role = CustomRole::new(&new.name, new.rights).map_err(|error| invalid(&error))?;
    let id = Role::id_of(role.name());
    let define = RoleCommand::Define(role);
    control.carry_out::<Role>(id, None, &define).await?;
    answer(&control, id, StatusCode::CREATED).await
}

/// Changes what a role allows.
#[utoipa::path(
    put, path = "/api/v1/roles/{id}", tag = "control", request_body = ChangedRole,
    params(("id" = String, Path), ("If-Match" = String, Header, description = "ETag of what you read")),
    responses((status = 200, description = "The role", body = RoleView),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such role", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "Built-in roles stay as they are", content_type = "application/problem+json"),
        (status = 412, body = Problem, description = "Somebody changed it", content_type = "application/problem+json"),
        (status = 428, body = Problem, description = "No If-Match", content_type = "application/problem+json"))
)]
pub(crate) async fn change(
    control: Control,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(changed): Body<ChangedRole>,
) -> Result<Response, Problem> {
    carry_out(&control, &id, &headers, RoleCommand::Change(changed.rights)).await?;
    answer(&control, custom_id(&id)?, StatusCode::OK).await
}

/// Deletes a role. Whoever has it has one role less.
#[utoipa::path(
    delete, path = "/api/v1/roles/{id}", tag = "control",
    params(("id" = String, Path), ("If-Match" = String, Header, description = "ETag of what you read")),
    responses((status = 204, description = "It is gone"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such role", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "Built-in roles stay", content_type = "application/problem+json"),
        (status = 412, body = Problem, description = "Somebody changed it", content_type = "application/problem+json"),
        (status = 428, body = Problem, description = "No If-Match", content_type = "application/problem+json"))
)]
pub(crate) async fn remove(
    control: Control,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    carry_out(&control, &id, &headers, RoleCommand::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn carry_out(
    control: &Control,
    id: &str,
    headers: &HeaderMap,
    command: RoleCommand,
) -> Result<(), Problem> {
    let id = custom_id(id)?;
    let expected = version_needed(headers)?;
    control.entry::<Role>(id, "role").await?;
    control.carry_out::<Role>(id, expected, &command).await
}

async fn answer(control: &Control, id: Uuid, status: StatusCode) -> Result<Response, Problem> {
    let entry = control.entry::<Role>(id, "role").await?;
    Ok(Versioned(status, entry.version, custom(entry)).into_response())
}

/// The id of a role that can be changed.
fn custom_id(id: &str) -> Result<Uuid, Problem> {
    if BuiltInRole::ALL.iter().any(|role| role.id() == id) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "built-in",
            "Built-in roles stay as they are",
            format!("{id} is a built-in role"),
            "Make a role of your own.",
        ));
    }
    Uuid::try_parse(id).map_err(|_| nothing("role"))
}

fn invalid(error: &InvalidRole) -> Problem {
    let name = match error {
        InvalidRole::Name(_) | InvalidRole::BuiltIn(_) => "name",
        InvalidRole::Empty | InvalidRole::Useless { .. } => "rights",
    };
    field(name, error.to_string(), "Change it.")
}

fn built_in(role: BuiltInRole) -> RoleView {
    RoleView {
        id: role.id().to_owned(),
        name: role.name().to_owned(),
        rights: role.rights(),
        built_in: true,
        version: None,
    }
}

fn custom(entry: Entry<CustomRole>) -> RoleView {
    let name: &Name = entry.row.name();
    RoleView {
        id: entry.id.to_string(),
        name: name.to_string(),
        rights: entry.row.rights().clone(),
        built_in: false,
        version: Some(entry.version.0),
    }
}
