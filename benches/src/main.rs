//! `epm-bench`: measures the pipeline against what the machine can do at most, and against rivals, in one run.
//!
//! It must not judge a figure: it prints them, each with what was done to get it.

mod b1;
mod b2;
mod b5;
mod b6;
mod child;
mod delivery;
mod figures;
mod import;
mod place;
mod prepared;
mod stage;
mod terminal;
mod written;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Benchmarks of the pipeline, each with its limit and its rivals in the same run")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Durable-acknowledgement ingest: gRPC in, acknowledged after the sync.
    B1(b1::Args),
    /// End to end: gRPC in to a row in a committed Delta table.
    B2(b2::Args),
    /// What running a program as root costs its user: elevate, sudo and doas.
    B5(b5::Args),
    /// What an agent costs its device: with nothing to do, and with a log that grows.
    B6(b6::Args),
    /// A log of gigabytes through the agent's importer.
    Import(import::Args),
    /// The stages under test, in a process of their own so that their CPU time can be told from the generator's.
    #[command(hide = true)]
    Stage(stage::Args),
}

/// What every benchmark can be told.
#[derive(Clone, Debug, clap::Args)]
struct Shared {
    /// Folder for the data; a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Connections, each with one stream of one agent.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Records of one batch.
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Batches that a stream has sent and not seen acknowledged.
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
    /// Compress batches with zstd, as an agent does.
    #[arg(long)]
    zstd: bool,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match Cli::parse().command {
            Command::B1(args) => b1::run(args).await,
            Command::B2(args) => b2::run(args).await,
            Command::B5(args) => b5::run(args).await,
            Command::B6(args) => b6::run(args).await,
            Command::Import(args) => import::run(args).await,
            Command::Stage(args) => stage::run(args).await,
        }
    })
}
