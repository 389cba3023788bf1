//! `epm-agent run`: delivers, beats, hears sudo and answers `elevate` until a signal.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::{ExitCode, Failure};
use super::{Place, RunArgs, followed_logs, sudo_log_server, terminal};
use crate::broker::{Broker, BrokerConfig};
use crate::live::{self, Setup};
use crate::{Agent, AgentConfig};

pub(super) async fn run(
    place: Place,
    args: RunArgs,
    broker: Option<BrokerConfig>,
) -> Result<(), Failure> {
    let sudo = sudo_log_server::configured(&args)?;
    let logs = followed_logs::configured(&args)?;
    let state = place.state_dir()?;
    let failed = |error: std::io::Error| Failure::because("cannot listen for signals", &error);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let config = AgentConfig::new(&state, &place.collector);
    let agent = Agent::start(config).map_err(|error| Failure::of_agent(&state, &error))?;
    let agent = Arc::new(agent);
    let stop = CancellationToken::new();
    let sensor = sudo.map(|sudo| tokio::spawn(sudo.run(Arc::clone(&agent), stop.clone())));
    let logs =
        logs.map(|logs| tokio::spawn(logs.run(Arc::clone(&agent), state.clone(), stop.clone())));
    let broker = match broker {
        Some(config) => Some(Broker::open(config, Arc::clone(&agent)).map_err(|error| {
            let what = format!("cannot listen for elevate at {}", args.socket.display());
            Failure::because(&what, &error)
        })?),
        None => None,
    };
    let broker = broker.map(|broker| tokio::spawn(broker.serve(stop.clone())));
    let setup = Setup {
        collector: place.collector.clone(),
        policy: args.policy.clone(),
        certificate: args.sudo_log_server_cert.clone(),
        follow: args.follow.clone(),
    };
    let telling = live::keep(Arc::clone(&agent), state.clone(), setup, stop.clone());
    let telling = tokio::spawn(telling);
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
        if let Some(sensor) = sensor {
            let _ = sensor.await;
        }
        if let Some(logs) = logs {
            let _ = logs.await;
        }
        if let Some(broker) = broker {
            let _ = broker.await;
        }
        let _ = telling.await;
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
