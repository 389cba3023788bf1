//! Decisions of the three engines, in turn: first that all give the same answers, then what each answer costs.

use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::resource::UsageWho;

use crate::cedar::{self, Cedar};
use crate::drawn::World;
use crate::figures::{Spread, quantile};
use crate::load::{self, Engine};
use crate::ours::{self, Facts};
use crate::place::{cpu, introduce, load_average, say};
use crate::rego::{self, Rego};

/// Launches that a rival is asked about at least, however slow it is.
const LEAST_LAUNCHES: usize = 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rules there are, once each.
    #[arg(long, value_delimiter = ',', default_value = "100,10000,100000")]
    rules: Vec<usize>,
    /// Turns of each engine.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Launches of one turn.
    #[arg(long, default_value_t = 20_000)]
    launches: usize,
    /// How long a turn of an engine may take; then it ends with fewer launches.
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
    /// Measure ours and no rival: to look for where its time goes.
    #[arg(long)]
    alone: bool,
}

/// One engine's answers and times, for as many launches as its time allows.
#[derive(Default)]
struct Turn {
    answers: Vec<bool>,
    ns: Vec<f64>,
    /// CPU time of one decision, on average: unlike the clock's, it does not count waiting for the processor.
    cpu_ns: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    introduce();
    say(
        "| rules | engine | p50 ns | p99 ns | CPU ns | launches a turn | it/ours p50 | it/ours p99 | it/ours CPU | load CPU ms | bytes a rule |",
    );
    say("|---|---|---|---|---|---|---|---|---|---|---|");
    for rules in &args.rules {
        match args.alone {
            true => alone(args, *rules)?,
            false => compare(args, *rules)?,
        }
    }
    say(format_args!(
        "load average after the run {}",
        load_average()
    ));
    Ok(())
}

fn compare(args: &Args, rules: usize) -> anyhow::Result<()> {
    let world = World::draw(rules, args.launches);
    let set = ours::load(&ours::text(&world)?)?;
    let facts = Facts::of(&world);
    let requests = facts.requests(&world);
    let cedar = Cedar::new(&world, cedar::load(&cedar::text(&world)?)?)?;
    let mut rego = Rego::new(&world, rego::load(&rego::text(&world)?)?)?;
    let limit = Duration::from_millis(args.turn_ms);
    let mut turns: Vec<[Turn; 3]> = Vec::new();
    // The first turn warms up and is checked with the others, and not counted.
    for _ in 0..=args.repeats {
        turns.push([
            turn(args.launches, limit, |at| {
                Ok(ours::allows(&set, &requests[at]))
            })?,
            turn(args.launches, limit, |at| Ok(cedar.allows(at)))?,
            turn(args.launches, limit, |at| rego.allows(at))?,
        ]);
    }
    let compared = agree(&turns)?;
    for at in 0..compared[1].min(LEAST_LAUNCHES) {
        cedar.sound(at)?;
    }
    let allowed = turns[0][0]
        .answers
        .iter()
        .filter(|allowed| **allowed)
        .count();
    drop((cedar, rego, set));
    for (place, engine) in Engine::ALL.into_iter().enumerate() {
        row(engine, rules, &mut turns[1..], place, args.repeats)?;
    }
    say(format_args!(
        "| {rules} | all agreed on {} launches (Cedar) and {} (Rego); {allowed} of {} were let through |",
        compared[1], compared[2], args.launches
    ));
    Ok(())
}

fn alone(args: &Args, rules: usize) -> anyhow::Result<()> {
    let world = World::draw(rules, args.launches);
    let set = ours::load(&ours::text(&world)?)?;
    let facts = Facts::of(&world);
    let requests = facts.requests(&world);
    let limit = Duration::from_millis(args.turn_ms);
    let mut figures = Vec::new();
    for _ in 0..=args.repeats {
        let mut turn = turn(args.launches, limit, |at| {
            Ok(ours::allows(&set, &requests[at]))
        })?;
        let (p50, p99) = (quantile(&mut turn.ns, 0.5), quantile(&mut turn.ns, 0.99));
        figures.push([p50, p99, turn.cpu_ns]);
    }
    let [p50, p99, cpu] =
        [0, 1, 2].map(|at| Spread::of(figures.iter().skip(1).map(|figure| figure[at])));
    say(format_args!(
        "| {rules} | ours alone | {p50} | {p99} | {cpu} | {} |",
        args.launches
    ));
    Ok(())
}

fn turn(
    launches: usize,
    limit: Duration,
    mut decide: impl FnMut(usize) -> anyhow::Result<bool>,
) -> anyhow::Result<Turn> {
    let begin = Instant::now();
    let cpu_before = cpu(UsageWho::RUSAGE_SELF)?;
    let mut turn = Turn::default();
    for at in 0..launches {
        let start = Instant::now();
        let answer = decide(at)?;
        turn.ns.push(start.elapsed().as_nanos() as f64);
        turn.answers.push(answer);
        if at + 1 >= LEAST_LAUNCHES && begin.elapsed() > limit {
            break;
        }
    }
    let cpu = cpu(UsageWho::RUSAGE_SELF)? - cpu_before;
    turn.cpu_ns = cpu.as_nanos() as f64 / turn.answers.len() as f64;
    Ok(turn)
}

/// How many launches each engine answered in some turn; an error where it answered otherwise than ours.
fn agree(turns: &[[Turn; 3]]) -> anyhow::Result<[usize; 3]> {
    let ours = &turns[0][0].answers;
    let mut compared = [0; 3];
    for turn in turns {
        for (place, engine) in turn.iter().enumerate() {
            let differs = engine
                .answers
                .iter()
                .zip(ours)
                .position(|(its, our)| its != our);
            ensure!(
                differs.is_none(),
                "{} answers launch {} otherwise than ours",
                Engine::ALL[place].word(),
                differs.unwrap_or_default()
            );
            compared[place] = compared[place].max(engine.answers.len());
        }
    }
    Ok(compared)
}

fn row(
    engine: Engine,
    rules: usize,
    turns: &mut [[Turn; 3]],
    place: usize,
    repeats: usize,
) -> anyhow::Result<()> {
    let mut of = |part: f64| {
        let each = turns.iter_mut().map(|turn| {
            let ours = quantile(&mut turn[0].ns.clone(), part);
            let its = quantile(&mut turn[place].ns, part);
            (its, its / ours)
        });
        let (its, ratios): (Vec<f64>, Vec<f64>) = each.unzip();
        (Spread::of(its), Spread::of(ratios))
    };
    let (p50, p50_ratio) = of(0.5);
    let (p99, p99_ratio) = of(0.99);
    let cpu = Spread::of(turns.iter().map(|turn| turn[place].cpu_ns));
    let cpu_ratio = turns.iter().map(|turn| turn[place].cpu_ns / turn[0].cpu_ns);
    let cpu_ratio = Spread::of(cpu_ratio);
    let (took, bytes) = load::measure(engine, rules, repeats.min(3))?;
    let launches = Spread::of(turns.iter().map(|turn| turn[place].answers.len() as f64));
    say(format_args!(
        "| {rules} | {} | {p50} | {p99} | {cpu} | {:.0} | {p50_ratio} | {p99_ratio} | {cpu_ratio} | {took} | {bytes} |",
        engine.word(),
        launches.median,
    ));
    Ok(())
}
