//! B1: how fast records become durable and acknowledged, against the disk's own limit and other durable stores.
//!
//! It must not send what was not made ahead of time, and must not count what was not checked.

mod limit;
mod rsyslog;
mod sqlite;

use std::path::Path;
use std::time::Instant;

pub(crate) use self::sqlite::read_answer;

use anyhow::ensure;
use clap::ValueEnum;
use epm_event_log::{EmbeddedConfig, EmbeddedLog, EventLog, PartitionId};

use crate::Shared;
use crate::child::Server;
use crate::delivery::deliver;
use crate::figures::{Contender, Run, table};
use crate::place;
use crate::prepared::Prepared;
use crate::terminal::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    shared: Shared,
    /// Records of one run; they are made ahead of time and take about 900 bytes of memory each.
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Runs of every contender, in turn.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Rivals, besides the limit.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Rival::RsyslogSync, Rival::Rsyslog, Rival::Sqlite])]
    rival: Vec<Rival>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rival {
    /// rsyslog, imtcp to omfile with `sync="on"`.
    RsyslogSync,
    /// rsyslog as it comes, which does not sync.
    Rsyslog,
    /// SQLite in WAL mode with `synchronous=FULL`, without a network in front.
    Sqlite,
}

impl Rival {
    fn name(self) -> &'static str {
        match self {
            Self::RsyslogSync => "rsyslog, sync on",
            Self::Rsyslog => "rsyslog, not durable",
            Self::Sqlite => "SQLite FULL, no network",
        }
    }

    fn is_missing(self) -> Option<&'static str> {
        let program = match self {
            Self::RsyslogSync | Self::Rsyslog => rsyslog::PROGRAM,
            Self::Sqlite => sqlite::PROGRAM,
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path)
            .chain([Path::new("/usr/sbin").to_owned()])
            .map(|folder| folder.join(program));
        (!folders.any(|file| file.exists())).then_some(program)
    }

    async fn run(self, data: &Path, prepared: &Prepared, args: &Args) -> anyhow::Result<Run> {
        let connections = args.shared.connections;
        match self {
            Self::RsyslogSync => rsyslog::run(data, prepared, connections, true).await,
            Self::Rsyslog => rsyslog::run(data, prepared, connections, false).await,
            Self::Sqlite => sqlite::run(data, prepared, args.shared.batch).await,
        }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    place::introduce(&args.shared.dir);
    let prepared = Prepared::new(&args.shared, args.events, 1)?;
    let (events, bytes) = (prepared.events(), prepared.bytes());
    say(format_args!(
        "B1: {events} records of {} bytes, {} to a batch, {} connections, {} batches in flight each, {} runs in turn",
        bytes / events.max(1),
        args.shared.batch,
        args.shared.connections,
        args.shared.in_flight,
        args.repeats
    ));
    let mut ours = Contender::new("ours, durable before the acknowledgement");
    let mut limit = Contender::new("limit: CRC32C, write, fdatasync; one thread");
    let mut rivals = Vec::new();
    for rival in &args.rival {
        match rival.is_missing() {
            Some(program) => say(format_args!("missing: {} ({program})", rival.name())),
            None => rivals.push((*rival, Contender::new(rival.name()))),
        }
    }
    let folder = || place::folder(&args.shared.dir);
    for _ in 0..args.repeats {
        limit.runs.push(limit::run(
            folder()?.path(),
            &prepared,
            args.shared.in_flight,
        )?);
        ours.runs
            .push(ingest(folder()?.path(), &prepared, args.shared.in_flight).await?);
        for (rival, contender) in &mut rivals {
            let run = rival.run(folder()?.path(), &prepared, &args).await?;
            contender.runs.push(run);
        }
    }
    let mut all = vec![ours, limit];
    all.extend(rivals.into_iter().map(|(_, contender)| contender));
    table(&all);
    Ok(())
}

async fn ingest(data: &Path, prepared: &Prepared, in_flight: usize) -> anyhow::Result<Run> {
    let server = Server::start(data, false).await?;
    let before = (server.cpu()?, place::cpu_of("self")?);
    let began = Instant::now();
    let waits = deliver(&server.grpc, &prepared.streams, in_flight).await?;
    let wall = began.elapsed();
    let run = Run {
        events: prepared.events(),
        wall,
        cpu: server.cpu()?.saturating_sub(before.0),
        waits,
        peak_bytes: server.peak_bytes()?,
    };
    let generator = place::cpu_of("self")?.saturating_sub(before.1);
    say(format_args!(
        "ours: wall {:.2} s, server CPU {:.2} s, generator CPU {:.2} s",
        wall.as_secs_f64(),
        run.cpu.as_secs_f64(),
        generator.as_secs_f64()
    ));
    server.stop().await?;
    let log = EmbeddedLog::open(&data.join("log"), EmbeddedConfig::default())?;
    let mut held = 0;
    for partition in 0..log.partitions() {
        held += log.bounds(PartitionId(partition)).await?.end.0;
    }
    ensure!(
        held == prepared.events(),
        "the log holds {held} of {}",
        prepared.events()
    );
    Ok(run)
}
