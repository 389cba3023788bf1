//! Why a bundle is refused, each with what to do about it. Nothing is checked here.

use super::canonical::Deviation;
use super::keys::KeyId;
use crate::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_KEYS};
use crate::model::{PolicyVersion, Sha256};
use crate::validate::PolicyError;

/// Why a bundle is refused. The last good policies stay in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is longer than any bundle is.
    #[error(
        "the bundle has {bytes} bytes or more, {MAX_BUNDLE_BYTES} are allowed; split the policies by audience"
    )]
    TooLarge {
        /// How long it is, as far as it was looked at.
        bytes: usize,
    },
    /// It is not a DSSE envelope.
    #[error(
        "this is not a DSSE envelope with at most {MAX_BUNDLE_KEYS} signatures: {0}; fetch the bundle again"
    )]
    NotAnEnvelope(String),
    /// It holds something else, or policies of a format that this program does not know.
    #[error(
        "the envelope holds {0:?} and not {expected:?}; update the agent if that is a newer format",
        expected = super::PAYLOAD_TYPE
    )]
    PayloadType(String),
    /// Nobody signed it.
    #[error("the bundle has no signature; sign it with a key that this device trusts")]
    NotSigned,
    /// None of its signatures is by a key that the device trusts.
    #[error(
        "the bundle is signed by {}, and this device trusts {}; sign it with one of those, or give the device the new key",
        names(signed_by),
        names(trusted)
    )]
    UnknownKey {
        /// Who signed, by their own account.
        signed_by: Vec<KeyId>,
        /// Whom the device trusts.
        trusted: Vec<KeyId>,
    },
    /// A signature that should be by a trusted key is not.
    #[error(
        "the signature by key {0} does not belong to these bytes; fetch the bundle again, and if that does not help, somebody changed it"
    )]
    BadSignature(KeyId),
    /// The payload is signed and written in another way than the one.
    #[error(
        "the payload is not canonical JSON at byte {at}: {deviation}; sign with a program that writes RFC 8785"
    )]
    NotCanonical {
        /// The byte of the payload.
        at: usize,
        /// How it differs.
        deviation: Deviation,
    },
    /// The payload is no bundle: an unknown, repeated or missing key, or a value of another kind.
    #[error("the payload is not a bundle: {0}; update the agent if the key is a newer one")]
    Form(String),
    /// It is for somebody else.
    #[error("the bundle is for {0}, which is not this device or user; fetch its own")]
    Audience(String),
    /// It can never be in force.
    #[error(
        "the bundle begins at {not_before_s} s and expires at {expires_s} s after 1970; let it expire later"
    )]
    NeverInForce {
        /// When it begins, in seconds since 1970.
        not_before_s: i64,
        /// From when on it no longer holds.
        expires_s: i64,
    },
    /// It is for later.
    #[error(
        "the bundle begins at {not_before_s} s after 1970, and this device's clock says {now_s} s; wait, or set the clock right"
    )]
    NotYetValid {
        /// When it begins, in seconds since 1970.
        not_before_s: i64,
        /// What the device's clock says.
        now_s: i64,
    },
    /// Its time is over.
    #[error(
        "the bundle expired at {expires_s} s after 1970, and this device's clock says {now_s} s; sign a new one, or set the clock right"
    )]
    Expired {
        /// From when on it no longer holds, in seconds since 1970.
        expires_s: i64,
        /// What the device's clock says.
        now_s: i64,
    },
    /// The device has seen a later version.
    #[error(
        "the bundle has version {}, and this device has seen version {}; to go back to older policies, sign them with a higher version",
        offered.0,
        highest.0
    )]
    Rollback {
        /// Its version.
        offered: PolicyVersion,
        /// The highest that was accepted.
        highest: PolicyVersion,
    },
    /// The device has seen other policies under the same version.
    #[error(
        "the bundle has version {} and hash {offered}, and this device has seen that version with hash {accepted}; give what changed a higher version",
        version.0
    )]
    SameVersionOtherPolicies {
        /// The version of both.
        version: PolicyVersion,
        /// Hash of the bundle.
        offered: Sha256,
        /// Hash of what was accepted.
        accepted: Sha256,
    },
    /// The policies in it cannot be used.
    #[error("the policies in the bundle cannot be used:\n{0}")]
    Policies(#[source] PolicyError),
}

fn names(keys: &[KeyId]) -> String {
    match keys {
        [] => "nobody who gives a name".to_owned(),
        keys => keys
            .iter()
            .map(|key| key.0.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Why a bundle cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too few keys or too many.
    #[error("{count} keys are given to sign with, from 1 to {MAX_BUNDLE_KEYS} can be")]
    Keys {
        /// How many.
        count: usize,
    },
    /// It can never be in force.
    #[error("the bundle expires before it begins; let it expire later")]
    NeverInForce,
    /// A number that not every reader of JSON reads alike.
    #[error("a number in the bundle is beyond 2^53 - 1; use a lesser one")]
    Number,
    /// Longer than any device takes.
    #[error(
        "the payload has {bytes} bytes, more than devices take; split the policies by audience"
    )]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// The policies cannot be used.
    #[error("the policies cannot be used:\n{0}")]
    Policies(#[source] PolicyError),
}
