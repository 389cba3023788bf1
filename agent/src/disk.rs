//! The few file operations that durability rests on, behind a trait so that each can be made to fail in a test.
//!
//! Reading needs no such joint: a failed read loses nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An open file that the spool writes.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    ///
    /// The system's.
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Cuts the file at `bytes`.
    ///
    /// # Errors
    ///
    /// The system's.
    fn cut(&self, bytes: u64) -> io::Result<()>;

    /// Makes the written bytes durable (fdatasync).
    ///
    /// # Errors
    ///
    /// The system's. What is durable after an error is unknown.
    fn sync(&self) -> io::Result<()>;
}

/// The disk.
pub trait Disk: Send + Sync {
    /// Opens `path` for writing; creates it where it is absent.
    ///
    /// # Errors
    ///
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, replacing the target.
    ///
    /// # Errors
    ///
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// The system's.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// Writes `bytes` to `path` so that a reader finds the old content or the new, and after a power cut the same.
///
/// # Errors
///
/// The disk's; `path` then holds its old content.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let file = disk.open(&temporary)?;
    file.cut(0)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => disk.sync_directory(directory),
        None => Ok(()),
    }
}

/// Whether an error says that there is no room: it passes when somebody makes room.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The operating system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}
