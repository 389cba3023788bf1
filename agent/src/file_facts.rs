//! What there is to know about a file that somebody wants to run. Everything comes from one open descriptor, so that the
//! facts are about the file that will run and not about another that has its name by then.
//!
//! Where to read: [`contents`] is what the bytes say, [`place`] what lies around them, [`package`] where they came from.
//! Nothing here decides: [`Facts::as_policy`] hands the facts to the policy engine.

pub mod authenticode;
mod cache;
pub mod contents;
mod digests;
mod facts;
mod kind;
pub mod package;
mod pe;
pub mod place;
mod read_at;
pub mod trust;
mod version;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contents::{Contents, Depth, ProgramSignature};
use package::{Owned, Packages};
use place::{Part, Place};
use trust::TrustedRoots;
use version::Version;

pub use cache::{CacheUse, FactsCache, MAX_FILES};
pub use digests::Algorithm;
pub use facts::Facts;
pub use kind::{Interpreter, Kind};
pub use pe::{Machine, StringTable, VersionInfo};
pub use read_at::ReadAt;

/// Whom to ask about a file, beside the file.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// Package databases.
    pub packages: Packages,
    /// Roots that signers are judged by.
    pub roots: TrustedRoots,
}

/// Why there are no facts about a file.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// It cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// As it was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// As it was asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder, a device or the like.
    #[error("{path} is no regular file")]
    NotAFile {
        /// As it was asked for.
        path: PathBuf,
    },
    /// Somebody wrote to it meanwhile, so that its digests are of no moment.
    #[error("{path} changed while it was read")]
    Changed {
        /// As it was asked for.
        path: PathBuf,
    },
}

/// Opens a file without waiting for anybody: a pipe would wait for a writer.
///
/// # Errors
///
/// [`FactsError::Open`], and [`FactsError::NotAFile`] for anything else than a regular file.
pub fn open(path: &Path) -> Result<File, FactsError> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let failed = |source| FactsError::Open {
        path: path.to_owned(),
        source,
    };
    let file = File::from(opened.map_err(|error| failed(error.into()))?);
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(FactsError::NotAFile {
            path: path.to_owned(),
        }),
    }
}

/// Everything about `file`, which was opened as `path`. `now_s` is the time at which certificates are judged, in seconds
/// since 1970.
///
/// # Errors
///
/// [`FactsError`]; in particular where the file changes meanwhile.
pub fn look(
    file: &File,
    path: &Path,
    depth: Depth,
    witnesses: &Witnesses,
    now_s: i64,
) -> Result<Facts, FactsError> {
    facts(file, path, depth, witnesses, now_s, None)
}

/// What rules compare of `file`, as [`look`] finds it, with the help of what was found before.
///
/// # Errors
///
/// As [`look`].
pub fn look_again(
    file: &File,
    path: &Path,
    witnesses: &Witnesses,
    now_s: i64,
    cache: &FactsCache,
) -> Result<Facts, FactsError> {
    facts(file, path, Depth::Rules, witnesses, now_s, Some(cache))
}

fn facts(
    file: &File,
    path: &Path,
    depth: Depth,
    witnesses: &Witnesses,
    now_s: i64,
    cache: Option<&FactsCache>,
) -> Result<Facts, FactsError> {
    let failed = |source| FactsError::Read {
        path: path.to_owned(),
        source,
    };
    let before = Version::of(file).map_err(failed)?;
    let plain = place::path_of(file, path).map_err(failed)?;
    let place = Place::of(file, &plain).map_err(failed)?;
    let owned = match cache {
        Some(cache) => cache.owner(&witnesses.packages, &plain),
        None => witnesses.packages.owner(&plain),
    };
    let owned = owned.map_err(failed)?;
    let md5 = owned.as_ref().is_some_and(Owned::needs_md5);
    let name = facts::file_name(&plain).unwrap_or_default();
    let cache = cache.filter(|_| place.file().is_some_and(Part::only_root_writes));
    let contents = match cache.and_then(|cache| cache.contents(before, name, md5)) {
        Some(known) => known,
        None => {
            let read = Contents::read(file, before.size, name, depth, md5).map_err(failed)?;
            let after = Version::of(file).map_err(failed)?;
            if before != after || read.size != before.size {
                return Err(FactsError::Changed {
                    path: path.to_owned(),
                });
            }
            let read = Arc::new(read);
            if let Some(cache) = cache {
                cache.keep(before, name, &read);
            }
            read
        }
    };
    let signature = contents.program.as_ref().map(|program| &program.signature);
    let chain = match signature {
        Some(ProgramSignature::Embedded(signature)) => {
            Some(witnesses.roots.judge(signature, now_s))
        }
        _ => None,
    };
    Ok(Facts {
        path: plain,
        place: Some(place),
        package: owned.map(|owned| owned.compared(&contents)),
        chain,
        contents,
    })
}
