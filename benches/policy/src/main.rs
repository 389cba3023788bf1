//! `epm-bench-policy`: B4, what a decision costs, ours beside Cedar, Rego and sudo with the same rules and launches.
//!
//! A rival is measured only after it answered as ours did. It must not judge a figure: it prints them, each with what was
//! done to get it.

mod cedar;
mod drawn;
mod figures;
mod load;
mod ours;
mod place;
mod rego;
mod sudo;
mod turns;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "What a decision costs, beside rivals with the same rules")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decisions of ours, Cedar and Rego in turn, after they agreed.
    Decide(turns::Args),
    /// What the rules cost a real sudo at each run; needs root.
    Sudo(sudo::Args),
    /// Loads one engine's rules in a process of its own and tells time and memory.
    #[command(hide = true)]
    Load(load::Args),
    /// Runs sudo where its sudoers are ours.
    #[command(hide = true)]
    SudoRuns(sudo::Inside),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Decide(args) => turns::run(&args),
        Command::Sudo(args) => sudo::run(&args),
        Command::Load(args) => load::run(&args),
        Command::SudoRuns(args) => sudo::inside(&args),
    }
}
