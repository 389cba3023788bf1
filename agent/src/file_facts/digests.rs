//! Every digest of a file in one pass over it. It must not decide which digests are needed, nor keep the bytes.

use std::io;
use std::ops::Range;

use epm_policy::Sha256;
use md5::Md5;
use ring::digest;
use sha2::Digest as _;

use super::read_at::{ReadAt, fill};

/// Bytes read at once: far above a page, and all of it stays in the second-level cache.
const BUFFER_BYTES: usize = 256 << 10;
/// Programs are hashed as if they were this many bytes long, or a multiple of it.
const AUTHENTICODE_ALIGNMENT: u64 = 8;

/// Digests that signatures are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of the algorithms")]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The word for it in documents.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn ring(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// The digest of `bytes`.
    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.ring(), bytes).as_ref().to_vec()
    }
}

/// Which digests are taken beside SHA-256.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) sha1: bool,
    /// What dpkg knows a file by.
    pub(super) md5: bool,
    /// Authenticode digests, each once.
    pub(super) authenticode: Vec<Algorithm>,
    /// What Authenticode leaves out, in the order of the file.
    pub(super) left_out: Vec<Range<u64>>,
    /// The file has no signature yet: Authenticode pads it with zeros, as signing would.
    pub(super) pad: bool,
}

/// Digests of one file.
#[derive(Clone, Debug)]
pub(super) struct Digests {
    pub(super) bytes: u64,
    pub(super) sha256: Sha256,
    pub(super) sha1: Option<[u8; 20]>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) authenticode: Vec<(Algorithm, Vec<u8>)>,
}

/// Reads all of `source` once.
pub(super) fn of(source: &dyn ReadAt, wanted: &Wanted) -> io::Result<Digests> {
    let mut sha256 = sha2::Sha256::new();
    let sha1 = Algorithm::Sha1.ring();
    let mut sha1 = wanted.sha1.then(|| digest::Context::new(sha1));
    let mut md5 = wanted.md5.then(Md5::new);
    let new = |algorithm: &Algorithm| (*algorithm, digest::Context::new(algorithm.ring()));
    let mut authenticode: Vec<_> = wanted.authenticode.iter().map(new).collect();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = 0;
    loop {
        let count = fill(source, &mut buffer, at)?;
        let bytes = &buffer[..count];
        sha256.update(bytes);
        if let Some(sha1) = &mut sha1 {
            sha1.update(bytes);
        }
        if let Some(md5) = &mut md5 {
            md5.update(bytes);
        }
        for (_, context) in &mut authenticode {
            covered(bytes, at, &wanted.left_out, |covered| {
                context.update(covered)
            });
        }
        at += count as u64;
        if count < buffer.len() {
            break;
        }
    }
    if wanted.pad {
        let missing = at.next_multiple_of(AUTHENTICODE_ALIGNMENT) - at;
        let zeros = [0; AUTHENTICODE_ALIGNMENT as usize];
        for (_, context) in &mut authenticode {
            context.update(&zeros[..missing as usize]);
        }
    }
    let finished = authenticode.into_iter();
    Ok(Digests {
        bytes: at,
        sha256: Sha256(sha256.finalize().into()),
        sha1: sha1.and_then(|sha1| sha1.finish().as_ref().try_into().ok()),
        md5: md5.map(|md5| md5.finalize().into()),
        authenticode: finished
            .map(|(algorithm, context)| (algorithm, context.finish().as_ref().to_vec()))
            .collect(),
    })
}

/// The parts of `bytes`, which begin at `at` of the file, that are in none of the ranges.
fn covered(bytes: &[u8], at: u64, left_out: &[Range<u64>], mut take: impl FnMut(&[u8])) {
    let end = at + bytes.len() as u64;
    let mut from = at;
    let within = |offset: u64| (offset - at) as usize;
    for range in left_out {
        let (start, stop) = (range.start.clamp(from, end), range.end.clamp(from, end));
        take(&bytes[within(from)..within(start)]);
        from = stop;
    }
    take(&bytes[within(from)..]);
}
