//! Persons and services that may sign in, and the roles that they have.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use epm_control::{
    Entry, KnownPrincipal, Name, Principal, PrincipalCommand, PrincipalKind, PrincipalSettings,
    Right, RoleGrant, RoleRef,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::problem::Problem;
use super::body::{Body, Page};
use super::scope::ScopeBody;
use super::{Control, Versioned, field, nothing, version_needed};

/// A role within a scope.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantBody {
    /// Id of the role.
    role: String,
    /// On which devices; left out for all.
    #[serde(default)]
    scope: ScopeBody,
}

/// A principal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PrincipalView {
    /// Its id.
    id: Uuid,
    /// Its version.
    version: u64,
    /// person or service.
    #[schema(value_type = String)]
    kind: PrincipalKind,
    /// Its name.
    name: String,
    /// The same person's accounts on devices.
    users: Vec<String>,
    /// Whether it may sign in.
    enabled: bool,
    /// Its roles.
    grants: Vec<GrantBody>,
}

/// A page of principals.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PrincipalPage {
    principals: Vec<PrincipalView>,
    /// Give this as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// A principal that is to be made known.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrincipal {
    /// person or service.
    #[schema(value_type = String)]
    kind: PrincipalKind,
    /// Its name.
    name: String,
    /// The same person's accounts on devices: nobody decides on a request of one of these.
    #[serde(default)]
    users: BTreeSet<String>,
    /// Its roles.
    #[serde(default)]
    grants: Vec<GrantBody>,
}

/// All that can be changed of a principal.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedPrincipal {
    /// Its name.
    name: String,
    /// The same person's accounts on devices.
    users: BTreeSet<String>,
    /// Whether it may sign in.
    enabled: bool,
    /// Its roles.
    grants: Vec<GrantBody>,
}

/// Who the caller is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Me {
    /// The principal's id.
    principal: Uuid,
    /// Its name.
    name: String,
    /// person or service.
    #[schema(value_type = String)]
    kind: PrincipalKind,
    /// What it may do with this token, on some devices at least.
    #[schema(value_type = Vec<String>)]
    rights: Vec<Right>,
}

/// Who calls, and what that one may do.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "control",
    responses((status = 200, description = "Who calls", body = Me),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"))
)]
pub(crate) async fn me(control: Control) -> Json<Me> {
    let caller = &control.caller;
    let held = |right: &Right| !caller.access.reach(*right).is_nowhere();
    Json(Me {
        principal: caller.principal,
        name: caller.name.to_string(),
        kind: caller.kind,
        rights: Right::ALL.iter().copied().filter(held).collect(),
    })
}

/// The principals there are.
#[utoipa::path(
    get, path = "/api/v1/principals", tag = "control",
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of principals", body = PrincipalPage),
        (status = 400, body = Problem, description = "A parameter cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    control: Control,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<PrincipalPage>, Problem> {
    let page = Page::of(pairs)?;
    let (entries, next_cursor) = page.read::<Principal>(&control.store).await?;
    let principals = entries.into_iter().map(view).collect();
    Ok(Json(PrincipalPage {
        principals,
        next_cursor,
    }))
}

/// One principal.
#[utoipa::path(
    get, path = "/api/v1/principals/{id}", tag = "control", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The principal", body = PrincipalView),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such principal", content_type = "application/problem+json"))
)]
pub(crate) async fn show(control: Control, Path(id): Path<String>) -> Result<Response, Problem> {
    answer(&control, id_of(&id)?, StatusCode::OK).await
}

/// Makes a principal known.
#[utoipa::path(
    post, path = "/api/v1/principals", tag = "control", request_body = NewPrincipal,
    responses((status = 201, description = "The principal", body = PrincipalView),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "It cannot be so", content_type = "application/problem+json"))
)]
pub(crate) async fn register(
    control: Control,
    Body(new): Body<NewPrincipal>,
) -> Result<Response, Problem> {
    let register = PrincipalCommand::Register(KnownPrincipal {
        kind: new.kind,
        identity: None,
        settings: settings(&control, &new.name, new.users, true, new.grants).await?,
    });
    let id = Uuid::now_v7();
    control.carry_out::<Principal>(id, None, &register).await?;
    answer(&control, id, StatusCode::CREATED).await
}

/// Replaces all that can be changed of a principal.
#[utoipa::path(
    put, path = "/api/v1/principals/{id}", tag = "control", request_body = ChangedPrincipal,
    params(("id" = Uuid, Path), ("If-Match" = String, Header, description = "ETag of what you read")),
    responses((status = 200, description = "The principal", body = PrincipalView),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such principal", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "It cannot be so", content_type = "application/problem+json"),
        (status = 412, body = Problem, description = "Somebody changed it", content_type = "application/problem+json"),
        (status = 428, body = Problem, description = "No If-Match", content_type = "application/problem+json"))
)]
pub(crate) async fn set(
    control: Control,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<ChangedPrincipal>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let expected = version_needed(&headers)?;
    control.entry::<Principal>(id, "principal").await?;
    let ChangedPrincipal {
        name,
        users,
        enabled,
        grants,
    } = wanted;
    let wanted = settings(&control, &name, users, enabled, grants).await?;
    let set = PrincipalCommand::Set(wanted);
    control.carry_out::<Principal>(id, expected, &set).await?;
    answer(&control, id, StatusCode::OK).await
}

async fn settings(
    control: &Control,
    name: &str,
    users: BTreeSet<String>,
    enabled: bool,
    grants: Vec<GrantBody>,
) -> Result<PrincipalSettings, Problem> {
    let name = Name::parse(name).map_err(|error| field("name", error.to_string(), "Change it."))?;
    let mut known = Vec::with_capacity(grants.len());
    for grant in grants {
        let role: Option<RoleRef> = grant.role.parse().ok();
        let exists = match &role {
            Some(role) => control.store.rights_of(role).await?.is_some(),
            None => false,
        };
        let role = role.filter(|_| exists).ok_or_else(|| {
            let detail = format!("there is no role {:?}", grant.role);
            field(
                "role",
                detail,
                "Give the id of a role; /api/v1/roles lists them.",
            )
        })?;
        let scope = grant.scope.into();
        known.push(RoleGrant { role, scope });
    }
    Ok(PrincipalSettings {
        name,
        users: users.iter().map(|user| user.as_str().into()).collect(),
        enabled,
        grants: known,
    })
}

async fn answer(control: &Control, id: Uuid, status: StatusCode) -> Result<Response, Problem> {
    let entry = control.entry::<Principal>(id, "principal").await?;
    Ok(Versioned(status, entry.version, view(entry)).into_response())
}

fn id_of(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| nothing("principal"))
}

fn view(entry: Entry<KnownPrincipal>) -> PrincipalView {
    let settings = entry.row.settings;
    PrincipalView {
        id: entry.id,
        version: entry.version.0,
        kind: entry.row.kind,
        name: settings.name.to_string(),
        users: settings.users.into_iter().map(|user| user.0).collect(),
        enabled: settings.enabled,
        grants: settings
            .grants
            .iter()
            .map(|grant| GrantBody {
                role: grant.role.to_string(),
                scope: (&grant.scope).into(),
            })
            .collect(),
    }
}
