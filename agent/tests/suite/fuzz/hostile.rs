//! Long inputs that are made to cost a reader memory or time: floods of records, lines without end, deep nesting, a
//! token a million times at a place where it hurts.

use std::time::Duration;

use epm_agent::sources::format::Format;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustix::time::{ClockId, clock_gettime};

use super::laws::read;
use super::memory;
use super::mutate;
use super::stream::Stream;
use super::tally::{Counts, Tally};

/// Most memory that reading may take beyond what the process had, whatever the input. The largest object that is kept
/// has 8 MiB; its values take more than ten times that while they are looked at.
pub(crate) const MEMORY_LIMIT: u64 = 256 << 20;

/// Lengths whose times are compared: below and near the longest line that is kept, where work that grows with the
/// square would show.
const SHORT: u64 = 32 << 10;
const LONG: u64 = 256 << 10;
/// How much longer than in proportion the long one may take: caches, allocations, another program on the core.
const SLACK: u32 = 3;
/// Times below this are not compared.
const NOTHING: Duration = Duration::from_millis(25);
/// Digit runs of a seed that are looked at for numbers to count up.
const RUNS: usize = 64;

/// What is repeated; each nests, opens or ends something in one of the formats.
const UNITS: [&[u8]; 34] = [
    b"{\"a\":",
    b"[",
    b"<a>",
    b"{\"value\":[",
    b"\"",
    b"\\",
    b"\\\"",
    b"\"\"",
    b"{",
    b"}",
    b"]",
    b"[],",
    b"{},",
    b"1,",
    b"\"a\":\"b\",",
    b"\"a\" ",
    b"=",
    b"a=b ",
    b" ; ",
    b" ; USER=",
    b" : ",
    b": ",
    b"#012",
    b"#",
    b",",
    b"'",
    b" ",
    b"0",
    b"2F",
    b"\xff",
    b"\0",
    b"\n",
    b"\n{",
    b"<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><a>&c;</a>",
];

/// One way to hurt: what it is, and the input of a length.
pub(crate) struct Attack {
    pub(crate) name: String,
    make: Box<dyn Fn(u64) -> Stream>,
}

/// Records of `seed` without end, with numbers that count up where that leaves them records.
pub(crate) fn flood(format: &Format, seed: &[u8]) -> Attack {
    // The block that only says which format it is stands once.
    let head = if seed.starts_with(b"ElfFile\0") {
        4096
    } else {
        0
    };
    let (head, unit) = seed.split_at(head.min(seed.len()));
    let mut unit = unit.to_vec();
    if head.is_empty() && !unit.ends_with(b"\n") {
        unit.push(b'\n');
    }
    let (head, places) = (head.to_vec(), numbers(format, &unit));
    Attack {
        name: format!("a flood of records, {} numbers count up", places.len()),
        make: Box::new(move |bytes| Stream::counting(&head, &unit, &places, bytes)),
    }
}

// Where in `unit` a number can be any number without making its records damage.
fn numbers(format: &Format, unit: &[u8]) -> Vec<(usize, usize)> {
    let count = |places: &[(usize, usize)]| {
        read(format, Stream::counting(b"", unit, places, 1), Tally::new())
            .map(|counts| (counts.readings, counts.unreadable))
    };
    let whole = count(&[]);
    let mut places = Vec::new();
    for run in mutate::runs(unit, |byte| byte.is_ascii_digit())
        .into_iter()
        .take(RUNS)
    {
        places.push(run);
        if count(&places) != whole {
            places.pop();
        }
    }
    places
}

/// A token again and again somewhere in one of `seeds`.
pub(crate) fn drawn(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Attack {
    let seed = seeds[rng.random_range(0..seeds.len())].clone();
    let unit = match rng.random_range(0..8) {
        0 => mutate::token(rng),
        _ => UNITS[rng.random_range(0..UNITS.len())],
    };
    // Behind a byte that structures the text, most often: there a value or a key begins.
    let mark = b"\"'={[:;, \n"[rng.random_range(0..10)];
    let marks: Vec<usize> = seed
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == mark)
        .map(|(at, _)| at + 1)
        .collect();
    let at = match marks.len() {
        0 => rng.random_range(0..=seed.len()),
        many => marks[rng.random_range(0..many)],
    };
    Attack {
        name: format!(
            "{:?} again and again behind byte {at}",
            unit.escape_ascii().to_string()
        ),
        make: Box::new(move |bytes| Stream::repeating(&seed[..at], unit, &seed[at..], bytes)),
    }
}

/// What an attack cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) bytes: u64,
    pub(crate) peak_bytes: u64,
}

impl Attack {
    /// Reads the attack at three lengths, the longest of `bytes`; what it breaks, if anything.
    /// `before` is what the process had resident before it read anything.
    pub(crate) fn survive(&self, format: &Format, bytes: u64, before: u64) -> Result<Cost, String> {
        let (short, long) = (self.time(format, SHORT)?, self.time(format, LONG)?);
        self.compare(format, (SHORT, short), (LONG, long))?;
        memory::reset();
        let (counts, whole) = self.read(format, bytes)?;
        let peak_bytes = memory::peak().saturating_sub(before);
        if peak_bytes > MEMORY_LIMIT {
            return Err(format!(
                "{} of {} MiB took {} MiB of memory",
                self.name,
                bytes >> 20,
                peak_bytes >> 20
            ));
        }
        self.compare(format, (LONG, long), (bytes, whole))?;
        if counts.total() == 0 {
            return Err(format!(
                "{} of {} MiB left no trace",
                self.name,
                bytes >> 20
            ));
        }
        Ok(Cost { bytes, peak_bytes })
    }

    fn read(&self, format: &Format, bytes: u64) -> Result<(Counts, Duration), String> {
        let stream = (self.make)(bytes);
        let began = cpu_time();
        let counts = read(format, stream, Tally::new())?;
        Ok((counts, cpu_time().saturating_sub(began)))
    }

    // The least of three, which another program on the core disturbed least.
    fn time(&self, format: &Format, bytes: u64) -> Result<Duration, String> {
        let mut least = Duration::MAX;
        for _ in 0..3 {
            least = least.min(self.read(format, bytes)?.1);
        }
        Ok(least)
    }

    fn compare(
        &self,
        format: &Format,
        (short, short_took): (u64, Duration),
        (long, long_took): (u64, Duration),
    ) -> Result<(), String> {
        let times = u32::try_from(long / short).unwrap_or(u32::MAX);
        let allowed = short_took.saturating_mul(times).saturating_mul(SLACK) + NOTHING;
        if long_took <= allowed || self.time(format, long)? <= allowed {
            return Ok(());
        }
        Err(format!(
            "{} took {short_took:?} at {short} bytes and {long_took:?} at {long}: more than in proportion",
            self.name
        ))
    }
}

/// CPU time of this thread, which other programs do not lengthen much.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is not negative");
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanos)
}
