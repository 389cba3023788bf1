//! `epm-agent run`: delivers and beats until a signal.

use tokio::signal::unix::{SignalKind, signal};

use super::failure::{ExitCode, Failure};
use super::{Place, terminal};
use crate::{Agent, AgentConfig};

pub(super) async fn run(place: Place) -> Result<(), Failure> {
    let state = place.state_dir()?;
    let failed = |error: std::io::Error| Failure::because("cannot listen for signals", &error);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let config = AgentConfig::new(&state, &place.collector);
    let agent = Agent::start(config).map_err(|error| Failure::of_agent(&state, &error))?;
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
    let stopped = tokio::select! {
        stopped = agent.stop() => stopped,
        _ = interrupts.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
        _ = terminations.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
    };
    let waiting = agent.status().await.waiting.records;
    terminal::say(format!("stopped; {waiting} records wait in the spool"));
    stopped.map_err(|error| Failure::of_agent(&state, &error))
}
