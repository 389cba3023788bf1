//! The kernel's audit records as `epm-agent run` reads them: told of in heartbeats, and begun again where that failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use epm_proto::v1::{self, SensorState};
use tokio_util::sync::CancellationToken;

use super::AuditUse;
use super::failure::with_causes;
use crate::Agent;
use crate::kernel_audit::{self, Counts};
use crate::platform::linux::audit::AuditSocket;

/// Time between two tries to join those whom the kernel tells.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// How often what came in is written into the sensor's health.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Audit records that are to be read.
#[derive(Debug)]
pub(super) struct KernelAudit {
    is_required: bool,
}

/// What was asked for; nothing where it is off.
pub(super) fn configured(audit: AuditUse) -> Option<KernelAudit> {
    (audit != AuditUse::Off).then_some(KernelAudit {
        is_required: audit == AuditUse::On,
    })
}

impl KernelAudit {
    /// Reads until `stop`. That it may not is a state of health and no reason to end.
    pub(super) async fn run(self, agent: Arc<Agent>, stop: CancellationToken) {
        let counts = Arc::new(Counts::default());
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy().into_owned();
        loop {
            let (state, why) = match AuditSocket::join() {
                Ok(socket) => {
                    let (agent_of, counts_of) = (Arc::clone(&agent), Arc::clone(&counts));
                    let reading =
                        kernel_audit::run(socket, &host, agent_of, counts_of, stop.clone());
                    tokio::select! {
                        read = reading => match read {
                            Ok(()) => return,
                            Err(error) => (SensorState::Failing, with_causes(&error)),
                        },
                        () = tell(&agent, &counts) => return,
                    }
                }
                Err(error) => self.not_joined(&error),
            };
            tracing::warn!(reason = why, "the kernel's audit records are not read");
            say(&agent, state, why);
            tokio::select! {
                () = tokio::time::sleep(TRY_AGAIN) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn not_joined(&self, error: &std::io::Error) -> (SensorState, String) {
        let is_forbidden = error.kind() == std::io::ErrorKind::PermissionDenied;
        let why = match is_forbidden {
            true => {
                "not permitted: it takes root or CAP_AUDIT_READ, outside of a container".to_owned()
            }
            false => format!("the kernel does not tell: {error}"),
        };
        match self.is_required {
            true => (SensorState::Failing, why),
            false => (SensorState::Stopped, why),
        }
    }
}

/// Says again and again what came in; never ends.
async fn tell(agent: &Agent, counts: &Counts) {
    loop {
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let (records, lost) = (count(&counts.records), count(&counts.overruns));
        let detail = format!(
            "{records} records, {} elevations or refusals, {} unreadable, {lost} times records were lost",
            count(&counts.elevations),
            count(&counts.unreadable),
        );
        say(agent, SensorState::Running, detail);
        tokio::time::sleep(TELL_EVERY).await;
    }
}

fn say(agent: &Agent, state: SensorState, detail: String) {
    agent.set_sensor(v1::SensorHealth {
        sensor: v1::SensorKind::KernelAudit.into(),
        state: state.into(),
        detail,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_may_not_is_a_failure_only_where_it_must() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let (state, why) = configured(AuditUse::Auto).expect("on").not_joined(&denied);
        assert_eq!(state, SensorState::Stopped);
        assert!(why.contains("CAP_AUDIT_READ"), "{why}");
        let (state, _) = configured(AuditUse::On).expect("on").not_joined(&denied);
        assert_eq!(state, SensorState::Failing);
        assert!(configured(AuditUse::Off).is_none());
    }
}
