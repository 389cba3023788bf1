//! The runs themselves, where the rules lie that were written for them.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::rules::{PROGRAM, USER};
use crate::place;
use crate::terminal::say;

/// Runs of a contender before it is the next one's turn. The system tells CPU time in steps of 10 ms, so that of a single
/// run cannot be told.
const RUNS_OF_A_TURN: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Inside {
    #[arg(long)]
    rules: usize,
    #[arg(long)]
    runs: usize,
    #[arg(long)]
    cold_runs: usize,
    /// Process of the agent.
    #[arg(long)]
    agent: String,
    #[arg(long)]
    elevate: PathBuf,
    #[arg(long)]
    socket: PathBuf,
}

/// One way to run the program.
struct Contender {
    name: &'static str,
    command: Vec<String>,
    /// Whose CPU time counts beside that of the processes that were started.
    helper: Option<String>,
    walls: Vec<Duration>,
    cpu: Duration,
}

pub(crate) fn inside(args: &Inside) -> anyhow::Result<()> {
    let of = |name, words: &[&str], helper: Option<&str>| Contender {
        name,
        command: words.iter().map(|&word| word.to_owned()).collect(),
        helper: helper.map(str::to_owned),
        walls: Vec::new(),
        cpu: Duration::ZERO,
    };
    let elevate = args.elevate.to_string_lossy();
    let make = || {
        let mut contenders = vec![
            of("/bin/true, as the user", &[PROGRAM], None),
            of("elevate", &[&elevate, PROGRAM], Some(&args.agent)),
        ];
        for (name, words) in [
            ("sudo", ["/usr/bin/sudo", "-n", PROGRAM]),
            ("doas", ["/usr/bin/doas", "-n", PROGRAM]),
        ] {
            match Path::new(words[0]).exists() {
                true => contenders.push(of(name, &words, None)),
                false => say(format_args!("missing: {}", words[0])),
            }
        }
        contenders
    };
    if may_drop_caches() {
        let mut cold = make();
        for _ in 0..args.cold_runs {
            for contender in &mut cold {
                drop_caches()?;
                turn(contender, 1, &args.socket)?;
            }
        }
        table(args.rules, "cold", &cold);
    } else {
        say("the system's caches cannot be dropped here: no cold runs");
    }
    let mut warm = make();
    for contender in &mut make() {
        // What is not yet in a cache must not count.
        turn(contender, RUNS_OF_A_TURN, &args.socket)?;
    }
    for _ in 0..args.runs.div_ceil(RUNS_OF_A_TURN) {
        for contender in &mut warm {
            turn(contender, RUNS_OF_A_TURN, &args.socket)?;
        }
    }
    table(args.rules, "warm", &warm);
    Ok(())
}

fn turn(contender: &mut Contender, runs: usize, socket: &Path) -> anyhow::Result<()> {
    let cpu = |contender: &Contender| {
        let helper = contender.helper.as_deref();
        let helper = helper.map_or(Ok(Duration::ZERO), place::cpu_of_family)?;
        anyhow::Ok(place::cpu_of_children()? + helper)
    };
    let before = cpu(contender)?;
    for _ in 0..runs {
        once(contender, socket)?;
    }
    contender.cpu += cpu(contender)?.saturating_sub(before);
    Ok(())
}

fn once(contender: &mut Contender, socket: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(&contender.command[0]);
    command
        .args(&contender.command[1..])
        .env("EPM_SOCKET", socket)
        .uid(USER)
        .gid(USER)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output()?;
    contender.walls.push(began.elapsed());
    ensure!(
        output.status.success(),
        "{}: {}: {}",
        contender.name,
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn may_drop_caches() -> bool {
    drop_caches().is_ok()
}

fn drop_caches() -> std::io::Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3")
}

fn table(rules: usize, caches: &str, contenders: &[Contender]) {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let at = |contender: &Contender, part: f64| {
        let mut walls = contender.walls.clone();
        ms(crate::figures::quantile(&mut walls, part))
    };
    let cpu = |contender: &Contender| ms(contender.cpu) / contender.walls.len().max(1) as f64;
    let [floor, ours, ..] = contenders else {
        return;
    };
    for contender in contenders {
        say(format_args!(
            "| {rules} | {caches} | {} | {:.2} ({:.2}-{:.2}) | {:.2} | {:.2} | {:.2} | {:.2} |",
            contender.name,
            at(contender, 0.5),
            at(contender, 0.05),
            at(contender, 0.95),
            at(contender, 0.5) - at(floor, 0.5),
            cpu(contender),
            at(ours, 0.5) / at(contender, 0.5),
            cpu(ours) / cpu(contender),
        ));
    }
}
