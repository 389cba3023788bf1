//! Everything that a file's bytes say, in one pass over them beside a few short reads. Memory is bounded whatever the
//! file's size. It must not know where the file lies.

use std::io;

use epm_policy::Sha256;

use super::authenticode::{self, EmbeddedSignature};
use super::digests::{self, Algorithm, Wanted};
use super::kind::{HEAD_BYTES, Kind};
use super::pe::{Certificates, Layout, Machine, VersionInfo};
use super::read_at::{ReadAt, piece};

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What rules compare.
    Rules,
    /// Also digests that people look files up by.
    Everything,
}

/// What a file's bytes say.
#[derive(Clone, Debug)]
pub struct Contents {
    /// How many there are.
    pub size: u64,
    /// SHA-256 of all of them.
    pub sha256: Sha256,
    /// SHA-1 of all of them, where everything was asked.
    pub sha1: Option<[u8; 20]>,
    /// MD5 of all of them, where a package knows the file by it.
    pub(super) md5: Option<[u8; 16]>,
    /// The sort of file.
    pub kind: Kind,
    /// What only Windows programs have.
    pub program: Option<Program>,
}

/// What a Windows program says.
#[derive(Clone, Debug)]
pub struct Program {
    /// The processor that it is for.
    pub machine: Machine,
    /// Its version resource.
    pub version: Option<VersionInfo>,
    /// Digests as Authenticode takes them.
    pub digests: Vec<(Algorithm, Vec<u8>)>,
    /// Its signature.
    pub signature: ProgramSignature,
}

/// What stands where a program's signature belongs.
#[derive(Clone, Debug)]
pub enum ProgramSignature {
    /// Nothing.
    None,
    /// Something that cannot be read.
    Unreadable,
    /// A signature.
    Embedded(Box<EmbeddedSignature>),
}

impl Program {
    /// Whether the digest that was signed is the digest of these bytes; none without a signature.
    #[must_use]
    pub fn digest_matches(&self) -> Option<bool> {
        match &self.signature {
            ProgramSignature::Embedded(signature) => Some(self.is_digest_of(signature)),
            ProgramSignature::None | ProgramSignature::Unreadable => None,
        }
    }

    /// Whether `signature`, nested or not, is over these bytes.
    #[must_use]
    pub fn is_digest_of(&self, signature: &EmbeddedSignature) -> bool {
        let mut digests = self.digests.iter();
        digests.any(|(algorithm, digest)| {
            *algorithm == signature.algorithm && *digest == signature.digest
        })
    }
}

impl Contents {
    /// Reads `source`, which has `size` bytes and is called `name`.
    pub fn read(
        source: &dyn ReadAt,
        size: u64,
        name: &str,
        depth: Depth,
        md5: bool,
    ) -> io::Result<Self> {
        let layout = Layout::read(source, size)?;
        let signature = match layout.as_ref().map(|layout| &layout.certificates) {
            None | Some(Certificates::None) => ProgramSignature::None,
            Some(Certificates::Outside) => ProgramSignature::Unreadable,
            Some(Certificates::At(table)) => match authenticode::read(source, table.clone())? {
                Ok(signature) => ProgramSignature::Embedded(Box::new(signature)),
                Err(_) => ProgramSignature::Unreadable,
            },
        };
        let wanted = Wanted {
            sha1: depth == Depth::Everything,
            md5,
            ..match &layout {
                Some(layout) => authenticode_digests(layout, &signature, depth),
                None => Wanted::default(),
            }
        };
        let digests = digests::of(source, &wanted)?;
        let kind = match layout {
            Some(_) => Kind::WindowsProgram,
            None => Kind::of(&piece(source, 0, HEAD_BYTES)?, name),
        };
        let program = match layout {
            Some(layout) => Some(Program {
                machine: layout.machine,
                version: layout.version(source)?,
                digests: digests.authenticode,
                signature,
            }),
            None => None,
        };
        Ok(Self {
            size: digests.bytes,
            sha256: digests.sha256,
            sha1: digests.sha1,
            md5: digests.md5,
            kind,
            program,
        })
    }
}

fn authenticode_digests(layout: &Layout, signature: &ProgramSignature, depth: Depth) -> Wanted {
    let mut algorithms = match depth {
        Depth::Rules => Vec::new(),
        Depth::Everything => vec![Algorithm::Sha1, Algorithm::Sha256],
    };
    if let ProgramSignature::Embedded(signature) = signature {
        algorithms.push(signature.algorithm);
        if depth == Depth::Everything {
            algorithms.extend(signature.nested.iter().map(|nested| nested.algorithm));
        }
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    let mut left_out = layout.unsigned_ranges.clone();
    if let Certificates::At(table) = &layout.certificates {
        left_out.push(table.clone());
    }
    left_out.sort_unstable_by_key(|range| range.start);
    Wanted {
        authenticode: algorithms,
        left_out,
        pad: layout.certificates == Certificates::None,
        ..Wanted::default()
    }
}
