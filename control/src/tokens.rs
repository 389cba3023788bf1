//! Secrets that let somebody in without a person at the keyboard: shown once, kept as a hash, bound in time and number.
//! Pure: randomness and time are given to it.

mod api;
mod enrolment;
mod secret;

pub use api::{
    ApiToken, ApiTokenCommand, ApiTokenEvent, ApiTokenRefusal, ApiTokenTerms, KnownApiToken,
};
pub use enrolment::{
    EnrolmentCommand, EnrolmentEvent, EnrolmentRefusal, EnrolmentRow, EnrolmentToken, Terms,
};
pub use secret::{NotAToken, Token, TokenHash, TokenKind};
