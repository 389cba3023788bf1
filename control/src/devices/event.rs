//! What happens to a device. Stored for ever: a field is only ever added, with a default.

use std::collections::BTreeSet;

use epm_policy::Sha256;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::AdmissionRefusal;
use super::{Device, IssuedCertificate, Serial};
use crate::access::Tag;
use crate::aggregate::Aggregate as _;
use crate::event::{RecordedEvent, TimeUs};

/// What happened to a device. Who did it is the event's actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum DeviceEvent {
    /// Its agent enrolled.
    Enrolled {
        /// SHA-256 of its public key.
        key: Sha256,
        /// The token that let it in.
        token: Uuid,
        /// Tags that it carries.
        tags: BTreeSet<Tag>,
        /// What it was given.
        certificate: IssuedCertificate,
    },
    /// Its agent enrolled again with the same key; it is the same device with the same tags.
    ReEnrolled {
        /// The token that let it in.
        token: Uuid,
        /// What it was given.
        certificate: IssuedCertificate,
    },
    /// It was given the next certificate.
    CertificateRenewed {
        /// What it was given.
        certificate: IssuedCertificate,
    },
    /// It uses a newer certificate, and older ones hold no more.
    CertificateProven {
        /// The one in use.
        serial: Serial,
    },
    /// It may do nothing any more.
    Revoked {
        /// Why.
        reason: RevocationReason,
    },
    /// Two seem to be this device.
    CloneSeen {
        /// What tells.
        sign: CloneSign,
        /// The same is not told again before.
        quiet_until: TimeUs,
    },
    /// Somebody with a certificate of this device was turned away.
    ConnectionRefused {
        /// Why.
        reason: AdmissionRefusal,
        /// The same is not told again before.
        quiet_until: TimeUs,
    },
}

impl DeviceEvent {
    /// The device that `event` revoked, if it did.
    #[must_use]
    pub fn revoked_by(event: &RecordedEvent) -> Option<Uuid> {
        (event.stream.kind == Device::KIND && event.name == "revoked").then_some(event.stream.id)
    }
}

/// Why a device is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// Nobody knows where it is.
    Lost,
    /// Somebody has it who should not.
    Stolen,
    /// Its key is, or may be, known to somebody else.
    Compromised,
    /// It is no longer used.
    Retired,
}

/// What tells that two are one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloneSign {
    /// Streams of two boots took the seat from each other.
    TwoBoots,
    /// A spool's next sequence is behind what it had been acknowledged.
    SequenceWentBack,
}
