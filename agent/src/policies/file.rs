//! Policies in a file that root alone can write, read again when it changes.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use epm_policy::file::{FileError, Format, read};
use epm_policy::limits::MAX_POLICY_FILE_BYTES;
use epm_policy::{PolicyError, PolicySet};

/// Others than the owner may write.
const WRITABLE: u32 = 0o022;
/// Only owners may remove from the folder.
const STICKY: u32 = 0o1000;

/// Why policies cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileSourceError {
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

/// A file that may change.
#[derive(Debug)]
pub(super) struct PolicyFile {
    path: PathBuf,
    looked_at: Option<Stamp>,
}

impl PolicyFile {
    /// Reads the file for the first time.
    pub(super) fn open(path: PathBuf) -> Result<(Self, PolicySet), FileSourceError> {
        let (stamp, set) = load(&path)?;
        let looked_at = Some(stamp);
        Ok((Self { path, looked_at }, set))
    }

    /// What the file says now, where it changed since the last look. A version below `kept` is refused.
    pub(super) fn changed(&mut self, kept: u64) -> Result<Option<PolicySet>, FileSourceError> {
        let now = std::fs::metadata(&self.path).ok().map(|of| Stamp::of(&of));
        if now == self.looked_at {
            return Ok(None);
        }
        self.looked_at = now;
        let (stamp, set) = load(&self.path)?;
        self.looked_at = Some(stamp);
        let found = set.policies().version.0;
        if found < kept {
            return Err(FileSourceError::Rollback { found, kept });
        }
        Ok(Some(set))
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

fn load(path: &Path) -> Result<(Stamp, PolicySet), FileSourceError> {
    let failed = |source| FileSourceError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let status = file.metadata().map_err(failed)?;
    if status.uid() != 0 || status.mode() & WRITABLE != 0 {
        return Err(FileSourceError::Unsafe(path.to_owned()));
    }
    let full = std::fs::canonicalize(path).map_err(failed)?;
    for folder in full.ancestors().skip(1) {
        let of = std::fs::metadata(folder).map_err(failed)?;
        let open = of.mode() & WRITABLE != 0 && of.mode() & STICKY == 0;
        if of.uid() != 0 || open {
            return Err(FileSourceError::Unsafe(folder.to_owned()));
        }
    }
    let mut bytes = Vec::new();
    file.take(MAX_POLICY_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let format = Format::of(&path.to_string_lossy());
    let policies = read(format, &bytes).map_err(|source| FileSourceError::File {
        path: path.to_owned(),
        source,
    })?;
    let set = PolicySet::new(policies).map_err(|source| FileSourceError::Policies {
        path: path.to_owned(),
        source,
    })?;
    Ok((Stamp::of(&status), set))
}
