//! What was read and is not recorded yet: observations, and how many stretches could not be read. It must not read.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use epm_proto::ids::SourceKey;
use epm_proto::v1::SensorKind;

use super::desk::Recorder;
use crate::AgentError;
use crate::import::summary::{Counter, Summary};
use crate::source::{Observation, Reading, Readings};

/// Observations of one portion: many for one sync, few in memory.
pub(crate) const PORTION: usize = 1024;
/// Source keys remembered of a file that is read again as a whole whenever it has changed: 24 MB at most. What is beyond
/// is recorded again, and is the same record by its key.
const MAX_KNOWN: usize = 1 << 20;

/// Takes the readings of one log.
#[derive(Debug)]
pub(crate) struct Portion {
    counter: Counter,
    observations: Vec<Observation>,
    // Stretches of the file that could not be read: found in this pass over it, and told as lost, now or before.
    found: u64,
    told: u64,
    is_silent: bool,
    sensor: Option<SensorKind>,
    known: Option<HashSet<SourceKey>>,
}

impl Portion {
    /// Counts go into a summary of `path`.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            counter: Counter::new(path),
            observations: Vec::new(),
            found: 0,
            told: 0,
            is_silent: false,
            sensor: None,
            known: None,
        }
    }

    /// What was counted so far. What was read in silence is not.
    pub(crate) fn summary(&self) -> Summary {
        self.counter.clone().finish()
    }

    /// Another file begins, of which `told` unreadable stretches were told before.
    pub(crate) fn begin_file(&mut self, told: u64) {
        self.found = 0;
        self.told = told;
        self.known = None;
    }

    /// The same file is read again from its beginning; records of it that are known by then are not recorded again.
    pub(crate) fn begin_pass(&mut self, path: &Path) {
        self.found = 0;
        self.counter = Counter::new(path);
        self.known.get_or_insert_default();
    }

    /// What saw the newest record.
    pub(crate) fn sensor(&self) -> Option<SensorKind> {
        self.sensor
    }

    /// While silent, what comes was recorded before and only brings the reader's memory back.
    pub(crate) fn set_silent(&mut self, is_silent: bool) {
        self.is_silent = is_silent;
    }

    /// Whether it is time to record.
    pub(crate) fn is_full(&self) -> bool {
        self.observations.len() >= PORTION
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.untold() == 0
    }

    pub(crate) fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// Unreadable stretches that were told before.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// Unreadable stretches that have to be told: a file that is read again has the same ones in the same order.
    pub(crate) fn untold(&self) -> u64 {
        self.found.saturating_sub(self.told)
    }

    /// What seemed unreadable is looked at again.
    pub(crate) fn forget_untold(&mut self) {
        self.found = self.told;
    }

    /// Records the observations, and leaves telling what is unreadable for later.
    ///
    /// # Errors
    ///
    /// Where they cannot be; they are then kept.
    pub(crate) fn record_observations(
        &mut self,
        recorder: &mut dyn Recorder,
    ) -> Result<(), AgentError> {
        recorder.record(self.observations.clone())?;
        self.forget_observations();
        Ok(())
    }

    /// Everything was recorded.
    pub(crate) fn recorded(&mut self) {
        self.told = self.told.max(self.found);
        self.forget_observations();
    }

    fn forget_observations(&mut self) {
        for observation in self.observations.drain(..) {
            if let (Some(known), Some(key)) = (&mut self.known, observation.source_key)
                && known.len() < MAX_KNOWN
            {
                known.insert(key);
            }
        }
    }
}

impl Readings for Portion {
    fn reading(&mut self, mut reading: Reading) -> ControlFlow<()> {
        self.sensor = Some(reading.sensor);
        if self.is_silent {
            return ControlFlow::Continue(());
        }
        let observation = reading.observation.take();
        let _ = self.counter.reading(reading);
        let is_known = |observation: &Observation| {
            let known = self.known.as_ref().zip(observation.source_key);
            known.is_some_and(|(known, key)| known.contains(&key))
        };
        self.observations
            .extend(observation.filter(|observation| !is_known(observation)));
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.found += 1;
        if self.is_silent {
            return ControlFlow::Continue(());
        }
        self.counter.unreadable(detail)
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        if self.is_silent {
            return ControlFlow::Continue(());
        }
        self.counter.skipped(reason)
    }
}
