//! `epm`: parses the command line, runs the command, ends with the documented exit code.

use std::process::ExitCode;

use clap::Parser;
use epm::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    epm::logging::start(&cli.command, cli.log_level);
    match epm::run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            epm::terminal::complain(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}
