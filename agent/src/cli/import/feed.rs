//! Takes what a file holds, counts it, and records it in portions. It runs on a thread that may wait.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use epm_proto::ids::SourceKey;
use tokio::runtime::Handle;

use super::super::failure::{ExitCode, Failure};
use crate::clock::now_us;
use crate::import::summary::{Counter, Summary};
use crate::source::{Observation, Reading, Readings};
use crate::spool::SpoolError;
use crate::{Agent, AgentError};

/// Observations of one portion: many for one sync, few in memory.
const PORTION: usize = 1024;

/// Counts and records one file.
pub(super) struct Feed {
    agent: Arc<Agent>,
    runtime: Handle,
    patience: Duration,
    file_name: String,
    counter: Counter,
    portion: Vec<Observation>,
    observed: u64,
    unreadable: u64,
    error: Option<AgentError>,
}

/// What became of a file.
pub(super) struct Fed {
    pub(super) summary: Summary,
    pub(super) observed: u64,
    /// Why recording stopped before the end.
    pub(super) error: Option<AgentError>,
}

impl Feed {
    /// Within a runtime. `patience` is how long a full spool may stand still.
    pub(super) fn new(agent: Arc<Agent>, file: &Path, patience: Duration) -> Self {
        let name = file.file_name().unwrap_or(file.as_os_str());
        Self {
            agent,
            runtime: Handle::current(),
            patience,
            file_name: name.to_string_lossy().into_owned(),
            counter: Counter::new(file),
            portion: Vec::with_capacity(PORTION),
            observed: 0,
            unreadable: 0,
            error: None,
        }
    }

    /// Records the rest.
    pub(super) fn finish(mut self) -> Fed {
        if self.error.is_none() {
            self.tell_unreadable();
            let _ = self.record();
        }
        Fed {
            summary: self.counter.finish(),
            observed: self.observed,
            error: self.error,
        }
    }

    /// What could not be read is a loss: it may have been an elevation.
    fn tell_unreadable(&mut self) {
        if self.unreadable == 0 {
            return;
        }
        let count = self.unreadable.to_le_bytes();
        // The same file imported again tells the same loss.
        let key = SourceKey::derive(&[b"unreadable", self.file_name.as_bytes(), &count]);
        let detail = format!("import of {}", self.file_name);
        self.portion.push(Observation::unreadable(
            key,
            self.unreadable,
            detail,
            now_us(),
        ));
    }

    fn record(&mut self) -> ControlFlow<()> {
        let portion = std::mem::take(&mut self.portion);
        let count = portion.len() as u64;
        let recording = record_patiently(&self.agent, portion, self.patience);
        match self.runtime.block_on(recording) {
            Ok(()) => {
                self.observed += count;
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Readings for Feed {
    fn reading(&mut self, mut reading: Reading) -> ControlFlow<()> {
        // Counting needs no observation, and never stops a source.
        let observation = reading.observation.take();
        let _ = self.counter.reading(reading);
        self.portion.extend(observation);
        if self.portion.len() >= PORTION {
            return self.record();
        }
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.unreadable += 1;
        self.counter.unreadable(detail)
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        self.counter.skipped(reason)
    }
}

/// Records `portion`; where the spool is full, waits for as long as the collector takes records from it.
async fn record_patiently(
    agent: &Agent,
    portion: Vec<Observation>,
    patience: Duration,
) -> Result<(), AgentError> {
    let mut before = progress(agent).await;
    let mut deadline = Instant::now() + patience;
    loop {
        let error = match agent.observe(portion.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let full = matches!(&error, AgentError::Spool(error) if matches!(**error, SpoolError::Full { .. }));
        let left = deadline.saturating_duration_since(Instant::now());
        if !full || !agent.wait_for_news(left).await {
            return Err(error);
        }
        let now = progress(agent).await;
        if now != before {
            before = now;
            deadline = Instant::now() + patience;
        }
    }
}

/// Changes whenever the collector took something.
pub(super) async fn progress(agent: &Agent) -> (u64, Option<i64>) {
    let status = agent.status().await;
    (status.waiting.records, status.last_ack_us)
}

/// Why a file was not recorded to its end, for a user.
pub(super) fn failure(file: &Path, state: &Path, error: &AgentError) -> Failure {
    let mut failure = Failure::of_agent(state, error);
    failure.message = format!(
        "{} was not imported to its end: {}",
        file.display(),
        failure.message
    );
    if matches!(error, AgentError::Spool(error) if matches!(**error, SpoolError::Full { .. })) {
        failure.code = ExitCode::Waiting;
        failure.remedy =
            "Import it again once the collector is there: what was recorded is not counted twice."
                .to_owned();
    }
    failure
}
