//! Every stage is killed at random moments under load, two hundred times and more, fifty times where the log is Kafka; then
//! everything that a device recorded is in the tables, each once.

use std::path::Path;
use std::time::Duration;

use crate::log::TestLog;
use crate::programs::{Running, free_port};
use crate::sudo_runs::RunsOfSudo;

/// Runs of sudo in one file: few, so that an import that is killed is soon repeated.
const LINES: usize = 40;
const COLLECTOR: usize = 0;
const PROCESSOR: usize = 1;
const AGENT: usize = 2;

/// A generator of numbers, seeded by the clock and printed: a failure can be run again.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// How often stages are killed, and how fast.
struct Plan {
    kills: usize,
    /// Longest time between two of them. A stage on Kafka needs some time to find its brokers, and should get to work
    /// before it dies.
    longest_life_ms: u64,
    /// Stages to choose from: collector, processor and agent, each as often as its share. The agent less often than the
    /// servers, so that imports come to their end and new ones begin.
    stages: &'static [usize],
}

struct House<'a> {
    log: &'a TestLog,
    data: String,
    state: String,
    port: String,
}

impl House<'_> {
    fn collector(&self) -> Running {
        let (log, grpc) = (
            self.log.place(&self.data),
            format!("127.0.0.1:{}", self.port),
        );
        Running::start("epm", &["collector", "--log", &log, "--grpc", &grpc])
    }

    fn processor(&self) -> Running {
        let (log, tables) = (self.log.place(&self.data), format!("{}/tables", self.data));
        Running::start("epm", &["processor", "--log", &log, "--tables", &tables])
    }

    fn import(&self, file: &Path) -> Running {
        let collector = format!("http://127.0.0.1:{}", self.port);
        let file = file.to_string_lossy();
        let arguments = [
            "import",
            "--collector",
            &collector,
            "--state",
            &self.state,
            "--wait",
            "60s",
            &file,
        ];
        Running::start("epm-agent", &arguments)
    }
}

#[test]
fn two_hundred_kills_lose_nothing_and_count_nothing_twice() {
    let plan = Plan {
        kills: 210,
        longest_life_ms: 250,
        stages: &[COLLECTOR, COLLECTOR, PROCESSOR, PROCESSOR, AGENT],
    };
    kill_at_random(&TestLog::Folder, &plan);
}

#[test]
fn fifty_kills_lose_nothing_and_count_nothing_twice_with_kafka_as_the_log() {
    let Some(log) = TestLog::topic("killed") else {
        return;
    };
    let plan = Plan {
        kills: 50,
        longest_life_ms: 1500,
        stages: &[COLLECTOR, PROCESSOR],
    };
    kill_at_random(&log, &plan);
}

fn kill_at_random(log: &TestLog, plan: &Plan) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let house = House {
        log,
        data: text("data"),
        state: text("state"),
        port: free_port().to_string(),
    };
    std::fs::create_dir_all(folder.path().join("data/tables")).expect("a folder can be made");
    let seed = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(1, |since| since.as_nanos() as u64);
    let mut chance = Chance(seed);
    let mut runs = RunsOfSudo::new(folder.path(), LINES);
    let (mut collector, mut processor) = (house.collector(), house.processor());
    let mut file = runs.write_file();
    let mut import = house.import(&file);
    let mut kills = [0; 3];
    while kills.iter().sum::<usize>() < plan.kills {
        std::thread::sleep(Duration::from_millis(chance.next(plan.longest_life_ms)));
        if let Some(status) = import.0.try_wait().expect("a child can be asked") {
            assert!(
                status.success(),
                "seed {seed}: an import that was not killed ended with {status}"
            );
            file = runs.write_file();
            import = house.import(&file);
        }
        let stage = plan.stages[chance.next(plan.stages.len() as u64) as usize];
        kills[stage] += 1;
        match stage {
            COLLECTOR => {
                collector.kill();
                collector = house.collector();
            }
            PROCESSOR => {
                processor.kill();
                processor = house.processor();
            }
            _ => {
                import.kill();
                import = house.import(&file);
            }
        }
    }
    let last = import.0.wait().expect("the last import ends");
    assert!(
        last.success(),
        "seed {seed}: the last import ended with {last}"
    );
    assert_eq!(collector.terminate(), Some(0));
    assert_eq!(processor.terminate(), Some(0));
    println!(
        "seed {seed}: {kills:?} kills of collector, processor and agent; {} files",
        runs.files()
    );
    runs.are_in_the_tables_once(&house.data, log, &format!("seed {seed}"));
}
