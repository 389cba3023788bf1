//! Takes what a source hands on, counts it, and checks what holds for every source. It keeps no readings, so that it
//! needs the same memory for any number of them.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::path::Path;

use epm_agent::import::summary::Counter;
use epm_agent::source::{Observation, Reading, Readings, Verdict};
use epm_proto::v1::record::Body;
use prost::Message;

/// Bytes of a source key.
const KEY_BYTES: usize = 16;

/// What came out of one reading of one input. Two readings of the same bytes are equal in all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) readings: u64,
    pub(crate) unreadable: u64,
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Of everything handed on, in its order.
    digest: u64,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.readings + self.unreadable + self.skipped.values().sum::<u64>()
    }
}

/// Counts what a source hands on.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Counts,
    hasher: DefaultHasher,
    counter: Counter,
    encoded: Vec<u8>,
    calls_left: u64,
    broken: Option<String>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self::stopping_after(u64::MAX)
    }

    /// Asks the source to stop at the call with this number, from 1.
    pub(crate) fn stopping_after(calls: u64) -> Self {
        Self {
            counts: Counts::default(),
            hasher: DefaultHasher::new(),
            counter: Counter::new(Path::new("fuzzed")),
            encoded: Vec::new(),
            calls_left: calls,
            broken: None,
        }
    }

    /// What was counted; the first rule that was broken, if any.
    pub(crate) fn finish(mut self) -> Result<Counts, String> {
        self.counts.digest = self.hasher.finish();
        // The summary of every reading can be written.
        let _ = self.counter.finish().to_json();
        self.broken.map_or(Ok(self.counts), Err)
    }

    fn breaks(&mut self, rule: String) {
        self.broken.get_or_insert(rule);
    }

    fn called(&mut self) -> ControlFlow<()> {
        if self.calls_left == 0 {
            self.breaks("the source went on although it was asked to stop".to_owned());
            return ControlFlow::Break(());
        }
        self.calls_left -= 1;
        match self.calls_left {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn observation(&mut self, observation: &Observation, verdict: Verdict) {
        let key = observation.source_key.map(|key| key.as_bytes().to_vec());
        if key
            .as_ref()
            .is_none_or(|key| key.iter().all(|byte| *byte == 0))
        {
            self.breaks(format!(
                "a stored observation without a key: {observation:?}"
            ));
        }
        self.encoded.clear();
        let fits = match &observation.body {
            Body::Elevation(elevation) => {
                elevation.encode(&mut self.encoded).is_ok()
                    && matches!(
                        verdict,
                        Verdict::Elevated | Verdict::Denied | Verdict::Undecided
                    )
            }
            Body::ElevationExit(exit) => {
                exit.encode(&mut self.encoded).is_ok()
                    && verdict == Verdict::Exit
                    && exit.start_key.len() == KEY_BYTES
            }
            _ => false,
        };
        if !fits {
            self.breaks(format!("{verdict:?} does not go with {observation:?}"));
        }
        key.hash(&mut self.hasher);
        observation.observed_at_us.hash(&mut self.hasher);
        i32::from(observation.class).hash(&mut self.hasher);
        self.encoded.hash(&mut self.hasher);
    }
}

impl Readings for Tally {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        self.counts.readings += 1;
        i32::from(reading.sensor).hash(&mut self.hasher);
        (reading.verdict as u8).hash(&mut self.hasher);
        i32::from(reading.account).hash(&mut self.hasher);
        reading.process.hash(&mut self.hasher);
        match &reading.observation {
            Some(observation) => self.observation(observation, reading.verdict),
            None if matches!(reading.verdict, Verdict::NotElevated | Verdict::Exit) => {}
            None => self.breaks(format!("nothing is stored of {reading:?}")),
        }
        let _ = self.counter.reading(reading);
        self.called()
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.counts.unreadable += 1;
        detail.hash(&mut self.hasher);
        if detail.trim().is_empty() {
            self.breaks("damage without a word about it".to_owned());
        }
        let _ = self.counter.unreadable(detail);
        self.called()
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        *self.counts.skipped.entry(reason).or_default() += 1;
        reason.hash(&mut self.hasher);
        let is_snake =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if reason.is_empty() || !reason.bytes().all(is_snake) {
            self.breaks(format!("a reason that is not in snake case: {reason:?}"));
        }
        let _ = self.counter.skipped(reason);
        self.called()
    }
}
