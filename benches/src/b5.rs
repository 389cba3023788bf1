//! B5: what it costs a user to run a program as root: `elevate /bin/true` against sudo and doas, as the same user, with few
//! rules and with many.
//!
//! All of it, the agent too, runs in a mount namespace of its own, where sudo's and doas's rules lie over the machine's. Every
//! run is checked: a program that was refused is not fast. It must not judge a figure.

mod rules;
mod runs;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::child::Server;
use crate::place;
use crate::terminal::say;

use runs::Runs;

/// How long the agent may take until it answers.
const STARTS: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the data; a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Folder with `epm-agent` and `elevate`; where not given, this program's.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// How many rules there are beside the one that is needed, once each.
    #[arg(long, value_delimiter = ',', default_value = "0,10000,100000")]
    rules: Vec<usize>,
    /// Warm runs of each contender, in turn.
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Runs of each after the system's caches were dropped.
    #[arg(long, default_value_t = 5)]
    cold_runs: usize,
    /// Set where this process has a mount namespace of its own.
    #[arg(long, hide = true)]
    alone: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        say("B5 needs root: it changes to another user and starts a broker");
        return Ok(());
    }
    if !args.alone {
        let error = Command::new("unshare")
            .arg("--mount")
            .arg(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .arg("--alone")
            .exec();
        return Err(error).context("unshare");
    }
    place::introduce(&args.dir);
    let in_folder = |name: &str| args.programs.as_ref().map(|folder| folder.join(name));
    let agent = place::program(in_folder("epm-agent").as_ref(), "epm-agent")?;
    let elevate = place::program(in_folder("elevate").as_ref(), "elevate")?;
    let Some((agent, elevate)) = agent.zip(elevate) else {
        return Ok(());
    };
    say(
        "| rules | caches | contender | wall ms p50 (p5-p95) | more than /bin/true, ms | CPU ms a run | elevate/it wall | elevate/it CPU |",
    );
    say("|---|---|---|---|---|---|---|---|");
    for rules in &args.rules {
        one(&args, &agent, &elevate, *rules).await?;
    }
    Ok(())
}

async fn one(args: &Args, program: &Path, built: &Path, rules: usize) -> anyhow::Result<()> {
    let folder = place::folder(&args.dir)?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    rules::write(folder.path(), rules)?;
    // The user has to reach the program wherever it was built.
    let elevate = folder.path().join("elevate");
    std::fs::copy(built, &elevate)?;
    let server = Server::start(&folder.path().join("server"), false).await?;
    let socket = folder.path().join("elevate.sock");
    let mut agent = tokio::process::Command::new(program)
        .arg("--collector")
        .arg(format!("http://{}", server.grpc))
        .arg("--state")
        .arg(folder.path().join("agent"))
        .args(["run", "--sudo-log-server", "off", "--policy"])
        .arg(folder.path().join("policies.json"))
        .arg("--socket")
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let began = Instant::now();
    while !socket.exists() {
        ensure!(began.elapsed() < STARTS, "no agent answers");
        ensure!(agent.try_wait()?.is_none(), "the agent ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let process = agent.id().context("the agent ended")?.to_string();
    let covers = cover(folder.path())?;
    let runs = Runs {
        rules,
        warm: args.runs,
        cold: args.cold_runs,
        agent: process.clone(),
        elevate,
        socket,
    };
    tokio::task::spawn_blocking(move || runs.make()).await??;
    for of in covers {
        must(Command::new("umount").arg(of))?;
    }
    let most = place::peak_of(&process)?;
    say(format_args!(
        "| {rules} | | the agent's peak RSS {:.1} MB | | | | | |",
        most as f64 / 1e6
    ));
    agent.start_kill()?;
    agent.wait().await?;
    server.stop().await
}

/// Lays the rules that were written into `folder` over the machine's, and says over which. A file that is not there cannot be
/// covered: without doas there is no `doas.conf`.
fn cover(folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    let pairs = [("sudoers", "/etc/sudoers"), ("doas.conf", "/etc/doas.conf")];
    let covers = pairs.into_iter().filter(|(_, of)| Path::new(of).exists());
    covers
        .map(|(over, of)| {
            let mount = ["--bind", &folder.join(over).to_string_lossy(), of].map(str::to_owned);
            must(Command::new("mount").args(mount))?;
            Ok(of)
        })
        .collect()
}

fn must(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
