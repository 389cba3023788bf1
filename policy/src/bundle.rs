//! Policies on their way to a device: a bundle is signed once and verified wherever it arrives.
//!
//! A bundle says for whom it is and when it holds, and has the policies with their version. It is written as canonical
//! JSON (`canonical.rs`) in a DSSE envelope (`envelope.rs`) with one Ed25519 signature or several (`keys.rs`). What is
//! checked, in this order: size, envelope, type, signature, canonical form, lifetime, audience, version, policies.
//! Nothing in a payload is believed, or even parsed, before its signature was found good.
//!
//! Pure as the rest: keys, time and the highest version seen are passed in, and [`LastGood`] is a value that the agent
//! writes down.

mod approval;
mod canonical;
mod envelope;
mod error;
mod keys;
mod last_good;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::limits::{MAX_BUNDLE_KEYS, MAX_POLICY_FILE_BYTES};
use crate::matching::fits;
use crate::model::{Audience, Policies, PolicyVersion, Sha256};
use crate::request::{DeviceFacts, UserFacts};
use crate::set::PolicySet;
use crate::validate::validate;

pub use approval::{APPROVAL_TYPE, ApprovalError, SignedApproval};
pub use canonical::Deviation;
pub use envelope::pre_authentication_encoding;
pub use error::{BundleError, SealError};
pub use keys::{KeyError, KeyId, PublicKey, SigningKey, TrustedKeys};
pub use last_good::{LastGood, NotInForce, Offer};

/// What an envelope with a bundle says it holds. Another format of bundles gets another number.
pub const PAYLOAD_TYPE: &str = "application/vnd.epm.policy-bundle.v1+json";

/// What is signed. Its version is that of its policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Whom it is for. Each audience has versions of its own.
    pub audience: Audience,
    /// From when on it holds, in seconds since 1970. Set it a little before the signing: clocks differ.
    pub not_before_s: i64,
    /// From when on it no longer holds, in seconds since 1970. It bounds how long a device that hears nothing elevates.
    pub expires_s: i64,
    /// Settings, rules and certificate groups.
    pub policies: Policies,
}

impl Bundle {
    /// Writes and signs it. The same bundle gives the same bytes: Ed25519 draws no numbers.
    ///
    /// # Errors
    ///
    /// [`SealError`]: what no device would take is not signed.
    pub fn seal(&self, keys: &[&SigningKey]) -> Result<String, SealError> {
        let count = keys.len();
        if count == 0 || count > MAX_BUNDLE_KEYS {
            return Err(SealError::Keys { count });
        }
        if self.not_before_s >= self.expires_s {
            return Err(SealError::NeverInForce);
        }
        validate(&self.policies).map_err(SealError::Policies)?;
        let payload = self.canonical_json()?;
        let bytes = payload.len();
        if bytes > MAX_POLICY_FILE_BYTES {
            return Err(SealError::TooLarge { bytes });
        }
        Ok(envelope::seal(PAYLOAD_TYPE, payload.as_bytes(), keys))
    }

    /// The bytes that are signed, and whose SHA-256 is the bundle's hash.
    ///
    /// # Errors
    ///
    /// [`SealError::Number`].
    pub fn canonical_json(&self) -> Result<String, SealError> {
        let value = serde_json::to_value(self).map_err(|_| SealError::Number)?;
        let mut text = String::new();
        canonical::write(&value, &mut text).ok_or(SealError::Number)?;
        Ok(text)
    }
}

/// What a device knows when a bundle arrives.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Keys that it trusts.
    pub keys: &'a TrustedKeys,
    /// The device.
    pub device: DeviceFacts<'a>,
    /// Who uses it; nobody, for a bundle of the device.
    pub user: UserFacts<'a>,
    /// What its clock says, in seconds since 1970.
    pub now_s: i64,
}

/// The highest version that a device ever accepted, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HighestSeen {
    /// The version.
    pub version: PolicyVersion,
    /// The bundle's hash.
    pub hash: Sha256,
}

/// A bundle that was found good, ready to decide.
#[derive(Debug)]
pub struct Verified {
    /// The policies.
    pub set: Arc<PolicySet>,
    /// SHA-256 of the signed payload; what a device echoes.
    pub hash: Sha256,
    /// Whom it is for.
    pub audience: Audience,
    /// From when on it holds and from when on no longer, in seconds since 1970.
    pub lifetime: (i64, i64),
    /// The trusted key that signed it.
    pub signed_by: KeyId,
}

impl Verified {
    /// Its version.
    #[must_use]
    pub fn version(&self) -> PolicyVersion {
        self.set.policies().version
    }

    /// What is remembered of it.
    #[must_use]
    pub fn seen(&self) -> HighestSeen {
        HighestSeen {
            version: self.version(),
            hash: self.hash,
        }
    }
}

/// Whether a bundle may come into force now on this device, of which `highest` is the highest version that it accepted.
///
/// # Errors
///
/// [`BundleError`] names the first thing that is wrong, and what to do.
pub fn verify(
    envelope: &[u8],
    terms: &Terms<'_>,
    highest: Option<&HighestSeen>,
) -> Result<Verified, BundleError> {
    check(envelope, terms, highest, Some(terms.now_s))
}

/// [`verify`] without asking for the time: of a bundle that was accepted and written down.
fn restore(
    envelope: &[u8],
    terms: &Terms<'_>,
    highest: Option<&HighestSeen>,
) -> Result<Verified, BundleError> {
    check(envelope, terms, highest, None)
}

fn check(
    envelope: &[u8],
    terms: &Terms<'_>,
    highest: Option<&HighestSeen>,
    now_s: Option<i64>,
) -> Result<Verified, BundleError> {
    let opened = envelope::open(envelope, PAYLOAD_TYPE, terms.keys)?;
    let (bundle, hash): (Bundle, _) = read(opened.payload())?;
    let signed_by = opened.signed_by;
    lifetime(&bundle, now_s)?;
    if fits(&bundle.audience, &terms.user, &terms.device).is_none() {
        return Err(BundleError::Audience(described(&bundle.audience)));
    }
    not_older(bundle.policies.version, hash, highest)?;
    Ok(Verified {
        set: Arc::new(PolicySet::new(bundle.policies).map_err(BundleError::Policies)?),
        hash,
        audience: bundle.audience,
        lifetime: (bundle.not_before_s, bundle.expires_s),
        signed_by,
    })
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<(T, Sha256), BundleError> {
    let text = std::str::from_utf8(payload).map_err(|error| BundleError::NotCanonical {
        at: error.valid_up_to(),
        deviation: Deviation::NotJson,
    })?;
    canonical::check(text)
        .map_err(|(at, deviation)| BundleError::NotCanonical { at, deviation })?;
    let bundle =
        serde_json::from_str(text).map_err(|error| BundleError::Form(error.to_string()))?;
    let digest: [u8; 32] = sha2::Sha256::digest(payload).into();
    Ok((bundle, Sha256(digest)))
}

fn lifetime(bundle: &Bundle, now_s: Option<i64>) -> Result<(), BundleError> {
    let &Bundle {
        not_before_s,
        expires_s,
        ..
    } = bundle;
    if not_before_s >= expires_s {
        return Err(BundleError::NeverInForce {
            not_before_s,
            expires_s,
        });
    }
    match now_s {
        Some(now_s) if now_s < not_before_s => Err(BundleError::NotYetValid {
            not_before_s,
            now_s,
        }),
        Some(now_s) if now_s >= expires_s => Err(BundleError::Expired { expires_s, now_s }),
        _ => Ok(()),
    }
}

fn not_older(
    version: PolicyVersion,
    hash: Sha256,
    highest: Option<&HighestSeen>,
) -> Result<(), BundleError> {
    match highest {
        Some(seen) if version < seen.version => Err(BundleError::Rollback {
            offered: version,
            highest: seen.version,
        }),
        Some(seen) if version == seen.version && hash != seen.hash => {
            Err(BundleError::SameVersionOtherPolicies {
                version,
                offered: hash,
                accepted: seen.hash,
            })
        }
        _ => Ok(()),
    }
}

fn described(audience: &Audience) -> String {
    match audience {
        Audience::AllUsers => "all users".to_owned(),
        Audience::User(id) => format!("user {:?}", id.as_str()),
        Audience::UserGroup(id) => format!("user group {:?}", id.as_str()),
        Audience::AllDevices => "all devices".to_owned(),
        Audience::Device(id) => format!("device {:?}", id.as_str()),
        Audience::DeviceGroup(id) => format!("device group {:?}", id.as_str()),
    }
}
