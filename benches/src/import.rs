//! A log of gigabytes through `epm-agent import`: rate per core, and whether memory stays flat.
//!
//! The log is written beforehand and lies on a disk; what the agent counted is compared with what was written. It must not
//! judge a figure.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::child::Server;
use crate::place;
use crate::terminal::say;
use crate::written::{Format, Written};

/// How often memory and progress are looked at.
const LOOKS: Duration = Duration::from_millis(100);
/// Shares of the log, in hundredths, at which resident memory is told.
const AT: [u64; 4] = [10, 40, 70, 95];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the log and the data; a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The agent; where not given, the one beside this program.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// Size of the log, MiB.
    #[arg(long, default_value_t = 5 * 1024)]
    mib: u64,
    /// What the log is.
    #[arg(long, value_enum, default_values_t = [Format::AuthLog, Format::WindowsJson])]
    format: Vec<Format>,
    /// Lines of which one is an elevation.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// Also deliver it to a whole server, and count what the tables hold.
    #[arg(long)]
    deliver: bool,
}

/// What one run of a program cost.
struct Cost {
    wall: Duration,
    cpu: Duration,
    peak_bytes: u64,
    /// Resident memory at each of [`AT`], in bytes.
    resident: Vec<u64>,
    output: String,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    place::introduce(&args.dir);
    let Some(agent) = place::program(args.agent.as_ref(), "epm-agent")? else {
        return Ok(());
    };
    say(
        "| log | program | MB/s | MB/CPU-s | k lines/CPU-s | CPU, it/wc | peak RSS MB | RSS MB at 10, 40, 70, 95 % |",
    );
    say("|---|---|---|---|---|---|---|---|");
    for format in &args.format {
        one(&args, &agent, *format).await?;
    }
    Ok(())
}

async fn one(args: &Args, agent: &Path, format: Format) -> anyhow::Result<()> {
    let folder = place::folder(&args.dir)?;
    let log = folder.path().join("generated.log");
    let written = Written::create(&log, format, args.mib << 20, args.every)?;
    // The limit: a program that only looks for the ends of lines.
    let lines = measure(Command::new("wc").arg("-l").arg(&log), written.bytes)?;
    row(format, "limit: wc -l", &written, &lines, &lines);
    let dry = measure(
        Command::new(agent)
            .args(["import", "--dry-run", "--summary", "json"])
            .arg(&log),
        written.bytes,
    )?;
    written.check(&dry.output)?;
    row(format, "dry run", &written, &dry, &lines);
    if !args.deliver {
        return Ok(());
    }
    let server = Server::start(folder.path(), true).await?;
    let before = server.cpu()?;
    let mut import = Command::new(agent);
    import
        .args(["import", "--summary", "json", "--collector"])
        .arg(format!("http://{}", server.grpc))
        .arg("--state")
        .arg(folder.path().join("agent"))
        .arg(&log);
    let bytes = written.bytes;
    let delivered = tokio::task::spawn_blocking(move || measure(&mut import, bytes)).await??;
    written.check(&delivered.output)?;
    row(format, "delivered", &written, &delivered, &lines);
    let stored = server.metric("epm_collector_stored_total").await?;
    say(format_args!(
        "| | server | {} k records appended of {} k written, CPU {:.0} s, peak RSS {} MB | | | | | |",
        stored / 1000,
        written.elevations / 1000,
        server.cpu()?.saturating_sub(before).as_secs_f64(),
        server.peak_bytes()? >> 20,
    ));
    server.stop().await
}

/// Runs a program that reads `bytes`, and looks at it as it does.
fn measure(command: &mut Command, bytes: u64) -> anyhow::Result<Cost> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let process = child.id().to_string();
    let mut cost = Cost {
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
        peak_bytes: 0,
        resident: Vec::new(),
        output: String::new(),
    };
    // The figures of a process that ended are gone, so the last look before stands.
    while child.try_wait()?.is_none() {
        cost.cpu = place::cpu_of(&process).unwrap_or(cost.cpu).max(cost.cpu);
        cost.peak_bytes = cost.peak_bytes.max(place::peak_of(&process).unwrap_or(0));
        let read = place::read_by(&process).unwrap_or(0);
        let next = AT.get(cost.resident.len());
        if next.is_some_and(|share| read >= bytes / 100 * share) {
            let resident = place::memory_of(&process, "VmRSS:").unwrap_or(0);
            cost.resident.push(resident);
        }
        std::thread::sleep(LOOKS);
    }
    cost.wall = began.elapsed();
    let ended = child.wait_with_output()?;
    ensure!(
        ended.status.success(),
        "{command:?} ended with {}",
        ended.status
    );
    cost.output = String::from_utf8_lossy(&ended.stdout).into_owned();
    Ok(cost)
}

fn row(format: Format, program: &str, written: &Written, cost: &Cost, limit: &Cost) {
    let megabytes = written.bytes as f64 / 1e6;
    let cpu = cost.cpu.as_secs_f64().max(0.01);
    let resident: Vec<String> = cost
        .resident
        .iter()
        .map(|bytes| format!("{:.1}", *bytes as f64 / 1e6))
        .collect();
    say(format_args!(
        "| {}, {:.0} MB, {} k elevations | {program} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {} |",
        format.name(),
        megabytes,
        written.elevations / 1000,
        megabytes / cost.wall.as_secs_f64(),
        megabytes / cpu,
        written.lines as f64 / 1000.0 / cpu,
        cpu / limit.cpu.as_secs_f64().max(0.01),
        cost.peak_bytes as f64 / 1e6,
        resident.join(", "),
    ));
}
