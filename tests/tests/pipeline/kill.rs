//! Every stage is killed at random moments under load, two hundred times and more; then everything that a device recorded
//! is in the tables, each once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::programs::{Running, free_port, must};

/// Kills of all stages together.
const KILLS: usize = 210;
/// Runs of sudo in one file: few, so that an import that is killed is soon repeated.
const LINES: usize = 40;

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

struct House {
    data: String,
    state: String,
    port: String,
}

impl House {
    fn collector(&self) -> Running {
        let (log, grpc) = (
            format!("{}/log", self.data),
            format!("127.0.0.1:{}", self.port),
        );
        Running::start("epm", &["collector", "--log", &log, "--grpc", &grpc])
    }

    fn processor(&self) -> Running {
        let (log, tables) = (
            format!("{}/log", self.data),
            format!("{}/tables", self.data),
        );
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

/// File `number` of runs of sudo, and what each is called in reports.
fn write_file(folder: &Path, number: usize, expected: &mut BTreeSet<String>) -> std::path::PathBuf {
    let mut text = String::new();
    for line in 0..LINES {
        let at = number * LINES + line;
        let name = format!("tool-{at}");
        let (hour, minute, second) = (at / 3600 % 24, at / 60 % 60, at % 60);
        text.push_str(&format!(
            "2026-03-02T{hour:02}:{minute:02}:{second:02}+00:00 web-1 sudo: ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/{name} --now\n"
        ));
        expected.insert(name);
    }
    let path = folder.join(format!("auth-{number}.log"));
    std::fs::write(&path, text).expect("a file can be written");
    path
}

#[test]
fn two_hundred_kills_lose_nothing_and_count_nothing_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let house = House {
        data: text("data"),
        state: text("state"),
        port: free_port().to_string(),
    };
    std::fs::create_dir_all(folder.path().join("data/tables")).expect("a folder can be made");
    let seed = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(1, |since| since.as_nanos() as u64);
    let mut chance = Chance(seed);
    let mut expected = BTreeSet::new();
    let mut files = 0;
    let (mut collector, mut processor) = (house.collector(), house.processor());
    let mut file = write_file(folder.path(), files, &mut expected);
    let mut import = house.import(&file);
    let mut kills = [0; 3];
    while kills.iter().sum::<usize>() < KILLS {
        std::thread::sleep(Duration::from_millis(chance.next(250)));
        if let Some(status) = import.0.try_wait().expect("a child can be asked") {
            assert!(
                status.success(),
                "seed {seed}: an import that was not killed ended with {status}"
            );
            files += 1;
            file = write_file(folder.path(), files, &mut expected);
            import = house.import(&file);
        }
        // The agent less often than the servers, so that imports come to their end and new ones begin.
        let stage = [0, 0, 1, 1, 2][chance.next(5) as usize];
        kills[stage] += 1;
        match stage {
            0 => {
                collector.kill();
                collector = house.collector();
            }
            1 => {
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
        files + 1
    );

    let verified = must("epm", &["verify", "--data", &house.data]);
    assert!(verified.contains("0 are broken"), "{verified}");
    let rows = must(
        "epm",
        &[
            "report",
            "elevations",
            "--data",
            &house.data,
            "--columns",
            "file_name",
            "--format",
            "csv",
        ],
    );
    let names: Vec<&str> = rows.lines().skip(1).map(str::trim).collect();
    assert_eq!(
        names.len(),
        expected.len(),
        "seed {seed}: each elevation once"
    );
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(names, expected, "seed {seed}");
    let page = must(
        "epm",
        &[
            "report",
            "by-application",
            "--data",
            &house.data,
            "--limit",
            "1",
            "--format",
            "json",
        ],
    );
    let page: serde_json::Value = serde_json::from_str(&page).expect("a report is JSON");
    let completeness = &page["meta"]["completeness"];
    assert_eq!(
        completeness["missing_records"], 0,
        "seed {seed}: {completeness}"
    );
    assert_eq!(
        completeness["lost_records"], 0,
        "seed {seed}: {completeness}"
    );
}
