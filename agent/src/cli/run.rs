//! `epm-agent run`: delivers, beats, hears sudo and answers `elevate` until a signal.

use std::path::Path;
use std::sync::Arc;

use epm_proto::v1;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::failure::{ExitCode, Failure};
use super::followed_logs::{self, FollowedLogs};
use super::kernel_audit::{self, KernelAudit};
use super::sudo_log_server::{self, SudoLogServer};
use super::{Every, Place, RunArgs, terminal};
use crate::broker::{Broker, BrokerConfig};
use crate::life_cycle::Governor;
use crate::live::{self, Setup};
use crate::policies::{self, PolicySource};
use crate::self_test::{self, SelfTest};
use crate::{Agent, AgentConfig};

pub(super) async fn run(
    place: Place,
    args: RunArgs,
    broker: Option<BrokerConfig>,
) -> Result<(), Failure> {
    let sensors = Sensors {
        sudo: sudo_log_server::configured(&args)?,
        logs: followed_logs::configured(&args)?,
        audit: kernel_audit::configured(args.audit),
    };
    let state = place.state_dir()?;
    let failed = |error: std::io::Error| Failure::because("cannot listen for signals", &error);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let mut config = AgentConfig::new(&state, &place.collector);
    if broker.is_some() {
        // Until policies say what may leave the device.
        config.reporting_scope = v1::ReportingScope::Diagnostic;
    }
    config.takes_policies = !args.policy_key.is_empty();
    let agent = Agent::start(config).map_err(|error| Failure::of_agent(&state, &error))?;
    let agent = Arc::new(agent);
    let stop = CancellationToken::new();
    let setup = Setup {
        collector: place.collector.clone(),
        policy: args.policy.clone(),
        certificate: args.sudo_log_server_cert.clone(),
        follow: args.follow_log.clone(),
    };
    let mut parts = started(&agent, &state, &args, sensors, broker, &stop).await?;
    let telling = live::keep(Arc::clone(&agent), state.clone(), setup, stop.clone());
    parts.spawn(telling);
    terminal::say(format!(
        "agent {} runs; state in {}, collector {}; Ctrl-C ends it",
        agent.agent_id(),
        state.display(),
        place.collector
    ));
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
    stop.cancel();
    let ended = async {
        // What sudo was answered is in the spool before the spool closes.
        while parts.join_next().await.is_some() {}
        agent.stop().await
    };
    let stopped = tokio::select! {
        stopped = ended => stopped,
        _ = interrupts.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
        _ = terminations.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
    };
    let waiting = agent.status().await.waiting.records;
    terminal::say(format!("stopped; {waiting} records wait in the spool"));
    stopped.map_err(|error| Failure::of_agent(&state, &error))
}

/// What sees elevations that others carry out.
struct Sensors {
    sudo: Option<SudoLogServer>,
    logs: Option<FollowedLogs>,
    audit: Option<KernelAudit>,
}

/// Everything that works beside the agent until `stop`.
async fn started(
    agent: &Arc<Agent>,
    state: &Path,
    args: &RunArgs,
    sensors: Sensors,
    broker: Option<BrokerConfig>,
    stop: &CancellationToken,
) -> Result<JoinSet<()>, Failure> {
    let mut parts = JoinSet::new();
    if let Some(broker) = &broker {
        let policies = &broker.policies;
        let governor = governed(agent, state, policies).await?;
        parts.spawn(Arc::clone(policies).follow(stop.clone()));
        if !args.policy_key.is_empty() {
            parts.spawn(policies::deliver(
                Arc::clone(policies),
                Arc::clone(agent),
                stop.clone(),
            ));
        }
        parts.spawn(governor.run(stop.clone()));
    }
    let sees_sudo = sensors.sudo.is_some() || sensors.logs.is_some();
    if let Every::After(interval) = args.self_test
        && sees_sudo
        && rustix::process::geteuid().is_root()
    {
        let test = SelfTest {
            interval,
            log_server: sensors.sudo.as_ref().map(SudoLogServer::told),
        };
        parts.spawn(self_test::run(Arc::clone(agent), test, stop.clone()));
    }
    if let Some(sudo) = sensors.sudo {
        parts.spawn(sudo.run(Arc::clone(agent), stop.clone()));
    }
    if let Some(logs) = sensors.logs {
        parts.spawn(logs.run(Arc::clone(agent), state.to_owned(), stop.clone()));
    }
    if let Some(audit) = sensors.audit {
        parts.spawn(audit.run(Arc::clone(agent), stop.clone()));
    }
    if let Some(config) = broker {
        let broker = Broker::open(config, Arc::clone(agent), stop.clone()).map_err(|error| {
            let what = format!("cannot listen for elevate at {}", args.socket.display());
            Failure::because(&what, &error)
        })?;
        parts.spawn(broker.serve());
    }
    Ok(parts)
}

/// What lets the policies govern `agent`, after it looked at them once: sensors start after that.
async fn governed(
    agent: &Arc<Agent>,
    state: &Path,
    policies: &Arc<PolicySource>,
) -> Result<Governor, Failure> {
    let mut governor = Governor::new(Arc::clone(agent), state, Arc::clone(policies))
        .map_err(|error| Failure::because("the life cycle cannot be read", &error))?;
    if let Err(error) = governor.look().await {
        tracing::warn!(%error, "settings are not carried out; tried again");
    }
    Ok(governor)
}
