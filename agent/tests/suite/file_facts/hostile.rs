//! Files that are cut off, damaged or made to break readers: every truncation of some, and mutations of all for as long
//! as `EPM_FUZZ_SECONDS` says, from the number that `EPM_FUZZ_SEED` says.

use std::cell::Cell;
use std::env;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use epm_agent::file_facts::ReadAt;
use epm_agent::file_facts::authenticode::Verification;
use epm_agent::file_facts::contents::{Contents, Depth, Program, ProgramSignature};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

use super::signed::Publisher;
use super::tiny_pe::{self, Table};

const DEFAULT_SECONDS: u64 = 2;
/// Bytes read beside the pass over the file: headers, a certificate table, directories and a version, at their bounds.
const BESIDE: u64 = (4 << 20) + (1 << 20);
/// The longest piece asked for at once: the certificate table.
const LONGEST_PIECE: usize = 4 << 20;
/// One input takes microseconds; a machine under load some thousand times that.
const LONGEST: Duration = Duration::from_secs(20);
/// Numbers that break readers: ends of ranges, signs, and what the format counts in.
const NUMBERS: [u32; 14] = [
    0,
    1,
    7,
    8,
    0x28,
    0x7f,
    0xff,
    0x1000,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_ffff,
];

/// Counts what is asked for, and gives a few bytes at a time.
struct Counting<'a> {
    bytes: &'a [u8],
    longest: usize,
    read: Cell<u64>,
    piece: Cell<usize>,
}

impl ReadAt for Counting<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.piece.set(self.piece.get().max(buffer.len()));
        let count = buffer.len().min(self.longest);
        let count = self.bytes.read_at(&mut buffer[..count], offset)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// What holds for every file, however damaged.
fn check(bytes: &[u8], name: &str) -> Contents {
    let began = Instant::now();
    let size = bytes.len() as u64;
    let whole = Contents::read(&bytes, size, name, Depth::Everything, true);
    let whole = whole.expect("bytes in memory are readable");
    let dribble = Counting {
        bytes,
        longest: 1 + bytes.len() % 97,
        read: Cell::new(0),
        piece: Cell::new(0),
    };
    let again = Contents::read(&dribble, size, name, Depth::Everything, true);
    let again = again.expect("bytes in memory are readable");
    assert_eq!(
        format!("{whole:?}"),
        format!("{again:?}"),
        "how bytes come changed what they say"
    );
    assert_eq!(whole.sha256.0, <[u8; 32]>::from(Sha256::digest(bytes)));
    assert_eq!(whole.size, size);
    assert!(
        dribble.read.get() <= size + BESIDE,
        "{} bytes were read",
        dribble.read.get()
    );
    assert!(
        dribble.piece.get() <= LONGEST_PIECE,
        "{} bytes at once",
        dribble.piece.get()
    );
    assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
    // A size that is not the file's, as where it grows meanwhile.
    for size in [0, size / 2, u64::MAX] {
        let _ = Contents::read(&bytes, size, name, Depth::Rules, false);
    }
    whole
}

/// Programs with and without texts, with signatures of both digests where a signer is installed, and scripts.
fn seeds() -> Vec<Vec<u8>> {
    let strings = [
        ("CompanyName", "Example"),
        ("FileVersion", "1.2.3.4"),
        ("ProductName", "Probe"),
    ];
    let tables = [Table {
        language: "040904b0",
        strings: &strings,
    }];
    let program = tiny_pe::program([1, 2, 3, 4], &tables, b"code");
    let mut seeds = vec![
        program.clone(),
        b"#!/usr/bin/env python3 -u\nprint(1)\n".to_vec(),
        b"\x7fELF\x02\x01\x01".to_vec(),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1].to_vec(),
    ];
    let rsa = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    if let Some(publisher) = Publisher::new(&rsa) {
        let read = |path| fs::read(path).expect("it was made");
        let signed = read(publisher.sign(&program, "publisher", &["-h", "sha1"]));
        seeds.push(read(publisher.sign(
            &signed,
            "publisher",
            &["-h", "sha256", "-nest"],
        )));
        seeds.push(signed);
    }
    seeds
}

#[test]
fn every_truncation_is_read_to_its_end() {
    for seed in seeds() {
        for end in 0..=seed.len() {
            let contents = check(&seed[..end], "probe.exe");
            if let Some(program) = contents.program.filter(|_| end < seed.len()) {
                assert!(
                    !is_signed(&program),
                    "{end} of {} bytes are signed",
                    seed.len()
                );
            }
        }
    }
}

#[test]
fn no_input_breaks_a_reader_of_facts() {
    let number = |name: &str, usual| {
        let given = env::var(name).ok();
        given.map_or(usual, |text| text.parse().expect("a number"))
    };
    let time = Duration::from_secs(number("EPM_FUZZ_SECONDS", DEFAULT_SECONDS));
    let seeds = seeds();
    let digests: Vec<_> = seeds
        .iter()
        .map(|seed| signed_digests(&check(seed, "x")))
        .collect();
    let began = Instant::now();
    let mut seed = number("EPM_FUZZ_SEED", 1);
    let mut programs = 0;
    while began.elapsed() < time {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut input = seeds[rng.random_range(0..seeds.len())].clone();
        for _ in 0..rng.random_range(1..6) {
            damage(&mut input, &seeds, &mut rng);
        }
        let checked = std::panic::catch_unwind(|| check(&input, "probe.exe"));
        let contents = checked.unwrap_or_else(|_| panic!("again: EPM_FUZZ_SEED={seed}"));
        programs += u64::from(contents.program.is_some());
        // Whatever else was damaged: what is signed is what a seed's signer signed.
        for digest in signed_digests(&contents) {
            let known = digests.iter().flatten().any(|known| *known == digest);
            assert!(
                known,
                "another digest is signed; again: EPM_FUZZ_SEED={seed}"
            );
        }
        seed += 1;
    }
    assert!(programs > 0, "nothing of the format was left in any input");
}

/// Digests under signatures that are whole.
fn signed_digests(contents: &Contents) -> Vec<Vec<u8>> {
    let Some(ProgramSignature::Embedded(signature)) =
        contents.program.as_ref().map(|p| &p.signature)
    else {
        return Vec::new();
    };
    let all = signature.nested.iter().chain([&**signature]);
    let whole = all.filter(|signature| signature.verification == Verification::Verified);
    whole.map(|signature| signature.digest.clone()).collect()
}

fn is_signed(program: &Program) -> bool {
    match &program.signature {
        ProgramSignature::Embedded(signature) => {
            signature.verification == Verification::Verified && program.is_digest_of(signature)
        }
        ProgramSignature::None | ProgramSignature::Unreadable => false,
    }
}

fn damage(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    if input.is_empty() {
        return;
    }
    let at = rng.random_range(0..input.len());
    let end = rng.random_range(at..=input.len().min(at + 400));
    match rng.random_range(0..7) {
        0 => input[at] = rng.random(),
        1 => input[at] ^= 1 << rng.random_range(0..8),
        2 | 3 => {
            let number = NUMBERS[rng.random_range(0..NUMBERS.len())].to_le_bytes();
            let width = [1, 2, 4][rng.random_range(0..3)].min(input.len() - at);
            input[at..at + width].copy_from_slice(&number[..width]);
        }
        4 => drop(input.drain(at..end)),
        5 => input.truncate(at),
        _ => {
            let other = &seeds[rng.random_range(0..seeds.len())];
            let from = rng.random_range(0..other.len());
            let to = rng.random_range(from..=other.len().min(from + 400));
            let with = other[from..to].to_vec();
            input.splice(at..end, with);
        }
    }
}

#[test]
fn a_file_of_gigabytes_takes_no_more_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long.exe");
    fs::write(&path, tiny_pe::silent(b"")).expect("written");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it opens");
    file.set_len(1 << 30).expect("a hole takes no room");
    let file = fs::File::open(&path).expect("it opens");
    let longest = Cell::new(0);
    let watched = Watched {
        file: &file,
        longest: &longest,
    };
    let contents = Contents::read(&watched, 1 << 30, "long.exe", Depth::Rules, false);
    assert_eq!(contents.expect("it is readable").size, 1 << 30);
    assert!(
        longest.get() <= 256 << 10,
        "{} bytes at once",
        longest.get()
    );
}

struct Watched<'a> {
    file: &'a fs::File,
    longest: &'a Cell<usize>,
}

impl ReadAt for Watched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.longest.set(self.longest.get().max(buffer.len()));
        ReadAt::read_at(self.file, buffer, offset)
    }
}
