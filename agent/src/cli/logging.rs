//! Logging to standard error. Logs carry ids only; the level is the user's choice, else the command's.

use tracing_subscriber::filter::LevelFilter;

use super::{Cli, Command, LogLevel};

/// Starts logging. `run` and `follow` say what starts and stops; of the others the lines are the answer.
pub fn start(cli: &Cli) {
    let level = cli.place.log_level.unwrap_or(match cli.command {
        Command::Run(_) | Command::Follow(_) => LogLevel::Info,
        _ => LogLevel::Error,
    });
    let ours = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let others = ours.min(LevelFilter::WARN);
    let directives = format!("{others},epm_agent={ours}");
    // A second start, as tests in one process make it, keeps the first one's choice.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(directives))
        .with_writer(std::io::stderr)
        .with_ansi(super::terminal::is_watched())
        .try_init();
}
