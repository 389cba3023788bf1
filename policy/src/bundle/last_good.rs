//! The policies that a device keeps: the last that were good, whatever is offered after them. A value: who holds it
//! writes it down, between [`LastGood::judge`] and [`LastGood::keep`].

use std::sync::Arc;

use super::{BundleError, HighestSeen, Terms, Verified, restore, verify};
use crate::set::PolicySet;

/// What a candidate is, once it was found good.
#[derive(Debug)]
pub enum Offer {
    /// Policies that are not held: write them down, then [`LastGood::keep`] them.
    New(Box<Verified>),
    /// What is held already. Its envelope may have other signatures: where it has, write it down instead of the old one,
    /// since the old key may go.
    Held,
}

/// Why no policies are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each has its sentence beside it")]
pub enum NotInForce {
    #[error("no policies have arrived yet")]
    NothingHeld,
    #[error("the policies begin at {not_before_s} s after 1970; the device's clock is behind")]
    NotYetValid { not_before_s: i64 },
    #[error(
        "the policies expired at {expires_s} s after 1970; connect the device, so that new ones arrive"
    )]
    Expired { expires_s: i64 },
}

/// The last good policies of a device, and the highest version that it ever accepted.
#[derive(Debug, Default)]
pub struct LastGood {
    held: Option<Verified>,
    highest: Option<HighestSeen>,
}

impl LastGood {
    /// Of a device that has seen this, and holds nothing: the policies were deleted, or it never had any.
    #[must_use]
    pub fn nothing(highest: Option<HighestSeen>) -> Self {
        Self {
            held: None,
            highest,
        }
    }

    /// Of a device that wrote down this envelope and this highest version. Time is not asked: an expired bundle is still
    /// what was last good, and [`LastGood::in_force`] says that it does not hold.
    ///
    /// # Errors
    ///
    /// As [`verify`], but for time.
    pub fn restored(
        envelope: &[u8],
        terms: &Terms<'_>,
        highest: Option<HighestSeen>,
    ) -> Result<Self, BundleError> {
        let mut restored = Self::nothing(highest);
        restored.keep(restore(envelope, terms, highest.as_ref())?);
        Ok(restored)
    }

    /// Whether a candidate is good. Nothing changes.
    ///
    /// # Errors
    ///
    /// As [`verify`]. What is held stays.
    pub fn judge(&self, envelope: &[u8], terms: &Terms<'_>) -> Result<Offer, BundleError> {
        let verified = verify(envelope, terms, self.highest.as_ref())?;
        let held = self.held.as_ref();
        Ok(match held.is_some_and(|held| held.hash == verified.hash) {
            true => Offer::Held,
            false => Offer::New(Box::new(verified)),
        })
    }

    /// Holds what [`LastGood::judge`] found good.
    pub fn keep(&mut self, verified: Verified) {
        let seen = verified.seen();
        // Only what is not lower was found good; the highest never falls, even so.
        if self.highest.is_none_or(|old| old.version <= seen.version) {
            self.highest = Some(seen);
        }
        self.held = Some(verified);
    }

    /// What decides at `now_s`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// Why nothing does. Then nothing is elevated.
    pub fn in_force(&self, now_s: i64) -> Result<&Arc<PolicySet>, NotInForce> {
        let held = self.held.as_ref().ok_or(NotInForce::NothingHeld)?;
        match held.lifetime {
            (not_before_s, _) if now_s < not_before_s => {
                Err(NotInForce::NotYetValid { not_before_s })
            }
            (_, expires_s) if now_s >= expires_s => Err(NotInForce::Expired { expires_s }),
            _ => Ok(&held.set),
        }
    }

    /// What is held, in force or not.
    #[must_use]
    pub fn held(&self) -> Option<&Verified> {
        self.held.as_ref()
    }

    /// The highest version that was ever accepted.
    #[must_use]
    pub fn highest(&self) -> Option<HighestSeen> {
        self.highest
    }
}
