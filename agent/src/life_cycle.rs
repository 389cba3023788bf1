//! Where the management of elevations stands on this device, across restarts and whatever its clock does. What follows
//! from settings is [`epm_policy::LifeCycle`]'s to say; here it is kept, measured and told. It must not start or stop
//! anything itself.

mod governor;
mod kept;
mod time;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epm_policy::{EffectiveSettings, LifeCycle, LifeCycleInput};
use epm_proto::v1;

use crate::disk::{Disk, RealDisk, replace};
use kept::Kept;

pub use governor::{GovernError, Governor, reporting_scope};
pub use time::Reading;

const NAME: &str = "life-cycle.json";

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What was before.
    pub before: LifeCycle,
    /// What is now.
    pub now: LifeCycle,
}

/// The state, on disk.
pub struct Keeper {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    kept: Kept,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("path", &self.path)
            .field("state", &self.kept.state)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// What the folder `state` remembers; absent where it remembers nothing. A damaged file is one of a device of which
    /// nothing is known: settings then say what holds.
    ///
    /// # Errors
    ///
    /// Where the file is there and cannot be read.
    pub fn open(state: &Path, now: Reading) -> io::Result<Self> {
        Self::open_on(Arc::new(RealDisk), state, now)
    }

    /// The same on another disk.
    ///
    /// # Errors
    ///
    /// Where the file is there and cannot be read.
    pub fn open_on(disk: Arc<dyn Disk>, state: &Path, now: Reading) -> io::Result<Self> {
        let path = state.join(NAME);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "the life cycle on disk is damaged and begins anew");
                Kept::new(now)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::new(now),
            Err(error) => return Err(error),
        };
        Ok(Self { disk, path, kept })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> LifeCycle {
        self.kept.state
    }

    /// What happened up to `now` and what `settings` ask for; nothing is asked where they are not known. `ready` says
    /// whether this device can do it. The changes are durable before they are given, and are given again after a restart
    /// until [`Keeper::told`].
    ///
    /// # Errors
    ///
    /// Where the state cannot be written. It is then as it was.
    pub fn turn(
        &mut self,
        settings: Option<&EffectiveSettings>,
        ready: bool,
        now: Reading,
    ) -> io::Result<Vec<Transition>> {
        let mut kept = self.kept.clone();
        kept.time.pass(now);
        // Each alone, so that what was due while the device was off is told before what settings say now.
        kept.step(LifeCycleInput::Tick, now);
        if let Some(settings) = settings {
            kept.step(LifeCycleInput::Settings(settings), now);
        }
        if ready {
            kept.step(LifeCycleInput::Provisioned, now);
        }
        if kept.is_worth_writing(&self.kept) {
            self.write(&kept)?;
        } else {
            // Time that passed is measured anew from the last reading on disk.
            kept.time = self.kept.time;
        }
        self.kept = kept;
        Ok(self
            .kept
            .untold
            .iter()
            .map(kept::Change::transition)
            .collect())
    }

    /// The changes that were given are recorded and need not be given again.
    ///
    /// # Errors
    ///
    /// Where that cannot be written; they are then given again.
    pub fn told(&mut self) -> io::Result<()> {
        if self.kept.untold.is_empty() {
            return Ok(());
        }
        let kept = Kept {
            untold: Vec::new(),
            ..self.kept.clone()
        };
        self.write(&kept)?;
        self.kept = kept;
        Ok(())
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        replace(self.disk.as_ref(), &self.path, &serde_json::to_vec(kept)?)
    }

    /// The state as records have it, at `now`.
    #[must_use]
    pub fn as_record(&self, now: Reading) -> v1::LifeCycle {
        self.kept
            .as_record(self.kept.state, self.kept.since_us, now)
    }

    /// The changes that are not told yet as records have them.
    #[must_use]
    pub fn changes_as_records(&self, now: Reading) -> Vec<v1::LifeCycle> {
        let of = |change: &kept::Change| v1::LifeCycle {
            before: kept::state_of(change.before).into(),
            ..self.kept.as_record(change.now, change.at_us, now)
        };
        self.kept.untold.iter().map(of).collect()
    }
}
