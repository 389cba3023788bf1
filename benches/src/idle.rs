//! What an agent costs that has nothing to do: the real program, connected to a collector. It must not send anything.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::child::Server;
use crate::place;
use crate::terminal::say;

/// Start-up is over, and the first heartbeat sent.
const SETTLES: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the data.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The agent; where not given, the one beside this program.
    #[arg(long)]
    agent: Option<PathBuf>,
    /// How long to watch.
    #[arg(long, default_value_t = 50)]
    seconds: u64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    place::introduce(&args.dir);
    let beside = std::env::current_exe()?.with_file_name("epm-agent");
    let program = args.agent.unwrap_or(beside);
    if !program.exists() {
        say(format_args!("missing: {}", program.display()));
        return Ok(());
    }
    let folder = tempfile::Builder::new()
        .prefix("epm-bench-")
        .tempdir_in(&args.dir)?;
    let server = Server::start(folder.path(), false).await?;
    let mut agent = Command::new(&program)
        .arg("--collector")
        .arg(format!("http://{}", server.grpc))
        .arg("--state")
        .arg(folder.path().join("agent"))
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let process = agent.id().context("the agent ended")?.to_string();
    tokio::time::sleep(SETTLES).await;
    let (cpu, woken, began) = (
        place::cpu_of(&process)?,
        place::wakeups_of(&process)?,
        Instant::now(),
    );
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = place::cpu_of(&process)?.saturating_sub(cpu);
    let woken = place::wakeups_of(&process)?.saturating_sub(woken);
    let (resident, peak) = (
        place::memory_of(&process, "VmRSS:")?,
        place::memory_of(&process, "VmHWM:")?,
    );
    ensure!(agent.try_wait()?.is_none(), "the agent ended");
    say(format_args!(
        "idle agent over {seconds:.0} s: RSS {:.1} MB, most {:.1} MB, CPU {:.3} % of one core (to 10 ms), {:.1} wake-ups/s",
        resident as f64 / 1e6,
        peak as f64 / 1e6,
        100.0 * cpu.as_secs_f64() / seconds,
        woken as f64 / seconds,
    ));
    agent.start_kill()?;
    agent.wait().await?;
    server.stop().await
}
