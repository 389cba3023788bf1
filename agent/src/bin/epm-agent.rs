//! `epm-agent`: parses the command line, runs the command, ends with the documented exit code.

use std::process::ExitCode;

use clap::Parser;
use epm_agent::cli::{self, Cli};

fn main() -> ExitCode {
    let parsed = Cli::parse();
    cli::logging::start(&parsed);
    match cli::run(parsed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::terminal::complain(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}
