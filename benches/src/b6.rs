//! B6: what an agent costs its device: the real program, connected to a collector, with nothing to do and with a log that
//! grows, every line an elevation. What it delivered is compared with what was written.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

use crate::child::Server;
use crate::place;
use crate::terminal::say;
use crate::written::auth_log;

/// Start-up is over, and the first heartbeat sent.
const SETTLES: Duration = Duration::from_secs(5);
/// How often lines are written.
const WRITES: Duration = Duration::from_millis(100);
/// How long the agent may take to deliver what was written last.
const DRAINS: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the data.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The agent; where not given, the one beside this program.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// How long to watch each.
    #[arg(long, default_value_t = 50)]
    seconds: u64,
    /// Elevations a second, once each; 0 is an agent with nothing to do.
    #[arg(long, value_delimiter = ',', default_value = "0,10,1000")]
    rates: Vec<u64>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    place::introduce(&args.dir);
    let Some(program) = place::program(args.agent.as_ref(), "epm-agent")? else {
        return Ok(());
    };
    say(
        "| elevations/s | RSS MB | most, MB | CPU, % of a core (to 10 ms) | wake-ups/s | delivered |",
    );
    say("|---|---|---|---|---|---|");
    for rate in &args.rates {
        one(&args, &program, *rate).await?;
    }
    Ok(())
}

async fn one(args: &Args, program: &Path, rate: u64) -> anyhow::Result<()> {
    let folder = place::folder(&args.dir)?;
    // Whole, because only then there is somebody to ask for metrics.
    let server = Server::start(folder.path(), true).await?;
    let path = folder.path().join("auth.log");
    let mut log = File::create(&path)?;
    let mut agent = start(program, folder.path(), &server.grpc, &path)?;
    let process = agent.id().context("the agent ended")?.to_string();
    tokio::time::sleep(SETTLES).await;
    let stored = server.metric("epm_collector_stored_total").await?;
    let (cpu, woken, began) = (
        place::cpu_of(&process)?,
        place::wakeups_of(&process)?,
        Instant::now(),
    );
    let written = write(&mut log, rate, Duration::from_secs(args.seconds)).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = place::cpu_of(&process)?.saturating_sub(cpu);
    let woken = place::wakeups_of(&process)?.saturating_sub(woken);
    let (resident, peak) = (
        place::memory_of(&process, "VmRSS:")?,
        place::memory_of(&process, "VmHWM:")?,
    );
    ensure!(agent.try_wait()?.is_none(), "the agent ended");
    let delivered = drained(&server, stored, written).await?;
    say(format_args!(
        "| {rate} | {:.1} | {:.1} | {:.3} | {:.1} | {delivered} of {written} |",
        resident as f64 / 1e6,
        peak as f64 / 1e6,
        100.0 * cpu.as_secs_f64() / seconds,
        woken as f64 / seconds,
    ));
    agent.start_kill()?;
    agent.wait().await?;
    server.stop().await
}

fn start(program: &Path, folder: &Path, collector: &str, log: &Path) -> anyhow::Result<Child> {
    Ok(Command::new(program)
        .arg("--collector")
        .arg(format!("http://{collector}"))
        .arg("--state")
        .arg(folder.join("agent"))
        .args(["run", "--sudo-log-server", "off", "--follow-log"])
        .arg(log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?)
}

/// Writes so many lines a second for so long; how many.
async fn write(log: &mut File, rate: u64, lasts: Duration) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut written = 0;
    let mut lines = Vec::new();
    while began.elapsed() < lasts {
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        lines.clear();
        while written < due {
            auth_log(&mut lines, written, true)?;
            written += 1;
        }
        log.write_all(&lines)?;
        tokio::time::sleep(if rate == 0 { lasts } else { WRITES }).await;
    }
    Ok(written)
}

/// Elevations that the collector stored since it had stored `before`. Heartbeats are records as well, so there may be a
/// few more than were written.
async fn drained(server: &Server, before: u64, written: u64) -> anyhow::Result<u64> {
    let began = Instant::now();
    loop {
        let stored = server.metric("epm_collector_stored_total").await? - before;
        if stored >= written || began.elapsed() > DRAINS {
            return Ok(stored.min(written));
        }
        tokio::time::sleep(WRITES).await;
    }
}
