//! The server binary's parts: the command line, every role alone or all in one process, and the demo.
//!
//! Stages are composed here and nowhere else. It must not hold logic that belongs to a stage.

pub mod cli;
pub mod data_folder;
pub mod failure;
pub mod listeners;
pub mod logging;
pub mod signals;
pub mod terminal;

/// Runs one command to its end.
///
/// # Errors
/// [`failure::Failure`] with the exit code and the remedy.
pub fn run(command: cli::Command) -> Result<(), failure::Failure> {
    let _ = command;
    Ok(())
}
