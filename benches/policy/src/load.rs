//! What CPU time the rules take to be ready, and what memory they then hold: each engine in a process of its own, so that no
//! other's memory is counted. The texts are made before, and not counted either.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::resource::UsageWho;

use crate::drawn::World;
use crate::figures::Spread;
use crate::place::{cpu, resident_bytes, say};
use crate::{cedar, ours, rego};

/// Who loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    Ours,
    Cedar,
    Rego,
}

impl Engine {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Cedar, Self::Rego];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Cedar => "cedar",
            Self::Rego => "rego",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Who loads.
    #[arg(long)]
    engine: Engine,
    /// How many rules.
    #[arg(long)]
    rules: usize,
}

/// Loads once and prints milliseconds and bytes.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let world = World::draw(args.rules, 0);
    let text = match args.engine {
        Engine::Ours => ours::text(&world)?,
        Engine::Cedar => cedar::text(&world)?,
        Engine::Rego => rego::text(&world)?,
    };
    drop(world);
    let before = resident_bytes();
    let start = cpu(UsageWho::RUSAGE_SELF)?;
    let (took, after) = match args.engine {
        Engine::Ours => held(start, ours::load(&text)?)?,
        Engine::Cedar => held(start, cedar::load(&text)?)?,
        Engine::Rego => held(start, rego::load(&text)?)?,
    };
    say(format_args!("{took} {}", after.saturating_sub(before)));
    Ok(())
}

/// Milliseconds of CPU time that it took to load, and resident memory while it is there.
fn held<T>(start: Duration, loaded: T) -> anyhow::Result<(f64, u64)> {
    let took = (cpu(UsageWho::RUSAGE_SELF)? - start).as_secs_f64() * 1e3;
    let after = resident_bytes();
    drop(loaded);
    Ok((took, after))
}

/// Milliseconds and bytes for each rule of several loads.
pub(crate) fn measure(
    engine: Engine,
    rules: usize,
    times: usize,
) -> anyhow::Result<(Spread, Spread)> {
    let mut took = Vec::new();
    let mut bytes = Vec::new();
    for _ in 0..times {
        let output = Command::new(std::env::current_exe()?)
            .args([
                "load",
                "--engine",
                engine.word(),
                "--rules",
                &rules.to_string(),
            ])
            .output()?;
        ensure!(
            output.status.success(),
            "{} does not load {rules} rules",
            engine.word()
        );
        let said = String::from_utf8(output.stdout)?;
        let (ms, held) = said.trim().split_once(' ').context("two numbers")?;
        took.push(ms.parse()?);
        bytes.push(held.parse::<f64>()? / rules as f64);
    }
    Ok((Spread::of(took), Spread::of(bytes)))
}
