//! Tokens with which principals call this interface. A token is shown once, in the answer to its making.

use axum::Json;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use epm_control::{
    ApiToken, ApiTokenCommand, ApiTokenTerms, Entry, KnownApiToken, Name, Principal, Rights, Scope,
    Token, TokenKind,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::problem::Problem;
use super::body::{Body, Page};
use super::scope::ScopeBody;
use super::{Control, field, moment, nothing};

/// Seconds of a day.
const DAY_S: i64 = 24 * 60 * 60;
/// The longest life of a token, in days.
const MAX_DAYS: u16 = 366;

/// A token, without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenView {
    /// Its id, which is in its text too.
    id: Uuid,
    /// Whose it is.
    owner: Uuid,
    /// What it is for.
    name: String,
    /// First moment at which it no longer works, RFC 3339.
    expires_at: String,
    /// Whether it was taken back.
    revoked: bool,
    /// The day on which it was last used, RFC 3339.
    last_used: Option<String>,
    /// The only rights that it gives; null for all of its owner's.
    #[schema(value_type = Option<Vec<String>>)]
    rights: Option<Rights>,
    /// The only devices that it reaches, of those that its owner reaches.
    scope: ScopeBody,
}

/// A page of tokens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenPage {
    tokens: Vec<TokenView>,
    /// Give this as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

/// A token that is to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Whose it will be.
    owner: Uuid,
    /// What it is for.
    name: String,
    /// How long it works, in days: 1 to 366.
    days: u16,
    /// The only rights that it gives; left out for all of its owner's.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    rights: Option<Rights>,
    /// The only devices that it reaches; left out for all that its owner reaches.
    #[serde(default)]
    scope: ScopeBody,
}

/// A token that was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ShownToken {
    /// Its id.
    id: Uuid,
    /// The token. It is shown this once and cannot be read again.
    token: String,
}

/// The tokens there are.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "control",
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of tokens", body = TokenPage),
        (status = 400, body = Problem, description = "A parameter cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"))
)]
pub(crate) async fn list(
    control: Control,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<TokenPage>, Problem> {
    let page = Page::of(pairs)?;
    let (entries, next_cursor) = page.read::<ApiToken>(&control.store).await?;
    let tokens = entries.into_iter().map(view).collect();
    Ok(Json(TokenPage {
        tokens,
        next_cursor,
    }))
}

/// Makes a token.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "control", request_body = NewToken,
    responses((status = 201, description = "The token, shown once", body = ShownToken),
        (status = 400, body = Problem, description = "A field cannot be understood", content_type = "application/problem+json"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"))
)]
pub(crate) async fn issue(
    control: Control,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<ShownToken>), Problem> {
    let name =
        Name::parse(&new.name).map_err(|error| field("name", error.to_string(), "Change it."))?;
    if !(1..=MAX_DAYS).contains(&new.days) {
        let detail = format!("{} days are not from 1 to {MAX_DAYS}", new.days);
        return Err(field("days", detail, "Give a number of days."));
    }
    if control.store.entry::<Principal>(new.owner).await?.is_none() {
        let detail = format!("there is no principal {}", new.owner);
        return Err(field("owner", detail, "Give the id of a principal."));
    }
    let token = Token::new(TokenKind::Api, Uuid::new_v4(), rand::random());
    let now = Control::now();
    let scope: Scope = new.scope.into();
    let issue = ApiTokenCommand::Issue {
        hash: token.hash(),
        terms: ApiTokenTerms {
            owner: new.owner,
            name,
            expires_at: now.plus_s(i64::from(new.days) * DAY_S),
            rights: new.rights,
            scope,
        },
    };
    control
        .carry_out::<ApiToken>(token.id(), None, &issue)
        .await?;
    let shown = ShownToken {
        id: token.id(),
        token: token.text(),
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Takes a token back: it does not work any more from the next request on.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "control", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It does not work any more"),
        (status = 401, body = Problem, description = "Not signed in", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not allowed", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such token", content_type = "application/problem+json"))
)]
pub(crate) async fn revoke(
    control: Control,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| nothing("token"))?;
    control.entry::<ApiToken>(id, "token").await?;
    let revoke = ApiTokenCommand::Revoke;
    control.carry_out::<ApiToken>(id, None, &revoke).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(entry: Entry<KnownApiToken>) -> TokenView {
    let KnownApiToken {
        terms,
        revoked,
        last_used,
        ..
    } = entry.row;
    TokenView {
        id: entry.id,
        owner: terms.owner,
        name: terms.name.to_string(),
        expires_at: moment(terms.expires_at),
        revoked,
        last_used: last_used.map(moment),
        rights: terms.rights,
        scope: (&terms.scope).into(),
    }
}
