//! What holds for every format and every input, however damaged.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use epm_agent::sources::evtx::LogFile;
use epm_agent::sources::format::{Format, Head, LogReader, Reading};
use epm_agent::sources::{FORMATS, TextTime};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::tally::{Counts, Tally};

/// 2026-11-24 in UTC.
pub(crate) fn time() -> TextTime {
    TextTime {
        reference_us: 1_795_478_400_000_000,
        zone: jiff::tz::TimeZone::UTC,
    }
}

/// Checks `input` against every law; what is broken, if anything.
pub(crate) fn check(format: &Format, input: &[u8], rng: &mut ChaCha8Rng) -> Result<Counts, String> {
    recognition(input);
    let whole = read(format, Cursor::new(input), Tally::new())?;
    let longest = [1, 3, 64, 4096][rng.random_range(0..4)];
    let dribbled = read(format, Dribble::new(input, longest, rng), Tally::new())?;
    same("the bytes of a reading", &whole, &dribbled)?;
    if let Reading::Pieces(new_reader) = format.reading {
        let cut = pieces(new_reader(), input, longest, rng)?;
        same("how the bytes are cut", &whole, &cut)?;
        settled(new_reader(), input, rng)?;
    }
    // Whoever takes the readings may stop them at any of them.
    if whole.total() > 0 {
        let stop = rng.random_range(1..=whole.total());
        let stopped = read(format, Cursor::new(input), Tally::stopping_after(stop))?;
        if stopped.total() != stop {
            return Err(format!("stopped at {} instead of {stop}", stopped.total()));
        }
    }
    Ok(whole)
}

/// Reads all of `file`.
pub(crate) fn read(
    format: &Format,
    mut file: impl LogFile,
    mut tally: Tally,
) -> Result<Counts, String> {
    // Bytes in memory are always readable; a format may refuse a file whose first bytes are not its own.
    let _ = format.read(&mut file, &time(), &mut tally);
    tally.finish()
}

// Any format may be asked about any file.
fn recognition(input: &[u8]) {
    let head = Head::new(&input[..input.len().min(epm_agent::import::HEAD_BYTES)]);
    for format in FORMATS {
        let _ = (format.recognises)(&head);
    }
}

fn same(what: &str, one: &Counts, other: &Counts) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    Err(format!("{what} changed what was read: {one:?}, {other:?}"))
}

fn pieces(
    mut reader: Box<dyn LogReader>,
    mut input: &[u8],
    longest: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Counts, String> {
    let mut tally = Tally::new();
    let time = time();
    while !input.is_empty() {
        let (piece, rest) = input.split_at(rng.random_range(0..=longest.min(input.len())));
        let _ = reader.bytes(piece, &time, &mut tally);
        input = rest;
    }
    let _ = reader.finish(&time, &mut tally);
    tally.finish()
}

// A pause may come anywhere; then what was held back counts as whole, and other readings are right.
fn settled(
    mut reader: Box<dyn LogReader>,
    input: &[u8],
    rng: &mut ChaCha8Rng,
) -> Result<Counts, String> {
    let mut tally = Tally::new();
    let time = time();
    let (before, after) = input.split_at(rng.random_range(0..=input.len()));
    for piece in [before, after] {
        let _ = reader.bytes(piece, &time, &mut tally);
        let _ = reader.settle(&mut tally);
        let _ = reader.settle(&mut tally);
    }
    let _ = reader.finish(&time, &mut tally);
    tally.finish()
}

/// A file that gives a few bytes at a time, and is interrupted.
struct Dribble<'a> {
    bytes: Cursor<&'a [u8]>,
    longest: usize,
    rng: &'a mut ChaCha8Rng,
}

impl<'a> Dribble<'a> {
    fn new(bytes: &'a [u8], longest: usize, rng: &'a mut ChaCha8Rng) -> Self {
        Self {
            bytes: Cursor::new(bytes),
            longest,
            rng,
        }
    }
}

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.random_range(0..64) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.rng.random_range(1..=self.longest).min(buffer.len());
        self.bytes.read(&mut buffer[..count])
    }
}

impl Seek for Dribble<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl LogFile for Dribble<'_> {
    fn next_data(&mut self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }
}
