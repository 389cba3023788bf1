//! The policies that the broker decides by: a file that root alone can write, read again when it changes. Where a new one
//! cannot be used, or is older than one that was in force, the last good one stays.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use epm_policy::file::{FileError, Format, read};
use epm_policy::limits::MAX_POLICY_FILE_BYTES;
use epm_policy::{PolicyError, PolicySet, PolicyVersion};

/// Others than the owner may write.
const WRITABLE: u32 = 0o022;
/// Only owners may remove from the folder.
const STICKY: u32 = 0o1000;

/// Why policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody other than root could write it, and so make anybody root.
    #[error("{0} can be changed by others than root: chown root and chmod go-w it")]
    Unsafe(PathBuf),
    /// It says nothing that can be used.
    #[error("{path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Every mistake.
        #[source]
        source: FileError,
    },
    /// A rule breaks a limit.
    #[error("{path} cannot be used")]
    Policies {
        /// The file.
        path: PathBuf,
        /// Every mistake.
        #[source]
        source: PolicyError,
    },
    /// It is older than what is in force.
    #[error("policy version {found} is older than {kept}, which is in force")]
    Rollback {
        /// Its version.
        found: u64,
        /// The version in force.
        kept: u64,
    },
}

/// Which bytes were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Policies that follow a file.
#[derive(Debug)]
pub struct PolicySource {
    path: PathBuf,
    current: RwLock<Arc<PolicySet>>,
    looked_at: Mutex<Option<Stamp>>,
}

impl PolicySource {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: without any policies nothing can be decided.
    pub fn open(path: PathBuf) -> Result<Self, SourceError> {
        let (stamp, set) = load(&path)?;
        Ok(Self {
            path,
            current: RwLock::new(Arc::new(set)),
            looked_at: Mutex::new(Some(stamp)),
        })
    }

    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<PolicySet> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Reads the file again where it changed; the version that is in force from now on where it did.
    ///
    /// # Errors
    ///
    /// [`SourceError`], once for each change. The last good policies stay in force.
    pub fn refresh(&self) -> Result<Option<PolicyVersion>, SourceError> {
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = std::fs::metadata(&self.path).ok().map(|of| Stamp::of(&of));
        if now == *looked_at {
            return Ok(None);
        }
        *looked_at = now;
        let (stamp, set) = load(&self.path)?;
        *looked_at = Some(stamp);
        let (found, kept) = (set.policies().version, self.current().policies().version);
        if found < kept {
            return Err(SourceError::Rollback {
                found: found.0,
                kept: kept.0,
            });
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(Some(found))
    }
}

impl Stamp {
    fn of(status: &std::fs::Metadata) -> Self {
        Self {
            device: status.dev(),
            inode: status.ino(),
            size: status.size(),
            changed: (status.ctime(), status.ctime_nsec()),
        }
    }
}

fn load(path: &Path) -> Result<(Stamp, PolicySet), SourceError> {
    let failed = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let status = file.metadata().map_err(failed)?;
    if status.uid() != 0 || status.mode() & WRITABLE != 0 {
        return Err(SourceError::Unsafe(path.to_owned()));
    }
    let full = std::fs::canonicalize(path).map_err(failed)?;
    for folder in full.ancestors().skip(1) {
        let of = std::fs::metadata(folder).map_err(failed)?;
        let open = of.mode() & WRITABLE != 0 && of.mode() & STICKY == 0;
        if of.uid() != 0 || open {
            return Err(SourceError::Unsafe(folder.to_owned()));
        }
    }
    let mut bytes = Vec::new();
    file.take(MAX_POLICY_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let format = Format::of(&path.to_string_lossy());
    let policies = read(format, &bytes).map_err(|source| SourceError::File {
        path: path.to_owned(),
        source,
    })?;
    let set = PolicySet::new(policies).map_err(|source| SourceError::Policies {
        path: path.to_owned(),
        source,
    })?;
    Ok((Stamp::of(&status), set))
}
