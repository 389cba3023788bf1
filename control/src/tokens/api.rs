//! A token with which a principal calls the API: until when, and with how much of what the principal may.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret::{Token, TokenHash};
use crate::access::{Rights, Scope};
use crate::aggregate::Aggregate;
use crate::event::TimeUs;
use crate::listing::Listed;
use crate::names::Name;

/// The longest life of a token: who needs one for longer makes another one.
const MAX_LIFE_S: i64 = 366 * 24 * 60 * 60;
/// A use is told of once a day: each is an event for ever, and nobody needs to know it closer.
const USE_STEP_US: i64 = 24 * 60 * 60 * 1_000_000;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenTerms {
    /// Who calls with it.
    pub owner: Uuid,
    /// What it is for, in its owner's words.
    pub name: Name,
    /// First moment at which it no longer works.
    pub expires_at: TimeUs,
    /// It gives these of its owner's rights only; nothing means all.
    pub rights: Option<Rights>,
    /// It reaches these of the devices that its owner reaches.
    pub scope: Scope,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownApiToken {
    /// Its hash.
    pub hash: TokenHash,
    /// What it is.
    pub terms: ApiTokenTerms,
    /// Whether it was taken back.
    pub revoked: bool,
    /// Beginning of the day, in UTC, on which it was last used.
    pub last_used: Option<TimeUs>,
}

/// A token as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiToken {
    known: Option<KnownApiToken>,
}

/// What can be wanted of a token.
#[derive(Clone, Debug)]
pub enum ApiTokenCommand {
    /// Somebody makes one.
    Issue {
        /// Of the token that is shown.
        hash: TokenHash,
        /// What it is.
        terms: ApiTokenTerms,
    },
    /// Somebody presents it.
    Present(Token),
    /// It must not work any more.
    Revoke,
}

/// What happened to a token. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum ApiTokenEvent {
    /// It was made.
    Issued {
        /// Its hash.
        hash: TokenHash,
        /// What it is.
        terms: ApiTokenTerms,
    },
    /// It was used, for the first time on a day.
    Used {
        /// Beginning of the day, in UTC.
        day: TimeUs,
    },
    /// It was taken back.
    Revoked {},
}

/// Why a token does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiTokenRefusal {
    /// There is no such token, or its secret is another one; which of them is not told.
    #[error("the token is not valid")]
    NotValid,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The id is taken.
    #[error("a token with this id exists")]
    Exists,
    /// A life that cannot be.
    #[error("a token ends in the future, and in {life_s} seconds at the latest")]
    Life {
        /// The longest.
        life_s: i64,
    },
}

impl ApiToken {
    /// What is known of it; nothing before it was issued.
    #[must_use]
    pub fn known(&self) -> Option<&KnownApiToken> {
        self.known.as_ref()
    }

    /// The token's terms, for who has its secret and while it works.
    ///
    /// # Errors
    ///
    /// Why it does not work.
    pub fn admit(&self, token: &Token, at: TimeUs) -> Result<&ApiTokenTerms, ApiTokenRefusal> {
        // First, so that only who has the secret learns anything about the token.
        let known = self.known.as_ref().filter(|known| known.hash.is_of(token));
        let known = known.ok_or(ApiTokenRefusal::NotValid)?;
        if known.revoked {
            return Err(ApiTokenRefusal::Revoked);
        }
        if at >= known.terms.expires_at {
            return Err(ApiTokenRefusal::Expired);
        }
        Ok(&known.terms)
    }

    /// Whether a use now is the first on its day.
    pub(crate) fn is_first_use_of_day(&self, at: TimeUs) -> bool {
        let last = self.known.as_ref().map(|known| known.last_used);
        last.is_some_and(|last| last < Some(day_of(at)))
    }

    fn present(&self, token: &Token, at: TimeUs) -> Result<Vec<ApiTokenEvent>, ApiTokenRefusal> {
        self.admit(token, at)?;
        Ok(match self.is_first_use_of_day(at) {
            true => vec![ApiTokenEvent::Used { day: day_of(at) }],
            false => Vec::new(),
        })
    }
}

fn day_of(at: TimeUs) -> TimeUs {
    TimeUs(at.0 - at.0.rem_euclid(USE_STEP_US))
}

impl Aggregate for ApiToken {
    const KIND: &'static str = "api_token";
    type Command = ApiTokenCommand;
    type Event = ApiTokenEvent;
    type Refusal = ApiTokenRefusal;

    fn decide(
        &self,
        command: &ApiTokenCommand,
        at: TimeUs,
    ) -> Result<Vec<ApiTokenEvent>, ApiTokenRefusal> {
        match (command, &self.known) {
            (ApiTokenCommand::Issue { .. }, Some(_)) => Err(ApiTokenRefusal::Exists),
            (ApiTokenCommand::Issue { hash, terms }, None) => {
                let ends = terms.expires_at;
                if ends <= at || ends > at.plus_s(MAX_LIFE_S) {
                    return Err(ApiTokenRefusal::Life { life_s: MAX_LIFE_S });
                }
                Ok(vec![ApiTokenEvent::Issued {
                    hash: *hash,
                    terms: terms.clone(),
                }])
            }
            (ApiTokenCommand::Present(token), _) => self.present(token, at),
            (ApiTokenCommand::Revoke, None) => Err(ApiTokenRefusal::NotValid),
            (ApiTokenCommand::Revoke, Some(known)) if known.revoked => Ok(Vec::new()),
            (ApiTokenCommand::Revoke, Some(_)) => Ok(vec![ApiTokenEvent::Revoked {}]),
        }
    }

    fn apply(&mut self, event: &ApiTokenEvent) {
        self.known = Self::listed(self.known.take(), event);
    }
}

impl Listed for ApiToken {
    type Row = KnownApiToken;

    fn listed(before: Option<KnownApiToken>, event: &ApiTokenEvent) -> Option<KnownApiToken> {
        if let ApiTokenEvent::Issued { hash, terms } = event {
            return Some(KnownApiToken {
                hash: *hash,
                terms: terms.clone(),
                revoked: false,
                last_used: None,
            });
        }
        let mut known = before?;
        match event {
            ApiTokenEvent::Issued { .. } => {}
            ApiTokenEvent::Used { day } => known.last_used = Some(*day),
            ApiTokenEvent::Revoked {} => known.revoked = true,
        }
        Some(known)
    }

    fn label(row: &KnownApiToken) -> String {
        row.terms.name.folded()
    }
}
