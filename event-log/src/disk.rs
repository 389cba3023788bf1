//! The few file operations that durability rests on, behind a trait so that each can be made to fail in a test.
//!
//! Reading needs no such joint: a failed read loses nothing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// An open file that the log writes.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    ///
    /// The system's.
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

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
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

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

/// The operating system's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
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
