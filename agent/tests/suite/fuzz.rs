//! Every importer against damaged, absurd and hostile input: no panic, bounded memory, time in proportion, and nothing
//! that goes uncounted. A format that is added to `FORMATS` is fuzzed as soon as it has a seed.
//!
//! `EPM_FUZZ_SECONDS` says how long each format is fuzzed, `EPM_FUZZ_SEED` where the random numbers begin, and
//! `EPM_FUZZ_FORMAT` names the only format to look at.

mod broker;
mod corpus;
pub(crate) mod event_log;
mod hostile;
mod kernel_audit;
mod laws;
mod memory;
mod mutate;
mod stream;
mod sudo;
mod tally;
mod wire;
mod worker;

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{Cursor, Write};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use epm_agent::sources::FORMATS;
use epm_agent::sources::format::Format;

use tally::{Counts, Tally};
use worker::{Job, Report};

const SECONDS: &str = "EPM_FUZZ_SECONDS";
const SEED: &str = "EPM_FUZZ_SEED";
const FORMAT: &str = "EPM_FUZZ_FORMAT";
/// Tells a process that it is a worker, and its format.
const WORKER: &str = "EPM_FUZZ_WORKER";
const STATE: &str = "EPM_FUZZ_STATE";

/// Enough to see that everything works; CI gives minutes.
const DEFAULT_SECONDS: u64 = 2;
/// Begins the line in which a worker says what it did.
const DID: &str = "FUZZED ";

#[test]
fn every_format_has_seeds_and_every_seed_is_whole() {
    for format in FORMATS {
        let seeds = corpus::own_of(format);
        assert!(
            !seeds.is_empty(),
            "no seed for {format}: put a small file of that format into agent/tests/seeds"
        );
        for seed in seeds {
            let counts = counts(format, &seed);
            assert!(counts.readings > 0, "a seed of {format} holds no record");
            assert_eq!(counts.unreadable, 0, "a seed of {format} is damaged");
        }
    }
    for (name, seed) in corpus::own() {
        assert!(corpus::format_of(&seed).is_some(), "{name} has no format");
    }
}

#[test]
fn garbage_between_records_is_counted_in_every_format() {
    for format in FORMATS {
        for seed in corpus::own_of(format) {
            // A binary log has no lines; garbage chunks have a test of their own.
            if seed.contains(&0) {
                continue;
            }
            let twice = counts(format, &[&seed[..], b"\n", &seed].concat());
            let garbage = b"\nsomething else, 12 of it\n";
            let between = counts(format, &[&seed[..], garbage, &seed].concat());
            let beside = |counts: &Counts| counts.total() - counts.readings;
            // A file of one record is damaged as a whole.
            assert!(
                beside(&between) > beside(&twice) || twice.unreadable > 0 && between.unreadable > 0,
                "garbage in {format} left no trace: {twice:?}, {between:?}"
            );
        }
    }
}

fn counts(format: &Format, input: &[u8]) -> Counts {
    laws::read(format, Cursor::new(input), Tally::new()).expect("no law is broken")
}

#[test]
fn no_input_breaks_an_importer() {
    let only = env::var(FORMAT).ok();
    let formats = FORMATS.into_iter();
    let waiting: Vec<&Format> = formats
        .filter(|format| only.as_ref().is_none_or(|only| format.name == only))
        .collect();
    assert!(!waiting.is_empty(), "{FORMAT} names no format");
    let (waiting, broken) = (Mutex::new(waiting), Mutex::new(Vec::new()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
                while let Some(format) = next() {
                    if let Err(failure) = in_its_own_process(format) {
                        let mut broken = broken.lock().unwrap_or_else(PoisonError::into_inner);
                        broken.push(format!("{format}: {failure}"));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

fn in_its_own_process(format: &Format) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("fuzz::a_worker_fuzzes_the_format_that_it_is_told")
        .env(WORKER, format.name)
        .env(STATE, &state)
        .output()
        .expect("a worker starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if let Some(did) = said.lines().find_map(|line| line.strip_prefix(DID)) {
        // Not eprintln: the harness would keep it from whoever reads a passing run.
        let _ = writeln!(std::io::stderr(), "fuzzed {format}: {did}");
    }
    if output.status.success() && said.contains(DID) {
        return Ok(());
    }
    let last = fs::read_to_string(&state).unwrap_or_default();
    Err(format!(
        "{}, at {}\n{said}",
        output.status,
        worker::command(format, last.trim().parse().unwrap_or_default())
    ))
}

#[test]
fn a_worker_fuzzes_the_format_that_it_is_told() {
    let (Ok(name), Some(state)) = (env::var(WORKER), env::var_os(STATE)) else {
        return;
    };
    let number = |variable: &str, default: u64| match env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    };
    let mut formats = FORMATS.into_iter();
    let state = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state);
    let state: File = state.expect("the state can be written");
    let report = worker::work(Job {
        format: formats
            .find(|format| format.name == name)
            .expect("a format"),
        time: Duration::from_secs(number(SECONDS, DEFAULT_SECONDS)),
        first_seed: number(SEED, 0),
        state: &state,
    });
    let _ = std::panic::take_hook();
    match report {
        Ok(report) => say(&report),
        Err(broken) => panic!("{broken}"),
    }
}

fn say(report: &Report) {
    let _ = writeln!(
        std::io::stderr(),
        "\n{DID}{} inputs ({} MiB), {} streams ({} MiB), {} MiB of memory at most",
        report.inputs,
        report.bytes >> 20,
        report.streams,
        report.stream_bytes >> 20,
        report.peak_bytes >> 20,
    );
}
