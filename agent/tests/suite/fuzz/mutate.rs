//! Damages an input as a disk, a person or an attacker would. Everything comes from the generator that it is given, so
//! that one number makes one input again.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Longest input that is made here; longer ones are the hostile streams'.
const LONGEST: usize = 2 << 20;
/// How often a token is repeated at most.
const REPEATS: usize = 100_000;
/// Changes of one input at most: with more, nothing of the format is left.
const CHANGES: usize = 6;

/// What breaks readers of any format: quotes, escapes, separators, ends of numbers, broken encodings, other formats.
const TOKENS: [&[u8]; 72] = [
    b"\"",
    b"'",
    b"\\",
    b"\\\"",
    b"\\\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"\\x00",
    b"\\n",
    b"\"\"",
    b"\"\"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[]",
    b"{\"",
    b"\":",
    b":",
    b"::",
    b",",
    b",,",
    b";",
    b" ; ",
    b" : ",
    b"=",
    b"==",
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\0",
    b"\x1d",
    b"\x1b[0m",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xc3\x28",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xa8",
    b"null",
    b"true",
    b"false",
    b"NaN",
    b"-",
    b"--",
    b"<Null>",
    b"(null)",
    b"\t",
    b"    ",
    b"#012",
    b"#040",
    b"%s",
    b"&lt;",
    b"&#0;",
    b"&#x110000;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<a>",
    b"</a>",
    b"<?x",
    b"<!DOCTYPE a [<!ENTITY b \"bbbb\">]>",
    b"2F62696E2F6C73",
    b"2F0062",
    b"msg='",
    b"0x",
    b"1970-01-01T00:00:00Z",
    b"9999-12-31T23:59:60.999999999+99:99",
    b"Feb 30 24:60:61",
];

/// Ends of the numbers that programs count with, and beyond.
const NUMBERS: [&[u8]; 18] = [
    b"0",
    b"-0",
    b"-1",
    b"1",
    b"127",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"18446744073709551616",
    b"99999999999999999999999999999999999999999",
    b"1e999",
    b"0.00000000000000000001",
    b"00000000000000000000007",
];

/// An input made of `seeds`, which are of one format.
pub(crate) fn input(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut input = window(seeds, rng);
    for _ in 0..rng.random_range(1..=CHANGES) {
        change(&mut input, seeds, rng);
        input.truncate(LONGEST);
    }
    input
}

// A seed, or a piece of a long one: small inputs are tried more often. The first block stays where it is, since some
// formats say there what they are.
fn window(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const SHORT: usize = 16 << 10;
    const BLOCK: usize = 4096;
    let seed = &seeds[rng.random_range(0..seeds.len())];
    if seed.len() <= SHORT {
        return seed.clone();
    }
    if seed.starts_with(b"ElfFile\0") {
        // A log of chunks is cut at its chunks.
        let chunks = (seed.len() - BLOCK).div_ceil(1 << 16).max(1);
        let at = BLOCK + (rng.random_range(0..chunks) << 16);
        let end = (at + (1 << 16)).min(seed.len());
        return [&seed[..BLOCK], &seed[at.min(end)..end]].concat();
    }
    let lines: Vec<usize> = positions(seed, b'\n');
    let at = match lines.len() {
        0 => 0,
        many => lines[rng.random_range(0..many)] + 1,
    };
    let end = (at + SHORT).min(seed.len());
    let head = seed.iter().position(|byte| *byte == b'\n');
    let head = head.map_or(0, |end| (end + 1).min(SHORT));
    if at < head || rng.random_range(0..2) == 0 {
        return seed[at..end].to_vec();
    }
    [&seed[..head], &seed[at..end]].concat()
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..=input.len());
    match rng.random_range(0..17) {
        0 => flip(input, rng),
        1 => input.insert(at, rng.random()),
        2 if at < input.len() => drop(input.remove(at)),
        3 => drop(input.drain(range(input, rng))),
        4 => {
            let block = input[range(input, rng)].to_vec();
            put(input, at, &block);
        }
        5 => {
            let block: Vec<u8> = input.drain(range(input, rng)).collect();
            let at = rng.random_range(0..=input.len());
            put(input, at, &block);
        }
        6 | 7 => put(input, at, TOKENS[rng.random_range(0..TOKENS.len())]),
        8 | 9 => number(input, rng),
        10 => splice(input, seeds, rng),
        11 => input.truncate(at),
        12 => repeat(input, at, rng),
        13 => lines(input, rng),
        14 => line_ends(input),
        15 => word(input, at, seeds, rng),
        _ => value(input, rng),
    }
}

fn flip(input: &mut [u8], rng: &mut ChaCha8Rng) {
    if input.is_empty() {
        return;
    }
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..input.len());
        input[at] ^= 1 << rng.random_range(0..8);
    }
}

// A stretch of the input, most often a short one.
fn range(input: &[u8], rng: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let longest = [8, 64, 1024, input.len()][rng.random_range(0..4)].min(input.len());
    let length = rng.random_range(0..=longest);
    let at = rng.random_range(0..=input.len() - length);
    at..at + length
}

fn put(input: &mut Vec<u8>, at: usize, block: &[u8]) {
    input.splice(at..at, block.iter().copied());
}

fn number(input: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let runs = runs(input, |byte| byte.is_ascii_digit());
    if !runs.is_empty() {
        let (start, end) = runs[rng.random_range(0..runs.len())];
        let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
        input.splice(start..end, number.iter().copied());
    }
}

// The beginning of this input and the end of another one.
fn splice(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    let other = window(seeds, rng);
    input.truncate(rng.random_range(0..=input.len()));
    input.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
}

fn repeat(input: &mut Vec<u8>, at: usize, rng: &mut ChaCha8Rng) {
    let token = match rng.random_range(0..3) {
        0 => input[range(input, rng)].to_vec(),
        _ => TOKENS[rng.random_range(0..TOKENS.len())].to_vec(),
    };
    // A huge repetition now and then, since it takes as long as a thousand others.
    let most = if rng.random_range(0..32) == 0 {
        REPEATS
    } else {
        300
    };
    let most = most.min(LONGEST / token.len().max(1));
    let times = rng.random_range(0..=most);
    put(input, at, &token.repeat(times));
}

// Lines doubled, left out, exchanged or joined.
fn lines(input: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let at = rng.random_range(0..lines.len());
    let other = rng.random_range(0..lines.len());
    match rng.random_range(0..4) {
        0 => lines.insert(at, lines[other]),
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, other),
        _ => lines[at] = lines[at].strip_suffix(b"\n").unwrap_or(lines[at]),
    }
    *input = lines.concat();
}

fn line_ends(input: &mut Vec<u8>) {
    if input.contains(&b'\r') {
        input.retain(|byte| *byte != b'\r');
        return;
    }
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    *input = lines.join(&b"\r\n"[..]);
}

// A word of another place or seed: keys where values should be, and the other way round.
fn word(input: &mut Vec<u8>, at: usize, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    let seed = window(seeds, rng);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    let theirs = runs(&seed, is_word);
    if theirs.is_empty() {
        return;
    }
    let (start, end) = theirs[rng.random_range(0..theirs.len())];
    let ours = runs(input, is_word);
    if ours.is_empty() || rng.random_range(0..3) == 0 {
        return put(input, at, &seed[start..end]);
    }
    let (from, to) = ours[rng.random_range(0..ours.len())];
    input.splice(from..to, seed[start..end].iter().copied());
}

// What stands between two quotes, equals signs, blanks or the like becomes something else.
fn value(input: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let mark = b"\"'= ,;:\n"[rng.random_range(0..8)];
    let marks = positions(input, mark);
    if marks.len() < 2 {
        return;
    }
    let at = rng.random_range(0..marks.len() - 1);
    let token = TOKENS[rng.random_range(0..TOKENS.len())];
    let new = if rng.random_range(0..3) == 0 {
        &b""[..]
    } else {
        token
    };
    input.splice(marks[at] + 1..marks[at + 1], new.iter().copied());
}

fn positions(input: &[u8], wanted: u8) -> Vec<usize> {
    let all = input.iter().enumerate();
    all.filter(|(_, byte)| **byte == wanted)
        .map(|(at, _)| at)
        .collect()
}

/// Where runs of such bytes begin and end.
pub(crate) fn runs(input: &[u8], is_of: impl Fn(u8) -> bool) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut start = None;
    for (at, byte) in input.iter().enumerate() {
        match (is_of(*byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                runs.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        runs.push((from, input.len()));
    }
    runs
}

/// A token that breaks readers.
pub(crate) fn token(rng: &mut ChaCha8Rng) -> &'static [u8] {
    TOKENS[rng.random_range(0..TOKENS.len())]
}
