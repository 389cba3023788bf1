//! The life cycle as its file holds it.

use epm_policy::{LifeCycle, LifeCycleInput};
use epm_proto::v1;
use serde::{Deserialize, Serialize};

use super::Transition;
use super::time::{DeviceTime, Reading};

/// How much device time may pass before its reading is written down again, so that a device that was off is not
/// believed to have been off for longer than since then.
const WRITE_EVERY_US: i64 = 60 * 60 * 1_000_000;
/// Changes that wait to be told: there are two or three at a time, and none is told only where the disk is full.
const MAX_UNTOLD: usize = 64;
const SECOND_US: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(with = "State")]
    pub(super) state: LifeCycle,
    /// Wall clock when it came about.
    pub(super) since_us: i64,
    pub(super) time: DeviceTime,
    pub(super) untold: Vec<Change>,
}

/// A change that is not told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(with = "State")]
    pub(super) before: LifeCycle,
    #[serde(with = "State")]
    pub(super) now: LifeCycle,
    pub(super) at_us: i64,
}

impl Change {
    pub(super) fn transition(&self) -> Transition {
        Transition {
            before: self.before,
            now: self.now,
        }
    }
}

/// How a state is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LifeCycle", rename_all = "snake_case")]
enum State {
    Absent,
    Provisioning,
    Active,
    Disabled { removal_s: i64 },
    Removed,
}

impl Kept {
    pub(super) fn new(now: Reading) -> Self {
        Self {
            state: LifeCycle::Absent,
            since_us: now.wall_us,
            time: DeviceTime::begin(now),
            untold: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, input: LifeCycleInput<'_>, now: Reading) {
        let next = self.state.next(input, self.time.seconds());
        if next == self.state {
            return;
        }
        if self.untold.len() < MAX_UNTOLD {
            self.untold.push(Change {
                before: self.state,
                now: next,
                at_us: now.wall_us,
            });
        }
        self.state = next;
        self.since_us = now.wall_us;
    }

    pub(super) fn is_worth_writing(&self, on_disk: &Self) -> bool {
        let has_changed = self.state != on_disk.state || self.untold != on_disk.untold;
        let is_waiting = matches!(self.state, LifeCycle::Disabled { .. });
        let passed_us = self.time.us - on_disk.time.us;
        let is_obsolete = self.time.makes_obsolete(&on_disk.time);
        has_changed || (is_waiting && (passed_us >= WRITE_EVERY_US || is_obsolete))
    }

    pub(super) fn as_record(&self, state: LifeCycle, since_us: i64, now: Reading) -> v1::LifeCycle {
        let removal_us = match state {
            // In the wall clock's time, which may not be that of the count.
            LifeCycle::Disabled { removal_s } => {
                let mut time = self.time;
                time.pass(now);
                let removal_us = now.wall_us + (removal_s * SECOND_US - time.us).max(0);
                // The two clocks drift by microseconds between two readings.
                removal_us - removal_us.rem_euclid(60 * SECOND_US)
            }
            _ => 0,
        };
        v1::LifeCycle {
            state: state_of(state).into(),
            since_us,
            removal_us,
            before: v1::LifeCycleState::Unspecified.into(),
        }
    }
}

/// The state's word on the wire.
pub(super) fn state_of(state: LifeCycle) -> v1::LifeCycleState {
    match state {
        LifeCycle::Absent => v1::LifeCycleState::Absent,
        LifeCycle::Provisioning => v1::LifeCycleState::Provisioning,
        LifeCycle::Active => v1::LifeCycleState::Active,
        LifeCycle::Disabled { .. } => v1::LifeCycleState::Disabled,
        LifeCycle::Removed => v1::LifeCycleState::Removed,
    }
}
