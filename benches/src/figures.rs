//! Turns measurements into rows of a table: medians with their extremes, and ratios. It must not measure.

use std::time::Duration;

use crate::terminal::say;

/// One run of one contender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Events that were handled, all of them checked.
    pub(crate) events: u64,
    /// Time until the last one was.
    pub(crate) wall: Duration,
    /// CPU time of the processes under test, without the generator.
    pub(crate) cpu: Duration,
    /// Times from sending a batch to its acknowledgement.
    pub(crate) waits: Vec<Duration>,
    /// Most resident memory of the process under test.
    pub(crate) peak_bytes: u64,
}

impl Run {
    fn per_second(&self) -> f64 {
        self.events as f64 / self.wall.as_secs_f64()
    }

    fn per_cpu_second(&self) -> f64 {
        self.events as f64 / self.cpu.as_secs_f64().max(0.001)
    }
}

/// All runs of one contender.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

impl Contender {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            runs: Vec::new(),
        }
    }

    fn of(&self, figure: impl Fn(&Run) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(figure).collect())
    }
}

/// Median and extremes.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            median: values.get(values.len() / 2).copied().unwrap_or(f64::NAN),
            least: values.first().copied().unwrap_or(f64::NAN),
            most: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

/// The share `part` of `waits` is at most this long.
pub(crate) fn quantile(waits: &mut [Duration], part: f64) -> Duration {
    waits.sort_unstable();
    let at = ((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1));
    waits.get(at).copied().unwrap_or_default()
}

fn thousands(spread: Spread) -> String {
    let shown = |value: f64| format!("{:.0}", value / 1000.0);
    format!(
        "{} ({}-{})",
        shown(spread.median),
        shown(spread.least),
        shown(spread.most)
    )
}

/// Prints the contenders as a Markdown table; ratios are the first one's, by medians.
pub(crate) fn table(contenders: &[Contender]) {
    say(
        "| contender | k ev/s | k ev/CPU-s | ack p50 ms | ack p99 ms | peak RSS MB | ours/it wall | ours/it CPU |",
    );
    say("|---|---|---|---|---|---|---|---|");
    let Some(ours) = contenders.first() else {
        return;
    };
    let (wall, cpu) = (ours.of(Run::per_second), ours.of(Run::per_cpu_second));
    for contender in contenders {
        let mut waits: Vec<Duration> = contender
            .runs
            .iter()
            .flat_map(|run| run.waits.iter().copied())
            .collect();
        let mut wait = |part| match waits.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.1}", quantile(&mut waits, part).as_secs_f64() * 1e3),
        };
        let peak = contender.runs.iter().map(|run| run.peak_bytes).max();
        let peak = match peak {
            None | Some(0) => "-".to_owned(),
            Some(bytes) => format!("{}", bytes >> 20),
        };
        let (its_wall, its_cpu) = (
            contender.of(Run::per_second),
            contender.of(Run::per_cpu_second),
        );
        say(format_args!(
            "| {} | {} | {} | {} | {} | {peak} | {:.2} | {:.2} |",
            contender.name,
            thousands(its_wall),
            thousands(its_cpu),
            wait(0.5),
            wait(0.99),
            wall.median / its_wall.median,
            cpu.median / its_cpu.median,
        ));
    }
}
