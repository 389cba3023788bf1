//! Whether elevation is managed on a device, as settings come and go. Time is passed in. It must not install or remove
//! anything: the agent does, and records each transition.

use crate::effective::EffectiveSettings;
use crate::limits::REMOVAL_DAYS;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Where the agent's components stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LifeCycle {
    /// Nothing is installed, and nothing was ever asked for.
    #[default]
    Absent,
    /// A settings policy arrived and says enabled; components are being made ready.
    Provisioning,
    /// Launches are decided.
    Active,
    /// Stopped at once; components stay until `removal_s`, so that an edit by mistake does not remove them everywhere.
    Disabled {
        /// When components are removed, in seconds since 1970.
        removal_s: i64,
    },
    /// Components were removed.
    Removed,
}

/// What a device can learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LifeCycleInput<'s> {
    /// Settings as they hold now. Without any policy they say disabled, which is how an unassignment is treated.
    Settings(&'s EffectiveSettings),
    /// Components are ready.
    Provisioned,
    /// Time went on.
    Tick,
}

impl LifeCycle {
    /// Where it stands after `input` at `now_s`, in seconds since 1970. A change is an event; the same state is none.
    #[must_use]
    pub fn next(self, input: LifeCycleInput<'_>, now_s: i64) -> Self {
        // What is due happens first, whatever else arrives.
        let current = match self {
            Self::Disabled { removal_s } if now_s >= removal_s => Self::Removed,
            other => other,
        };
        match (current, input) {
            (_, LifeCycleInput::Settings(settings)) => current.settings(settings.enabled, now_s),
            (Self::Provisioning, LifeCycleInput::Provisioned) => Self::Active,
            (_, LifeCycleInput::Provisioned | LifeCycleInput::Tick) => current,
        }
    }

    fn settings(self, enabled: bool, now_s: i64) -> Self {
        let removal_s = now_s.saturating_add(i64::from(REMOVAL_DAYS) * SECONDS_PER_DAY);
        match (self, enabled) {
            (Self::Absent | Self::Removed, true) => Self::Provisioning,
            // Components are still there.
            (Self::Disabled { .. }, true) => Self::Active,
            (Self::Provisioning | Self::Active, false) => Self::Disabled { removal_s },
            // Said again: the first deadline holds.
            (other, _) => other,
        }
    }

    /// Whether launches are decided.
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}
