//! The runs themselves, where the rules lie that were written for them. It must not write any.

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

/// What is to be run.
#[derive(Debug)]
pub(super) struct Runs {
    pub(super) rules: usize,
    pub(super) warm: usize,
    pub(super) cold: usize,
    /// Process of the agent.
    pub(super) agent: String,
    pub(super) elevate: PathBuf,
    pub(super) socket: PathBuf,
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

impl Runs {
    /// Makes them, and prints what they cost.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        if drop_caches().is_ok() {
            let mut cold = self.contenders();
            for _ in 0..self.cold {
                for contender in &mut cold {
                    drop_caches()?;
                    turn(contender, 1, &self.socket)?;
                }
            }
            table(self.rules, "cold", &cold);
        } else {
            say("the system's caches cannot be dropped here: no cold runs");
        }
        for contender in &mut self.contenders() {
            // What is not yet in a cache must not count.
            turn(contender, RUNS_OF_A_TURN, &self.socket)?;
        }
        let mut warm = self.contenders();
        for _ in 0..self.warm.div_ceil(RUNS_OF_A_TURN) {
            for contender in &mut warm {
                turn(contender, RUNS_OF_A_TURN, &self.socket)?;
            }
        }
        table(self.rules, "warm", &warm);
        Ok(())
    }

    fn contenders(&self) -> Vec<Contender> {
        let of = |name, words: &[&str], helper: Option<&str>| Contender {
            name,
            command: words.iter().map(|&word| word.to_owned()).collect(),
            helper: helper.map(str::to_owned),
            walls: Vec::new(),
            cpu: Duration::ZERO,
        };
        let elevate = self.elevate.to_string_lossy();
        let mut contenders = vec![
            of("/bin/true, as the user", &[PROGRAM], None),
            of("elevate", &[&elevate, PROGRAM], Some(&self.agent)),
        ];
        for (name, words, needs) in [
            ("sudo", ["/usr/bin/sudo", "-n", PROGRAM], "/etc/sudoers"),
            ("doas", ["/usr/bin/doas", "-n", PROGRAM], "/etc/doas.conf"),
        ] {
            match [words[0], needs]
                .iter()
                .all(|path| Path::new(path).exists())
            {
                true => contenders.push(of(name, &words, None)),
                false => say(format_args!("missing: {} with {needs}", words[0])),
            }
        }
        contenders
    }
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
