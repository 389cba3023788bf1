//! A log is followed while it is rotated and every stage is killed; then each line is one row of the tables.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::programs::{Running, free_port, must};

const LINES: usize = 600;
/// Lines between two rotations.
const LINES_A_FILE: usize = 20;
/// Lines between two kills: not a divisor of the above, so that they come at different places.
const LINES_A_KILL: usize = 27;

struct House {
    data: String,
    state: String,
    port: String,
    log: PathBuf,
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

    fn follower(&self) -> Running {
        let collector = format!("http://127.0.0.1:{}", self.port);
        let log = self.log.to_string_lossy();
        let arguments = [
            "follow",
            "--collector",
            &collector,
            "--state",
            &self.state,
            &log,
        ];
        Running::start("epm-agent", &arguments)
    }

    fn names(&self) -> Vec<String> {
        let arguments = [
            "report",
            "elevations",
            "--data",
            &self.data,
            "--columns",
            "file_name",
            "--format",
            "csv",
        ];
        let rows = must("epm", &arguments);
        let names = rows.lines().skip(1).map(str::trim);
        names.map(str::to_owned).collect()
    }
}

fn append(log: &Path, line: usize, expected: &mut BTreeSet<String>) {
    let name = format!("tool-{line}");
    let (minute, second) = (line / 60 % 60, line % 60);
    let text = format!(
        "2026-03-02T10:{minute:02}:{second:02}+00:00 web-1 sudo: ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/{name} --now\n"
    );
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a line can be written");
    expected.insert(name);
}

/// Renamed and made anew, or copied and cut.
fn rotate(log: &Path, number: usize) {
    let rotated = |number: usize| PathBuf::from(format!("{}.{number}", log.display()));
    for number in (1..=number).rev() {
        fs::rename(rotated(number), rotated(number + 1)).expect("a file can be renamed");
    }
    if number.is_multiple_of(2) {
        fs::rename(log, rotated(1)).expect("a file can be renamed");
        File::create_new(log).expect("a file can be made");
    } else {
        fs::copy(log, rotated(1)).expect("a file can be copied");
        let file = OpenOptions::new().write(true).open(log);
        file.and_then(|file| file.set_len(0))
            .expect("a file can be cut");
    }
}

#[test]
fn a_log_that_rotates_is_followed_through_kills_of_every_stage() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let house = House {
        data: text("data"),
        state: text("state"),
        port: free_port().to_string(),
        log: folder.path().join("logs/auth.log"),
    };
    for name in ["data/tables", "logs"] {
        fs::create_dir_all(folder.path().join(name)).expect("a folder can be made");
    }
    let (mut collector, mut processor) = (house.collector(), house.processor());
    let mut follower = house.follower();
    // A log that is rotated away before it is followed for the first time is not read.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("state/follow-bookmark").exists() {
        assert!(Instant::now() < deadline, "the log is not followed");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut expected = BTreeSet::new();
    let (mut rotations, mut kills) = (0, 0);
    for line in 1..=LINES {
        append(&house.log, line, &mut expected);
        if line % LINES_A_FILE == 0 {
            rotate(&house.log, rotations);
            rotations += 1;
        }
        if line % LINES_A_KILL == 0 {
            // As long as it takes to read some of it, and different each time.
            std::thread::sleep(Duration::from_millis(100 + line as u64 * 379 % 900));
            match kills % 3 {
                0 => {
                    follower.kill();
                    follower = house.follower();
                }
                1 => {
                    collector.kill();
                    collector = house.collector();
                }
                _ => {
                    processor.kill();
                    processor = house.processor();
                }
            }
            kills += 1;
        }
    }
    // The last rotation left an empty log behind; rotated files are left for one that holds something.
    append(&house.log, LINES + 1, &mut expected);
    let deadline = Instant::now() + Duration::from_secs(120);
    while house.names().len() < expected.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(follower.terminate(), Some(0));
    assert_eq!(collector.terminate(), Some(0));
    assert_eq!(processor.terminate(), Some(0));
    println!(
        "{rotations} rotations, {kills} kills, {} lines",
        expected.len()
    );

    let names = house.names();
    assert_eq!(names.len(), expected.len(), "each elevation once");
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
    let verified = must("epm", &["verify", "--data", &house.data]);
    assert!(verified.contains("0 are broken"), "{verified}");
}
