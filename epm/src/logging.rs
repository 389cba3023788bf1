//! Logging to stderr. Logs carry ids only; the level is the user's choice, else the command's.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Command, LogLevel};

/// Starts logging for `command`. Long-running roles say what starts and stops; the demo and one-off commands say only
/// what an operator should look at, because their own lines are the output.
pub fn start(command: &Command, chosen: Option<LogLevel>) {
    let level = chosen.unwrap_or(match command {
        Command::Serve(_)
        | Command::Collector(_)
        | Command::Processor(_)
        | Command::QueryApi(_) => LogLevel::Info,
        Command::Demo(_) => LogLevel::Error,
        Command::Report(_) | Command::Token(_) | Command::Verify(_) | Command::Rebuild(_) => {
            LogLevel::Warn
        }
    });
    // The table engine logs each commit at info, which is noise beside our own lines.
    let ours = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let others = ours.min(LevelFilter::WARN);
    // Its kernel calls a table that does not exist yet an error; we make it and say so where it matters.
    let mut directives = format!("{others},buoyant_kernel=off,delta_kernel=off");
    for name in [
        "epm",
        "epm_agent",
        "epm_collector",
        "epm_event_log",
        "epm_processor",
        "epm_query_api",
        "epm_tables",
    ] {
        directives.push_str(&format!(",{name}={ours}"));
    }
    // A second start, as tests in one process make it, keeps the first one's choice.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        // Colours are for people, not for files and pipes.
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true)
        .try_init();
}
