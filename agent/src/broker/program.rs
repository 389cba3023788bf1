//! From the name that somebody asked for to the one file that is judged and run. Names are followed with the rights of
//! whoever asks, and from then on only the descriptor counts.
//!
//! A file that somebody other than root could change while it is judged is copied first, and the copy is what runs.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, MemfdFlags, Mode, OFlags, ResolveFlags, SealFlags};

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

/// A program that was found and can no longer change.
#[derive(Debug)]
pub struct Program {
    /// What runs: the file, or a sealed copy.
    pub runs: OwnedFd,
    /// The file as it was found, for its place.
    pub file: File,
    /// Its path, as it leads to the file from the agent's root.
    pub path: PathBuf,
    /// SHA-256 of the copy, where it is one: what was judged must have the same.
    pub copy: Option<[u8; 32]>,
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
    /// It lies where paths mean something else than to the agent.
    #[error(
        "{0} lies on a file system that only some processes see; copy it to an ordinary folder"
    )]
    Elsewhere(String),
    /// Its owner could change it while it runs, and it is too large to be copied.
    #[error("{0} belongs to a user and has more than {MAX_COPIED_BYTES} bytes; let root own it")]
    TooLarge(String),
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
    let kind = rustix::fs::fstat(&place).map_err(|_| ProgramError::NotFound(shown()))?;
    if !rustix::fs::FileType::from_raw_mode(kind.st_mode).is_file() {
        return Err(ProgramError::NotAFile(shown()));
    }
    if kind.st_mode & EXECUTABLE == 0 {
        return Err(ProgramError::NotExecutable(shown()));
    }
    let path = plain_path(&place).ok_or_else(|| ProgramError::Elsewhere(shown()))?;
    let failed = |source| ProgramError::Read {
        path: visible(&path.to_string_lossy()),
        source,
    };
    let file = reopen(&place).map_err(failed)?;
    let (runs, copy) = match only_root_writes(&file).map_err(failed)? {
        true => (OwnedFd::from(file.try_clone().map_err(failed)?), None),
        false => match copy(&file).map_err(failed)? {
            Some((copy, digest)) => (copy, Some(digest)),
            None => return Err(ProgramError::TooLarge(shown())),
        },
    };
    let mut first = [0; 2];
    let read = File::from(runs.try_clone().map_err(failed)?).read_at(&mut first, 0);
    let script = read.map_err(failed)? == 2 && first == *b"#!";
    Ok(Program {
        runs,
        file,
        path,
        copy,
        script,
    })
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

fn only_root_writes(file: &File) -> io::Result<bool> {
    let status = file.metadata()?;
    Ok(status.uid() == 0 && status.mode() & WRITABLE == 0)
}

/// A copy in memory that nobody can change any more, and its digest; `None` where the file is too large.
fn copy(file: &File) -> io::Result<Option<(OwnedFd, [u8; 32])>> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::EXEC;
    let mut copy = File::from(rustix::fs::memfd_create(c"elevated", flags)?);
    let copied = io::copy(&mut file.take(MAX_COPIED_BYTES + 1), &mut copy)?;
    if copied > MAX_COPIED_BYTES {
        return Ok(None);
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(copy.as_fd(), seals)?;
    // Only for reading from here on: what is open for writing cannot be run.
    let mut sealed = reopen(&OwnedFd::from(copy))?;
    let digest = digest(&mut sealed)?;
    sealed.rewind()?;
    Ok(Some((OwnedFd::from(sealed), digest)))
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
