//! Lets settings policies govern a running agent: which state of the life cycle holds, and what may leave the device.
//!
//! Sensors go on while elevations are not managed, and what they see is withheld. A log server that went away would keep
//! people from using sudo where sudo is told to insist on it, and a log that was not read meanwhile would be reported
//! later, although nobody was to look.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epm_policy::{EffectiveSettings, Platform, ReportingScope, Request, Trigger};
use epm_proto::v1;
use tokio_util::sync::CancellationToken;

use super::{Keeper, Reading};
use crate::agent::{Agent, AgentError};
use crate::applicability::{self, Applicability};
use crate::clock::Clock;
use crate::policies::PolicySource;

/// How often the clock is looked at, by which life cycles go on. Other policies are heard of at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why nothing could be governed just now. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum GovernError {
    /// The state cannot be written.
    #[error("the state of the life cycle cannot be written")]
    Write(#[source] io::Error),
    /// A change cannot be recorded.
    #[error("a change of the life cycle cannot be recorded")]
    Record(#[source] AgentError),
}

/// Governs one agent.
#[derive(Debug)]
pub struct Governor {
    agent: Arc<Agent>,
    policies: Arc<PolicySource>,
    keeper: Keeper,
    clock: Clock,
    applicability: Applicability,
    scope: Option<v1::ReportingScope>,
}

impl Governor {
    /// Governs `agent`, whose state folder is `state`, by `policies`.
    ///
    /// # Errors
    ///
    /// Where the state of the life cycle cannot be read.
    pub fn new(agent: Arc<Agent>, state: &Path, policies: Arc<PolicySource>) -> io::Result<Self> {
        let clock = Clock::of_this_boot();
        let facts = applicability::Facts::of_this_device(Path::new("/"), policies.authority());
        Ok(Self {
            agent,
            policies,
            keeper: Keeper::open(state, Reading::now(&clock))?,
            clock,
            applicability: facts.judged(&applicability::Minimums::built_in()),
            scope: None,
        })
    }

    /// Looks at the policies once and does what they say.
    ///
    /// # Errors
    ///
    /// [`GovernError`]; the next look tries again.
    pub async fn look(&mut self) -> Result<(), GovernError> {
        let set = self.policies.current();
        let device = Request::new(Platform::Linux, Trigger::RunWithElevatedAccess, "");
        let settings = set.settings_for(&device);
        let now = Reading::now(&self.clock);
        let is_ready = self.applicability.is_applicable();
        let turned = self.keeper.turn(Some(&settings), is_ready, now);
        turned.map_err(GovernError::Write)?;
        let scope = reporting_scope(&settings, self.keeper.state().is_active());
        if self.scope != Some(scope) {
            self.agent.set_reporting_scope(scope).await;
            self.scope = Some(scope);
        }
        self.agent.set_governed(v1::Heartbeat {
            policy_revision: set.policies().version.0.to_string(),
            life_cycle: Some(self.keeper.as_record(now)),
            applicability: Some(self.applicability.as_record()),
            ..v1::Heartbeat::default()
        });
        for change in self.keeper.changes_as_records(now) {
            tracing::info!(
                before = change.before().as_str_name(),
                now = change.state().as_str_name(),
                "the life cycle goes on"
            );
            self.agent
                .record_transition(change)
                .await
                .map_err(GovernError::Record)?;
        }
        self.keeper.told().map_err(GovernError::Write)
    }

    /// Goes on looking until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.policies.changes();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = changes.changed() => {}
                () = stop.cancelled() => return,
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "settings are not carried out; tried again");
            }
        }
    }
}

/// What may leave a device under these settings.
#[must_use]
pub fn reporting_scope(settings: &EffectiveSettings, is_active: bool) -> v1::ReportingScope {
    use v1::ReportingScope::{All, Diagnostic, Managed, None};
    match (settings.send_data, is_active, settings.reporting_scope) {
        (false, ..) => None,
        (true, false, _) | (true, true, ReportingScope::DiagnosticOnly) => Diagnostic,
        (true, true, ReportingScope::Managed) => Managed,
        // Elevations that others carry out are not to be looked for.
        (true, true, ReportingScope::All) if !settings.elevation_detection => Managed,
        (true, true, ReportingScope::All) => All,
    }
}
