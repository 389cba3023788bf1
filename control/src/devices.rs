//! A device whose agent enrolled: its key, its certificates, and whether it is still one of ours. Pure: no IO, no clock.
//!
//! The key is the identity, and stays as long as the device is known: a renewal carries the same key, and another key is
//! another agent. A renewed certificate supersedes the one before once it has been used, and not earlier, so that an
//! answer that was lost locks nobody out; from then on the older one is worth nothing to whoever copied it.

mod command;
mod event;
mod row;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet};

use epm_policy::Sha256;
use serde::{Deserialize, Serialize};

use crate::access::Tag;
use crate::aggregate::Aggregate;
use crate::event::TimeUs;

pub use command::{Admission, AdmissionRefusal, DeviceCommand, DeviceRefusal, Enrolment, Renewal};
pub use event::{CloneSign, DeviceEvent, RevocationReason};
pub use row::DeviceRow;

/// The same sign of a clone, or the same refusal, is an event once an hour: whoever knocks must not fill the store.
const QUIET_S: i64 = 60 * 60;
/// The proven certificate and those whose answer may have been lost. A renewal that fails is tried a few times an hour.
const MAX_CERTIFICATES: usize = 4;

/// Serial number of a certificate: its bytes in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub String);

/// A certificate that an agent was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Its number.
    pub serial: Serial,
    /// First moment at which it no longer holds.
    pub not_after: TimeUs,
}

/// Whether a device is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceState {
    /// It may deliver.
    Active,
    /// It may do nothing any more. Final: the device enrols anew, with another key and another id.
    Revoked,
}

/// What is known of a device that enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    pub key: Sha256,
    /// Tags that its token allowed and that it carries.
    pub tags: BTreeSet<Tag>,
    /// The certificate that was used last, then those that were issued since and not used yet.
    pub certificates: Vec<IssuedCertificate>,
    /// Whether it is one of ours.
    pub state: DeviceState,
}

/// A device as its events made it. There may be events of a device that never enrolled: it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    known: Option<KnownDevice>,
    /// Until when each sign, and each refusal, is no news.
    clones: BTreeMap<CloneSign, TimeUs>,
    refusals: BTreeMap<AdmissionRefusal, TimeUs>,
}

impl KnownDevice {
    /// Whether a connection with the certificate `presented` may do at `now` what `admission` is about.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn admit(
        &self,
        presented: &Serial,
        admission: Admission,
        now: TimeUs,
    ) -> Result<(), AdmissionRefusal> {
        if self.state == DeviceState::Revoked {
            return Err(AdmissionRefusal::Revoked);
        }
        let certificate = self.certificate(presented);
        let certificate = certificate.ok_or(AdmissionRefusal::Superseded)?;
        let last = match admission {
            Admission::Deliver => certificate.not_after,
            Admission::Renew { grace_s } => certificate.not_after.plus_s(grace_s),
        };
        (now < last).then_some(()).ok_or(AdmissionRefusal::Expired)
    }

    fn certificate(&self, serial: &Serial) -> Option<&IssuedCertificate> {
        self.certificates.iter().find(|of| of.serial == *serial)
    }

    /// Adds the newest certificate. The first, which is known to have arrived, is never the one that makes room.
    fn add(&mut self, certificate: IssuedCertificate) {
        if self.certificates.len() == MAX_CERTIFICATES {
            self.certificates.remove(1);
        }
        self.certificates.push(certificate);
    }

    /// What is known after `event`, of what was known before it.
    fn after(before: Option<Self>, event: &DeviceEvent) -> Option<Self> {
        if let DeviceEvent::Enrolled {
            key,
            tags,
            certificate,
            ..
        } = event
        {
            return Some(Self {
                key: *key,
                tags: tags.clone(),
                certificates: vec![certificate.clone()],
                state: DeviceState::Active,
            });
        }
        let mut known = before?;
        match event {
            DeviceEvent::CertificateRenewed { certificate }
            | DeviceEvent::ReEnrolled { certificate, .. } => known.add(certificate.clone()),
            DeviceEvent::CertificateProven { serial } => {
                let place = known
                    .certificates
                    .iter()
                    .position(|of| of.serial == *serial);
                known.certificates.drain(..place.unwrap_or(0));
            }
            DeviceEvent::Revoked { .. } => known.state = DeviceState::Revoked,
            DeviceEvent::Enrolled { .. }
            | DeviceEvent::CloneSeen { .. }
            | DeviceEvent::ConnectionRefused { .. } => {}
        }
        Some(known)
    }
}

impl Device {
    /// What is known of it; nothing where it never enrolled.
    #[must_use]
    pub fn known(&self) -> Option<&KnownDevice> {
        self.known.as_ref()
    }

    fn require(&self) -> Result<&KnownDevice, DeviceRefusal> {
        self.known
            .as_ref()
            .ok_or(DeviceRefusal::NotAdmitted(AdmissionRefusal::Unknown))
    }

    fn enrol(&self, command: &Enrolment) -> Result<DeviceEvent, DeviceRefusal> {
        let Enrolment {
            key,
            token,
            tags,
            certificate,
        } = command.clone();
        match &self.known {
            None => Ok(DeviceEvent::Enrolled {
                key,
                token,
                tags,
                certificate,
            }),
            Some(known) if known.state == DeviceState::Revoked => {
                Err(DeviceRefusal::NotAdmitted(AdmissionRefusal::Revoked))
            }
            // Whoever has a token must not become a device that somebody else has.
            Some(known) if known.key != key => Err(DeviceRefusal::OtherKey),
            Some(_) => Ok(DeviceEvent::ReEnrolled { token, certificate }),
        }
    }

    fn renew(&self, renewal: &Renewal, at: TimeUs) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        let known = self.require()?;
        let admission = Admission::Renew {
            grace_s: renewal.grace_s,
        };
        known
            .admit(&renewal.presented, admission, at)
            .map_err(DeviceRefusal::NotAdmitted)?;
        if known.key != renewal.key {
            return Err(DeviceRefusal::OtherKey);
        }
        let renewed = DeviceEvent::CertificateRenewed {
            certificate: renewal.certificate.clone(),
        };
        let mut events = self.prove(&renewal.presented)?;
        events.push(renewed);
        Ok(events)
    }

    fn prove(&self, serial: &Serial) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        let certificates = &self.require()?.certificates;
        match certificates.iter().position(|of| of.serial == *serial) {
            None => Err(DeviceRefusal::NotAdmitted(AdmissionRefusal::Superseded)),
            Some(0) => Ok(Vec::new()),
            Some(_) => Ok(vec![DeviceEvent::CertificateProven {
                serial: serial.clone(),
            }]),
        }
    }
}

impl Aggregate for Device {
    const KIND: &'static str = "device";
    type Command = DeviceCommand;
    type Event = DeviceEvent;
    type Refusal = DeviceRefusal;

    fn decide(
        &self,
        command: &DeviceCommand,
        at: TimeUs,
    ) -> Result<Vec<DeviceEvent>, DeviceRefusal> {
        let is_news = |until: Option<&TimeUs>| until.is_none_or(|until| at >= *until);
        let quiet_until = at.plus_s(QUIET_S);
        match command {
            DeviceCommand::Enrol(enrolment) => Ok(vec![self.enrol(enrolment)?]),
            DeviceCommand::Renew(renewal) => self.renew(renewal, at),
            DeviceCommand::Prove { serial } => self.prove(serial),
            DeviceCommand::Revoke { reason } => match self.require()?.state {
                DeviceState::Revoked => Ok(Vec::new()),
                DeviceState::Active => Ok(vec![DeviceEvent::Revoked { reason: *reason }]),
            },
            DeviceCommand::SeeClone { sign } => {
                self.require()?;
                let seen = is_news(self.clones.get(sign)).then_some(DeviceEvent::CloneSeen {
                    sign: *sign,
                    quiet_until,
                });
                Ok(seen.into_iter().collect())
            }
            DeviceCommand::RefuseConnection { reason } => {
                let refused = is_news(self.refusals.get(reason));
                let refused = refused.then_some(DeviceEvent::ConnectionRefused {
                    reason: *reason,
                    quiet_until,
                });
                Ok(refused.into_iter().collect())
            }
        }
    }

    fn apply(&mut self, event: &DeviceEvent) {
        match event {
            DeviceEvent::CloneSeen { sign, quiet_until } => {
                self.clones.insert(*sign, *quiet_until);
            }
            DeviceEvent::ConnectionRefused {
                reason,
                quiet_until,
            } => {
                self.refusals.insert(*reason, *quiet_until);
            }
            _ => self.known = KnownDevice::after(self.known.take(), event),
        }
    }
}
