//! What can be wanted of a device, and why it is refused.

use std::collections::BTreeSet;

use epm_policy::Sha256;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{CloneSign, RevocationReason};
use super::{IssuedCertificate, Serial};
use crate::access::Tag;

/// What can be wanted of a device.
#[derive(Clone, Debug)]
pub enum DeviceCommand {
    /// Its agent showed a token that holds, and a certificate was made.
    Enrol(Enrolment),
    /// Its agent asks for the next certificate, which was made.
    Renew(Renewal),
    /// Its agent uses this certificate: older ones hold no more.
    Prove {
        /// Which.
        serial: Serial,
    },
    /// It must do nothing any more.
    Revoke {
        /// Why.
        reason: RevocationReason,
    },
    /// Two seem to be this device.
    SeeClone {
        /// What tells.
        sign: CloneSign,
    },
    /// Somebody with a certificate of this device was turned away.
    RefuseConnection {
        /// Why.
        reason: AdmissionRefusal,
    },
}

/// An enrolment whose token was found to hold.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// SHA-256 of the agent's public key.
    pub key: Sha256,
    /// The token.
    pub token: Uuid,
    /// Tags that the token allows and the agent wants.
    pub tags: BTreeSet<Tag>,
    /// What the agent is given.
    pub certificate: IssuedCertificate,
}

/// A renewal.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// SHA-256 of the public key that the next certificate is for.
    pub key: Sha256,
    /// The certificate of the connection that asks.
    pub presented: Serial,
    /// How long after its end a certificate may still renew, in seconds.
    pub grace_s: i64,
    /// What the agent is given.
    pub certificate: IssuedCertificate,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Records, policies, approvals: with a certificate that holds.
    Deliver,
    /// The next certificate, also with one that ended not long ago.
    Renew {
        /// How long ago, in seconds.
        grace_s: i64,
    },
}

/// Why a connection is turned away. The agent is told none of it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionRefusal {
    /// No such device enrolled.
    #[error("the device never enrolled")]
    Unknown,
    /// It is not one of ours any more.
    #[error("the device was revoked")]
    Revoked,
    /// A newer certificate has been used since: this one was copied, or restored from a backup.
    #[error("a newer certificate of the device is in use")]
    Superseded,
    /// The certificate's time is over, and so is the time in which it may renew.
    #[error("the certificate has expired")]
    Expired,
    /// A message names another agent than the certificate.
    #[error("a message names another agent than the certificate")]
    AnotherAgent,
}

impl AdmissionRefusal {
    /// The name in metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::AnotherAgent => "another_agent",
        }
    }
}

/// Why a command on a device is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// Its connection would be turned away.
    #[error(transparent)]
    NotAdmitted(AdmissionRefusal),
    /// A device keeps its key: with another one it is another device.
    #[error("the device has another key")]
    OtherKey,
}
