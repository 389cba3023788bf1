//! B2: how fast a record becomes a row that a reader sees, against the tables' own limit and a Python writer.
//!
//! It must not count a row that it did not find in the table afterwards, each id once.

mod freshness;
mod limit;
mod python;

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use arrow::array::AsArray as _;
use epm_tables::schema::{ELEVATIONS_TABLE, USAGE_TABLE};
use epm_tables::write::TableWriter;
use url::Url;

use crate::Shared;
use crate::child::Server;
use crate::delivery::deliver;
use crate::figures::{Contender, Run, table};
use crate::place;
use crate::prepared::Prepared;
use crate::terminal::say;

/// Longer than this, and the run has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at the server's metrics; a look costs the server some 50 microseconds.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    shared: Shared,
    /// Records of one run; they are made ahead of time.
    #[arg(long, default_value_t = 500_000)]
    events: usize,
    /// Runs of every contender, in turn.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Python with deltalake and pyarrow, for the rival.
    #[arg(long, env = "EPM_TEST_PYTHON", default_value = "python3")]
    python: String,
    /// Records per second while freshness is measured.
    #[arg(long, default_value_t = 20_000)]
    rate: usize,
    /// How long freshness is measured.
    #[arg(long, default_value_t = 15)]
    freshness_seconds: usize,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    place::introduce(&args.shared.dir);
    let prepared = Prepared::new(&args.shared, args.events, 2)?;
    say(format_args!(
        "B2: {} records of {} bytes, {} to a batch, {} connections, {} runs in turn",
        prepared.events(),
        prepared.bytes() / prepared.events().max(1),
        args.shared.batch,
        args.shared.connections,
        args.repeats
    ));
    let folder = || place::folder(&args.shared.dir);
    let mut ours = Contender::new("ours, gRPC to Delta row");
    let mut limit = Contender::new("limit: decode, rows, Delta commits; one thread");
    let mut rival = Contender::new("pyarrow + deltalake from JSON lines");
    let lines = limit::json_lines(&prepared)?;
    let has_rival = python::is_there(&args.python).await;
    if !has_rival {
        say(format_args!(
            "missing: {} ({} has no deltalake)",
            rival.name, args.python
        ));
    }
    for _ in 0..args.repeats {
        limit
            .runs
            .push(limit::run(folder()?.path(), &prepared).await?);
        ours.runs
            .push(to_rows(folder()?.path(), &prepared, args.shared.in_flight).await?);
        if has_rival {
            let data = folder()?;
            let run = python::run(data.path(), &args.python, &lines, prepared.events());
            rival.runs.push(run.await?);
        }
    }
    let mut all = vec![ours, limit];
    all.extend(has_rival.then_some(rival));
    table(&all);
    freshness::run(folder()?.path(), &args).await
}

async fn to_rows(data: &Path, prepared: &Prepared, in_flight: usize) -> anyhow::Result<Run> {
    let server = Server::start(data, true).await?;
    let before = server.cpu()?;
    let began = Instant::now();
    let waits = deliver(&server.grpc, &prepared.streams, in_flight).await?;
    let acknowledged = began.elapsed();
    wait_for_rows(&server, prepared.events()).await?;
    let run = Run {
        events: prepared.events(),
        wall: began.elapsed(),
        cpu: server.cpu()?.saturating_sub(before),
        waits,
        peak_bytes: server.peak_bytes()?,
    };
    say(format_args!(
        "ours: all acknowledged after {:.2} s, all visible after {:.2} s, server CPU {:.2} s",
        acknowledged.as_secs_f64(),
        run.wall.as_secs_f64(),
        run.cpu.as_secs_f64()
    ));
    server.stop().await?;
    check_rows(&data.join("tables"), prepared.events()).await?;
    Ok(run)
}

/// Until every table has applied `entries` of the log.
async fn wait_for_rows(server: &Server, entries: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    while server.metric("epm_processor_position").await? < entries {
        ensure!(
            began.elapsed() < PATIENCE,
            "the rows did not become visible"
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The table holds so many rows, and no id twice.
async fn check_rows(tables: &Path, expected: u64) -> anyhow::Result<()> {
    let table = TableWriter::open(&address(tables)?, ELEVATIONS_TABLE).await?;
    let mut ids = HashSet::new();
    let mut rows = 0;
    for file in table.files() {
        let held = table.read_file(file, Some(&["event_id"])).await?;
        rows += held.num_rows() as u64;
        let column = held.column_by_name("event_id").context("no event ids")?;
        ids.extend(
            column
                .as_string::<i32>()
                .iter()
                .filter_map(|id| Some(id?.parse::<uuid::Uuid>().ok()?.as_u128())),
        );
    }
    ensure!(
        rows == expected && ids.len() as u64 == expected,
        "{rows} rows and {} ids of {expected}",
        ids.len()
    );
    // Daily counts are written anew with every commit, so their number matters.
    let usage = TableWriter::open(&address(tables)?, USAGE_TABLE).await?;
    let counts: u64 = usage.files().map(|file| file.rows).sum();
    say(format_args!("ours: {rows} rows, {counts} daily counts"));
    Ok(())
}

fn address(folder: &Path) -> anyhow::Result<Url> {
    Url::from_directory_path(folder)
        .ok()
        .context("the folder has no address")
}
