//! `epm-agent follow`: an agent that follows logs and folders until a signal.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::{ExitCode, Failure};
use super::import::zone;
use super::{FollowArgs, Place, summary_text, terminal};
use crate::follow::{self, FollowOptions, Follower, MAX_PATHS};
use crate::spool::{SpoolLimits, WhenFull};
use crate::{Agent, AgentConfig};

pub(super) async fn follow(place: Place, args: FollowArgs) -> Result<(), Failure> {
    let options = options(args)?;
    let state = place.state_dir()?;
    let failed = |error: std::io::Error| Failure::because("cannot listen for signals", &error);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let config = AgentConfig {
        // A log that waits to be read is safe where it is.
        spool: SpoolLimits {
            when_full: WhenFull::Refuse,
            ..SpoolLimits::default()
        },
        ..AgentConfig::new(&state, &place.collector)
    };
    let agent = Agent::start(config).map_err(|error| Failure::of_agent(&state, &error))?;
    let agent = Arc::new(agent);
    let follower = Follower::open(&state, options)
        .map_err(|error| Failure::because("the bookmark cannot be read", &error))?;
    terminal::say(format!(
        "agent {} follows; state in {}, collector {}; Ctrl-C ends it",
        agent.agent_id(),
        state.display(),
        place.collector
    ));
    let stop = CancellationToken::new();
    let following = follow::run(Arc::clone(&agent), follower, stop.clone(), terminal::say);
    tokio::pin!(following);
    let done = tokio::select! {
        done = &mut following => done,
        _ = interrupts.recv() => ended(&mut following, &stop, &mut interrupts, &mut terminations).await,
        _ = terminations.recv() => ended(&mut following, &stop, &mut interrupts, &mut terminations).await,
    };
    let stopped = tokio::select! {
        stopped = agent.stop() => stopped,
        _ = interrupts.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
        _ = terminations.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
    };
    let waiting = agent.status().await.waiting.records;
    terminal::say(format!("stopped; {waiting} records wait in the spool"));
    let follower = done.map_err(|error| Failure::because("following ended", &error))?;
    stopped.map_err(|error| Failure::of_agent(&state, &error))?;
    for summary in follower.summaries() {
        terminal::say(summary_text::text(&summary));
    }
    all_read(&follower)
}

/// Asks to stop and waits for it; another signal ends the process at once.
async fn ended<T>(
    following: impl Future<Output = T>,
    stop: &CancellationToken,
    interrupts: &mut tokio::signal::unix::Signal,
    terminations: &mut tokio::signal::unix::Signal,
) -> T {
    stop.cancel();
    tokio::select! {
        done = following => done,
        _ = interrupts.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
        _ = terminations.recv() => std::process::exit(ExitCode::StoppedAtOnce as i32),
    }
}

pub(super) fn options(args: FollowArgs) -> Result<FollowOptions, Failure> {
    if args.paths.len() > MAX_PATHS {
        return Err(Failure::new(
            ExitCode::Usage,
            format!(
                "{} paths; at most {MAX_PATHS} are followed",
                args.paths.len()
            ),
            "Name a folder instead of the files in it.",
        ));
    }
    Ok(FollowOptions {
        zone: zone(args.zone.as_deref())?.unwrap_or_else(jiff::tz::TimeZone::system),
        paths: args.paths,
        poll: args.poll,
    })
}

fn all_read(follower: &Follower) -> Result<(), Failure> {
    let failing = follower.failing();
    let line = |(path, why): (&PathBuf, &String)| format!("{}: {why}", path.display());
    match failing.iter().next() {
        None => Ok(()),
        Some(first) => Err(Failure::new(
            ExitCode::File,
            format!(
                "{} of the followed files cannot be read: {}",
                failing.len(),
                line(first)
            ),
            "",
        )),
    }
}
