//! The answer to a request of a user, on its way to a device: an [`Approval`] with a name and a number of uses, signed as
//! bundles are. Whether it covers a launch, the approval says; how often it was used, the device remembers.

use serde::{Deserialize, Serialize};

use super::envelope;
use super::keys::{SigningKey, TrustedKeys};
use super::{BundleError, SealError, canonical, read};
use crate::approval::{Approval, RequestState};
use crate::limits::{MAX_APPROVAL_ID_BYTES, MAX_APPROVAL_USES, MAX_BUNDLE_KEYS};
use crate::model::{DeviceId, Sha256, UserId};

/// What an envelope with an approval says it holds.
pub const APPROVAL_TYPE: &str = "application/vnd.epm.approval.v1+json";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedApproval {
    /// Names it for ever: letters, digits and hyphens. Two approvals must not have one name.
    pub id: String,
    /// For whom.
    pub user: UserId,
    /// Where.
    pub device: DeviceId,
    /// What.
    pub file: Sha256,
    /// When it was approved, in seconds since 1970.
    pub approved_s: i64,
    /// First second at which it no longer holds.
    pub ends_s: i64,
    /// How many launches it is for.
    pub uses: u32,
}

/// Why an approval is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// Its envelope, its signature or its form.
    #[error("the approval is not signed or written as it must be: {0}")]
    Envelope(#[source] BundleError),
    /// Its name could be taken for something else.
    #[error(
        "the approval's id has from 1 to {MAX_APPROVAL_ID_BYTES} letters, digits and hyphens; give it such a one"
    )]
    Id,
    /// It is for no launch, or for too many.
    #[error("an approval is for 1 to {MAX_APPROVAL_USES} launches; write a rule for more")]
    Uses,
    /// It never holds.
    #[error("the approval ends before it begins; let it end later")]
    NeverInForce,
}

impl SignedApproval {
    /// Writes and signs it.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`]: what no device would take is not signed.
    pub fn seal(&self, keys: &[&SigningKey]) -> Result<String, ApprovalError> {
        self.check()?;
        let unwritten =
            |error: SealError| ApprovalError::Envelope(BundleError::Form(error.to_string()));
        let count = keys.len();
        if count == 0 || count > MAX_BUNDLE_KEYS {
            return Err(unwritten(SealError::Keys { count }));
        }
        let mut payload = String::new();
        let value = serde_json::to_value(self).map_err(|_| unwritten(SealError::Number))?;
        canonical::write(&value, &mut payload).ok_or_else(|| unwritten(SealError::Number))?;
        Ok(envelope::seal(APPROVAL_TYPE, payload.as_bytes(), keys))
    }

    /// Reads one that a trusted key signed. Nothing in it is looked at before its signature was found good.
    ///
    /// # Errors
    ///
    /// [`ApprovalError`].
    pub fn open(bytes: &[u8], keys: &TrustedKeys) -> Result<Self, ApprovalError> {
        let opened = envelope::open(bytes, APPROVAL_TYPE, keys).map_err(ApprovalError::Envelope)?;
        let (approval, _): (Self, _) = read(opened.payload()).map_err(ApprovalError::Envelope)?;
        approval.check()?;
        Ok(approval)
    }

    /// What the policy engine asks.
    #[must_use]
    pub fn approval(&self) -> Approval {
        Approval {
            user: self.user.clone(),
            device: self.device.clone(),
            file: self.file,
            state: RequestState::Approved,
            approved_s: self.approved_s,
            ends_s: self.ends_s,
        }
    }

    fn check(&self) -> Result<(), ApprovalError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let length = 1..=MAX_APPROVAL_ID_BYTES;
        if !length.contains(&self.id.len()) || !self.id.bytes().all(plain) {
            return Err(ApprovalError::Id);
        }
        if !(1..=MAX_APPROVAL_USES).contains(&self.uses) {
            return Err(ApprovalError::Uses);
        }
        match self.approved_s < self.ends_s {
            true => Ok(()),
            false => Err(ApprovalError::NeverInForce),
        }
    }
}
