//! From a token to what its bearer may do, asked anew at each request: what was revoked or taken away ends at once.

use std::collections::BTreeSet;

use epm_policy::UserId;
use uuid::Uuid;

use crate::access::{Access, BuiltInRole, Grant, Rights, RoleRef, Scope};
use crate::aggregate::CommandError;
use crate::error::StoreError;
use crate::event::{Actor, TimeUs};
use crate::names::Name;
use crate::principals::{
    KnownPrincipal, Principal, PrincipalCommand, PrincipalKind, PrincipalRefusal,
    PrincipalSettings, RoleGrant,
};
use crate::roles::Role;
use crate::store::ControlStore;
use crate::tokens::{ApiToken, ApiTokenCommand, ApiTokenRefusal, ApiTokenTerms, Token, TokenKind};

/// The first principal. The id is always the same, so that of several nodes that start at once only one makes it.
const FIRST: Uuid = Uuid::from_u128(0x5a3d_9e10_77c4_4b1f_a2d8_0c6f_e915_3b42);
/// What the first principal and its token are called.
const FIRST_NAME: &str = "administrator";

/// Who calls, and what that one may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Which principal.
    pub principal: Uuid,
    /// With which token.
    pub token: Uuid,
    /// Whether it is somebody.
    pub kind: PrincipalKind,
    /// What it is called.
    pub name: Name,
    /// As devices know the same person.
    pub users: BTreeSet<UserId>,
    /// What it may do with this token.
    pub access: Access,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInRefusal {
    /// What was presented does not work.
    #[error(transparent)]
    Token(#[from] ApiTokenRefusal),
    /// It is a token for something else.
    #[error("this token is for enrolling agents, not for signing in")]
    OtherKind,
    /// Its owner may not sign in.
    #[error("the token's owner may not sign in any more")]
    Disabled,
}

/// Why a sign-in has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Somebody is not let in.
    #[error(transparent)]
    Refused(#[from] SignInRefusal),
    /// The store's reason.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ControlStore {
    /// Who presents this token, and what that one may do.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn sign_in(&self, token: &Token, at: TimeUs) -> Result<Caller, SignInError> {
        if token.kind() != TokenKind::Api {
            return Err(SignInRefusal::OtherKind.into());
        }
        let (state, version) = self.load::<ApiToken>(token.id()).await?;
        let terms = state
            .admit(token, at)
            .map_err(SignInRefusal::Token)?
            .clone();
        let entry = self.entry::<Principal>(terms.owner).await?;
        let owner = entry.map(|entry| entry.row);
        let owner = owner.filter(|owner| owner.settings.enabled);
        let owner = owner.ok_or(SignInRefusal::Disabled)?;
        if state.is_first_use_of_day(at) {
            self.tell_use(token, version, terms.owner, at).await?;
        }
        let access = self.access_of(&owner).await?;
        Ok(Caller {
            principal: terms.owner,
            token: token.id(),
            kind: owner.kind,
            name: owner.settings.name,
            users: owner.settings.users,
            access: access.narrowed(terms.rights.as_ref(), &terms.scope),
        })
    }

    /// Tells of the first use on a day. Another node, or another call at the same time, may have told of it already.
    async fn tell_use(
        &self,
        token: &Token,
        version: crate::event::Version,
        owner: Uuid,
        at: TimeUs,
    ) -> Result<(), SignInError> {
        let command = ApiTokenCommand::Present(token.clone());
        let told = self.execute::<ApiToken>(
            token.id(),
            Some(version),
            &command,
            Actor::Principal(owner),
            at,
        );
        match told.await {
            Ok(_) | Err(CommandError::Store(StoreError::Conflict { .. })) => Ok(()),
            Err(CommandError::Refused(refusal)) => Err(SignInRefusal::Token(refusal).into()),
            Err(CommandError::Store(error)) => Err(error.into()),
        }
    }

    /// What the roles of a principal give it. A role that was deleted gives nothing.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn access_of(&self, principal: &KnownPrincipal) -> Result<Access, StoreError> {
        let mut grants = Vec::new();
        for RoleGrant { role, scope } in &principal.settings.grants {
            if let Some(rights) = self.rights_of(role).await? {
                let scope = scope.clone();
                grants.push(Grant { rights, scope });
            }
        }
        Ok(Access::new(grants))
    }

    /// What a role allows; nothing where there is no such role.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn rights_of(&self, role: &RoleRef) -> Result<Option<Rights>, StoreError> {
        match role {
            RoleRef::BuiltIn(role) => Ok(Some(role.rights())),
            RoleRef::Custom(id) => {
                let entry = self.entry::<Role>(*id).await?;
                Ok(entry.map(|entry| entry.row.rights().clone()))
            }
        }
    }

    /// Makes the first administrator, with `token`, in a store that has none yet. Says whether it did: only then is the
    /// token to be shown.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn first_administrator(
        &self,
        token: &Token,
        life_s: i64,
        at: TimeUs,
    ) -> Result<bool, StoreError> {
        if self.entry::<Principal>(FIRST).await?.is_some() {
            return Ok(false);
        }
        // The token first: a start that is cut off in between is a first start again, and nobody saw the token.
        self.administrator_token(token, life_s, at).await?;
        let register = PrincipalCommand::Register(KnownPrincipal {
            kind: PrincipalKind::Person,
            identity: None,
            settings: PrincipalSettings {
                name: first_name(),
                users: BTreeSet::new(),
                enabled: true,
                grants: vec![RoleGrant {
                    role: RoleRef::BuiltIn(BuiltInRole::Administrator),
                    scope: Scope::EVERYTHING,
                }],
            },
        });
        let made = self.execute::<Principal>(FIRST, None, &register, Actor::System, at);
        match made.await {
            Ok(_) => Ok(true),
            Err(CommandError::Refused(PrincipalRefusal::Exists)) => {
                let revoke = ApiTokenCommand::Revoke;
                self.execute::<ApiToken>(token.id(), None, &revoke, Actor::System, at)
                    .await
                    .map_err(unexpected)?;
                Ok(false)
            }
            Err(error) => Err(unexpected(error)),
        }
    }

    /// Gives the first administrator another token: for who runs the server and has lost the first.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn administrator_token(
        &self,
        token: &Token,
        life_s: i64,
        at: TimeUs,
    ) -> Result<(), StoreError> {
        let issue = ApiTokenCommand::Issue {
            hash: token.hash(),
            terms: ApiTokenTerms {
                owner: FIRST,
                name: first_name(),
                expires_at: at.plus_s(life_s),
                rights: None,
                scope: Scope::EVERYTHING,
            },
        };
        self.execute::<ApiToken>(token.id(), None, &issue, Actor::System, at)
            .await
            .map(drop)
            .map_err(unexpected)
    }
}

fn first_name() -> Name {
    Name::fixed(FIRST_NAME)
}

/// A refusal of a command that this file makes itself: only what is stored can be the reason.
fn unexpected<R: std::error::Error + 'static>(error: CommandError<R>) -> StoreError {
    match error {
        CommandError::Store(error) => error,
        CommandError::Refused(refusal) => StoreError::Damaged(refusal.to_string()),
    }
}
