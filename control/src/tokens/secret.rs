//! A token as it is shown, and the hash that is kept of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use epm_policy::Sha256;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use uuid::Uuid;

/// Names what is hashed, so that a hash of anything else is never a token's.
const DOMAIN: &[u8] = b"epm-token-v1\0";
/// Digits of an id.
const ID_DIGITS: usize = 32;

/// What a token is for. It stands in the token, so that a person, and a scanner for leaked secrets, sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Lets an agent enrol.
    Enrolment,
    /// Lets a program call the API.
    Api,
}

impl TokenKind {
    const ALL: [Self; 2] = [Self::Enrolment, Self::Api];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Enrolment => "epm-enrol-",
            Self::Api => "epm-api-",
        }
    }
}

/// A token with its secret. It is shown once and never stored; only [`Token::text`] tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    id: Uuid,
    secret: [u8; 32],
}

/// A text that is no token. It must not be repeated to anybody: it may be one that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token: it was cut off, or changed on its way")]
pub struct NotAToken;

impl Token {
    /// A new token. `secret` must come from the system's random numbers: whoever can guess it has the token.
    #[must_use]
    pub fn new(kind: TokenKind, id: Uuid, secret: [u8; 32]) -> Self {
        Self { kind, id, secret }
    }

    /// Reads what somebody presents.
    ///
    /// # Errors
    ///
    /// [`NotAToken`].
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let (kind, rest) = TokenKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
            .ok_or(NotAToken)?;
        let (id, rest) = rest.split_at_checked(ID_DIGITS).ok_or(NotAToken)?;
        let secret = rest.strip_prefix('-').ok_or(NotAToken)?;
        let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| NotAToken)?;
        Ok(Self {
            kind,
            id: Uuid::try_parse(id).map_err(|_| NotAToken)?,
            secret: secret.try_into().map_err(|_| NotAToken)?,
        })
    }

    /// What is shown to whoever made it, once.
    #[must_use]
    pub fn text(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(self.secret);
        format!("{}{}-{secret}", self.kind.prefix(), self.id.simple())
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Which one it is; also its stream. It is no secret.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What is kept of it. The secret is random and long, so a slow hash would only slow us down.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let mut hash = sha2::Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.kind.prefix());
        hash.update(self.id.as_bytes());
        hash.update(self.secret);
        TokenHash(Sha256(hash.finalize().into()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The hash of a token, over what it is for and which one it is: no token can stand in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(Sha256);

impl TokenHash {
    /// Whether it is this token's. Takes as long for a near miss as for a far one.
    #[must_use]
    pub fn is_of(&self, token: &Token) -> bool {
        let other = token.hash();
        let pairs = self.0.0.iter().zip(other.0.0);
        pairs.fold(0, |differs, (one, two)| differs | (one ^ two)) == 0
    }
}
