//! The server binary's parts: the command line, every role alone or all in one process, and the demo.
//!
//! Stages are composed here and nowhere else. It must not hold logic that belongs to a stage.

pub mod cli;
pub mod control;
pub mod data_folder;
mod demo;
pub mod event_log;
pub mod failure;
mod fleet;
pub mod listeners;
pub mod logging;
mod report;
mod roles;
mod server;
pub mod signals;
mod stores;
pub mod terminal;

use cli::Command;

/// Runs one command to its end.
///
/// # Errors
/// [`failure::Failure`] with the exit code and the remedy.
pub fn run(command: Command) -> Result<(), failure::Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failure::Failure::because("the runtime cannot start", &error))?;
    runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::demo(args).await,
            Command::Serve(args) => roles::serve(args).await,
            Command::Collector(args) => roles::collect(args).await,
            Command::Processor(args) => roles::process(args).await,
            Command::QueryApi(args) => roles::query(args).await,
            Command::Report(args) => report::report(args).await,
            Command::Token(args) => control::token(args).await,
            Command::Verify(args) => stores::verify(args).await,
            Command::Rebuild(args) => stores::rebuild(args).await,
        }
    })
}
