//! Disks that tests work on: a quick one, and one of which an operation fails.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epm_agent::disk::{Disk, DiskFile, RealDisk};

/// A disk that does not wait for the platter: what a test damages by hand need not have reached it.
pub(crate) struct QuickDisk;

pub(crate) struct QuickFile(Box<dyn DiskFile>);

impl DiskFile for QuickFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.0.cut(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for QuickDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(QuickFile(RealDisk.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Counts operations and fails one of them as a full disk does.
pub(crate) struct FailingDisk {
    pub(crate) operations: Arc<AtomicU64>,
    pub(crate) fail_at: u64,
    // Half of a failed write reaches the file.
    pub(crate) torn: bool,
}

pub(crate) struct FailingFile {
    file: Box<dyn DiskFile>,
    operations: Arc<AtomicU64>,
    fail_at: u64,
    torn: bool,
}

fn pass(operations: &AtomicU64, fail_at: u64) -> io::Result<()> {
    match operations.fetch_add(1, Ordering::SeqCst) == fail_at {
        true => Err(io::Error::from_raw_os_error(28)),
        false => Ok(()),
    }
}

impl DiskFile for FailingFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if let Err(error) = pass(&self.operations, self.fail_at) {
            if self.torn {
                self.file
                    .write_all_at(&bytes[..bytes.len() / 2], position)?;
            }
            return Err(error);
        }
        self.file.write_all_at(bytes, position)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        pass(&self.operations, self.fail_at)?;
        self.file.cut(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        pass(&self.operations, self.fail_at)?;
        self.file.sync()
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        pass(&self.operations, self.fail_at)?;
        Ok(Box::new(FailingFile {
            file: QuickDisk.open(path)?,
            operations: Arc::clone(&self.operations),
            fail_at: self.fail_at,
            torn: self.torn,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        pass(&self.operations, self.fail_at)?;
        QuickDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        pass(&self.operations, self.fail_at)?;
        QuickDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        pass(&self.operations, self.fail_at)?;
        QuickDisk.sync_directory(path)
    }
}
