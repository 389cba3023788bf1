//! Fuzzes one format in a process of its own, so that its memory can be told, and a reader that overflows the stack or
//! never ends takes nothing else along.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use epm_agent::sources::format::Format;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::hostile::{self, Cost};
use super::{corpus, laws, memory, mutate};

/// Address space of a worker: far above what any reader may take, so that one that takes everything ends at once.
const ADDRESS_SPACE: u64 = 4 << 30;
/// One input takes milliseconds, the longest stream some seconds; a machine under load ten times that.
const LONGEST_INPUT: Duration = Duration::from_secs(120);
/// Time for making a failing input small.
const MINIMISING: Duration = Duration::from_secs(10);
/// Bytes of a long stream for each second of fuzzing, and their bounds.
const STREAM_BYTES_A_SECOND: u64 = 1 << 20;
const STREAM_BYTES: std::ops::RangeInclusive<u64> = (2 << 20)..=(32 << 20);
/// Sets the laws' randomness apart from the inputs'.
const LAWS: u64 = 0x6c61_7773;

static PANICKED: Mutex<String> = Mutex::new(String::new());

/// What a worker is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) format: &'static Format,
    pub(crate) time: Duration,
    pub(crate) first_seed: u64,
    /// Holds the seed that is tried, for whoever finds the worker dead.
    pub(crate) state: &'a File,
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) inputs: u64,
    pub(crate) bytes: u64,
    pub(crate) streams: u64,
    pub(crate) stream_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// Fuzzes until the time is over; otherwise what was broken, with the input and how to see it again.
pub(crate) fn work(job: Job<'_>) -> Result<Report, String> {
    let limit = Rlimit {
        current: Some(ADDRESS_SPACE),
        maximum: Some(ADDRESS_SPACE),
    };
    setrlimit(Resource::As, limit).expect("a process may limit itself");
    panic::set_hook(Box::new(|info| {
        let mut panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
        *panicked = info.to_string();
    }));
    // What allocators keep of earlier inputs counts too: a long-lived process has it as well.
    let before = memory::resident();
    let seeds = corpus::of(job.format);
    let watched = watch();
    let mut report = Report::default();
    untouched(&job, &seeds)?;
    mutated(&job, &seeds, &watched, &mut report)?;
    drop(seeds);
    streamed(&job, before, &watched, &mut report)?;
    Ok(report)
}

// Ends the process where an input takes too long: then nothing else can.
fn watch() -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            match receiver.recv_timeout(LONGEST_INPUT) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => std::process::abort(),
            }
        }
    });
    sender
}

fn untouched(job: &Job<'_>, seeds: &[Vec<u8>]) -> Result<(), String> {
    for (at, seed) in seeds.iter().enumerate() {
        try_input(job.format, seed, at as u64)
            .map_err(|broken| format!("seed {at} of {}: {broken}", job.format))?;
    }
    Ok(())
}

fn mutated(
    job: &Job<'_>,
    seeds: &[Vec<u8>],
    watched: &Sender<()>,
    report: &mut Report,
) -> Result<(), String> {
    let began = Instant::now();
    let mut number = job.first_seed;
    while began.elapsed() < job.time * 2 / 3 {
        tell(job, watched, number);
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let input = mutate::input(seeds, &mut rng);
        if let Err(broken) = try_input(job.format, &input, number) {
            return Err(failure(job.format, number, &broken, input));
        }
        report.inputs += 1;
        report.bytes += input.len() as u64;
        number = number.wrapping_add(1);
    }
    Ok(())
}

fn streamed(
    job: &Job<'_>,
    before: u64,
    watched: &Sender<()>,
    report: &mut Report,
) -> Result<(), String> {
    // Our own seeds are short, so that most of a stream is what is repeated.
    let seeds = corpus::own_of(job.format);
    let bytes = (job.time.as_secs() * STREAM_BYTES_A_SECOND)
        .clamp(*STREAM_BYTES.start(), *STREAM_BYTES.end());
    let mut add = |cost: Cost| {
        report.streams += 1;
        report.stream_bytes += cost.bytes;
        report.peak_bytes = report.peak_bytes.max(cost.peak_bytes);
    };
    for seed in &seeds {
        tell(job, watched, job.first_seed);
        let flood = hostile::flood(job.format, seed);
        add(caught(|| flood.survive(job.format, bytes, before))
            .map_err(|broken| again(job, 0, &broken))?);
    }
    let began = Instant::now();
    let mut number = job.first_seed;
    while began.elapsed() < job.time / 3 || number == job.first_seed {
        tell(job, watched, number);
        let attack = hostile::drawn(&seeds, &mut ChaCha8Rng::seed_from_u64(number));
        let survived = caught(|| attack.survive(job.format, bytes, before));
        add(survived.map_err(|broken| again(job, number, &format!("{}: {broken}", attack.name)))?);
        number = number.wrapping_add(1);
    }
    Ok(())
}

fn tell(job: &Job<'_>, watched: &Sender<()>, number: u64) {
    job.state
        .write_all_at(format!("{number:20}").as_bytes(), 0)
        .expect("the state is writable");
    let _ = watched.send(());
}

fn try_input(format: &Format, input: &[u8], number: u64) -> Result<(), String> {
    let mut rng = ChaCha8Rng::seed_from_u64(number ^ LAWS);
    caught(|| laws::check(format, input, &mut rng).map(drop))
}

fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let panicked = PANICKED.lock().unwrap_or_else(PoisonError::into_inner);
        Err(panicked.clone())
    })
}

fn failure(format: &Format, number: u64, broken: &str, input: Vec<u8>) -> String {
    let kind = |broken: &str| broken.chars().take(32).collect::<String>();
    let wanted = kind(broken);
    let input = minimised(input, |input| {
        try_input(format, input, number).is_err_and(|broken| kind(&broken) == wanted)
    });
    let shown = &input[..input.len().min(4096)];
    format!(
        "{broken}\n  input of {} bytes: b\"{}\"\n  again: {}",
        input.len(),
        shown.escape_ascii(),
        command(format, number)
    )
}

fn again(job: &Job<'_>, number: u64, broken: &str) -> String {
    format!("{broken}\n  again: {}", command(job.format, number))
}

/// How to see a failure again.
pub(crate) fn command(format: &Format, number: u64) -> String {
    format!(
        "{}={number} {}='{}' cargo test -p epm-agent --test suite fuzz",
        super::SEED,
        super::FORMAT,
        format.name
    )
}

// Leaves out halves, quarters and so on for as long as it still fails.
fn minimised(mut input: Vec<u8>, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let began = Instant::now();
    let mut size = input.len() / 2;
    while size > 0 && began.elapsed() < MINIMISING {
        let mut at = 0;
        while at < input.len() && began.elapsed() < MINIMISING {
            let end = (at + size).min(input.len());
            let without = [&input[..at], &input[end..]].concat();
            if fails(&without) {
                input = without;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    input
}
