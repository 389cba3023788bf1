//! From the name that somebody asked for to the one file that is judged and run. Names are followed with the rights of
//! whoever asks, and from then on only the descriptor counts.
//!
//! A file that somebody other than root could change is copied once it may run, and the copy is what runs: it must be what
//! was judged.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, MemfdFlags, Mode, OFlags, ResolveFlags, SealFlags, StatVfsMountFlags};

use sha2::{Digest as _, Sha256};

use super::limits::MAX_COPIED_BYTES;
use super::visible::visible;
use crate::launch;
use crate::platform::linux::as_user::as_user;
use crate::platform::linux::peer::Peer;

/// Others than the owner may write.
const WRITABLE: u32 = 0o022;
/// Somebody may execute it.
const EXECUTABLE: u32 = 0o111;

/// A program that was found.
#[derive(Debug)]
pub struct Program {
    /// The file.
    pub file: File,
    /// Its path, as it leads to the file from the agent's root.
    pub path: PathBuf,
    /// What [`Program::hold`] has to copy; `None` where only root can change it.
    copied_bytes: Option<u64>,
}

/// A program that can no longer change.
#[derive(Debug)]
pub struct Held {
    /// What runs: the file, or a sealed copy.
    pub runs: OwnedFd,
    /// Its first two bytes are `#!`.
    pub script: bool,
}

/// Why there is no program to judge.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// There is none that the asking person can reach.
    #[error("{0}: command not found")]
    NotFound(String),
    /// It is a folder, a device or the like.
    #[error("{0} is no program: it is not a regular file")]
    NotAFile(String),
    /// Nobody may execute it.
    #[error("{0} is no program: nobody may execute it (chmod +x)")]
    NotExecutable(String),
    /// The administrator of the device wants nothing from there to be run.
    #[error(
        "{0} lies on a file system from which nothing may be run; let an administrator install it"
    )]
    NoExecution(String),
    /// It lies where paths mean something else than to the agent.
    #[error(
        "{0} lies on a file system that only some processes see; copy it to an ordinary folder"
    )]
    Elsewhere(String),
    /// Its owner could change it while it runs, and it is too large to be copied.
    #[error("{0} belongs to a user and has more than {MAX_COPIED_BYTES} bytes; let root own it")]
    TooLarge(String),
    /// It is not what was judged any more.
    #[error("{0} changed while it was judged: try again")]
    Changed(String),
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Finds and opens what `name` means to whoever asks, from `folder`.
///
/// # Errors
///
/// [`ProgramError`], which is for the person.
pub fn open(name: &Path, folder: &OwnedFd, peer: &Peer) -> Result<Program, ProgramError> {
    let shown = || visible(&name.to_string_lossy());
    let found = launch::find(name).ok_or_else(|| ProgramError::NotFound(shown()))?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let place = as_user(peer.uid, peer.gid, &peer.groups, || {
        rustix::fs::openat(folder, &found, flags, Mode::empty())
    });
    let place = place
        .and_then(|opened| opened.map_err(io::Error::from))
        .map_err(|_| ProgramError::NotFound(shown()))?;
    of(&place, name)
}

/// The program that an open file is. `name` is how it was asked for.
///
/// # Errors
///
/// [`ProgramError`], which is for the person.
pub fn of(place: &OwnedFd, name: &Path) -> Result<Program, ProgramError> {
    let shown = || visible(&name.to_string_lossy());
    let kind = rustix::fs::fstat(place).map_err(|_| ProgramError::NotFound(shown()))?;
    if !rustix::fs::FileType::from_raw_mode(kind.st_mode).is_file() {
        return Err(ProgramError::NotAFile(shown()));
    }
    if kind.st_mode & EXECUTABLE == 0 {
        return Err(ProgramError::NotExecutable(shown()));
    }
    let path = plain_path(place).ok_or_else(|| ProgramError::Elsewhere(shown()))?;
    let failed = |source| ProgramError::Read {
        path: visible(&path.to_string_lossy()),
        source,
    };
    let file = reopen(place).map_err(failed)?;
    let mount = rustix::fs::fstatvfs(&file).map_err(|error| failed(error.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(ProgramError::NoExecution(shown()));
    }
    // On a file system that somebody else brought, ids of owners mean nothing.
    let foreign = mount.f_flag.contains(StatVfsMountFlags::NOSUID);
    let status = file.metadata().map_err(failed)?;
    let changeable = foreign || status.uid() != 0 || status.mode() & WRITABLE != 0;
    Ok(Program {
        copied_bytes: changeable.then_some(status.len()),
        file,
        path,
    })
}

impl Program {
    /// Whether somebody other than root could change it.
    #[must_use]
    pub fn is_changeable(&self) -> bool {
        self.copied_bytes.is_some()
    }

    /// Memory that holding it takes, in bytes.
    #[must_use]
    pub fn copied_bytes(&self) -> usize {
        usize::try_from(self.copied_bytes.unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Sees to it that the program cannot change any more, and that it is the one with this digest.
    ///
    /// # Errors
    ///
    /// [`ProgramError`], which is for the person.
    pub fn hold(&self, judged: Option<[u8; 32]>) -> Result<Held, ProgramError> {
        let shown = || visible(&self.path.to_string_lossy());
        let failed = |source| ProgramError::Read {
            path: shown(),
            source,
        };
        let runs = match self.copied_bytes {
            None => OwnedFd::from(self.file.try_clone().map_err(failed)?),
            Some(bytes) if bytes > MAX_COPIED_BYTES => {
                return Err(ProgramError::TooLarge(shown()));
            }
            Some(bytes) => {
                let (copy, digest) = copy(&self.file, bytes).map_err(failed)?;
                if judged != Some(digest) {
                    return Err(ProgramError::Changed(shown()));
                }
                copy
            }
        };
        let mut first = [0; 2];
        let read = File::from(runs.try_clone().map_err(failed)?).read_at(&mut first, 0);
        let script = read.map_err(failed)? == 2 && first == *b"#!";
        Ok(Held { runs, script })
    }
}

/// The path of an open file or folder, where it leads to that file from here: a folder that was mounted in a namespace of
/// some user has a path too, which names another file to everybody else.
pub fn plain_path(place: &OwnedFd) -> Option<PathBuf> {
    let number = rustix::fd::AsRawFd::as_raw_fd(place);
    let path = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let again = rustix::fs::openat2(rustix::fs::CWD, &path, flags, Mode::empty(), resolve).ok()?;
    let id = |file: &OwnedFd| rustix::fs::fstat(file).map(|of| (of.st_dev, of.st_ino));
    let same = id(place).ok()? == id(&again).ok()? && mount(place)? == mount(&again)?;
    (same && path.as_os_str().as_bytes().starts_with(b"/")).then_some(path)
}

fn mount(place: &OwnedFd) -> Option<u64> {
    let mask = rustix::fs::StatxFlags::from_bits_retain(0x1000);
    let status = rustix::fs::statx(place, "", AtFlags::EMPTY_PATH, mask).ok()?;
    Some(status.stx_mnt_id)
}

/// For reading, and certainly the same file.
fn reopen(place: &OwnedFd) -> io::Result<File> {
    let number = rustix::fd::AsRawFd::as_raw_fd(place);
    File::open(format!("/proc/self/fd/{number}"))
}

/// A copy in memory that nobody can change any more, and its digest. A file that grows meanwhile is cut, and so another.
fn copy(file: &File, bytes: u64) -> io::Result<(OwnedFd, [u8; 32])> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
    let mut copy = File::from(rustix::fs::memfd_create(c"elevated", flags)?);
    let mut from = file;
    from.rewind()?;
    io::copy(&mut from.take(bytes), &mut copy)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(copy.as_fd(), seals)?;
    // Only for reading from here on: what is open for writing cannot be run.
    let mut sealed = reopen(&OwnedFd::from(copy))?;
    let digest = digest(&mut sealed)?;
    sealed.rewind()?;
    Ok((OwnedFd::from(sealed), digest))
}

fn digest(file: &mut File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(&buffer[..count]),
        }
    }
}
