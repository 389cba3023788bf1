//! Turns signals into an orderly stop: the first asks for one, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{ExitCode, Failure};

/// A token that is cancelled by the first SIGINT or SIGTERM. After that a second one ends the process with
/// [`ExitCode::StoppedAtOnce`]; what was acknowledged is on disk either way.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let failed = |error: std::io::Error| Failure::because("cannot listen for signals", &error);
    let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        next(&mut interrupts, &mut terminations).await;
        asked.cancel();
        next(&mut interrupts, &mut terminations).await;
        std::process::exit(ExitCode::StoppedAtOnce as i32);
    });
    Ok(stop)
}

async fn next(interrupts: &mut Signal, terminations: &mut Signal) {
    tokio::select! {
        _ = interrupts.recv() => {}
        _ = terminations.recv() => {}
    }
}
