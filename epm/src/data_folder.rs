//! The data folder: where everything lies below it, and the lock that keeps a second server out.
//!
//! It must not look into the log or the tables; those belong to their crates.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::failure::{ExitCode, Failure};

/// A folder with `log/` and `tables/`, locked against other servers for as long as the value lives.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    // The lock goes when the file closes.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder where it is missing, locks it and checks that it can be written.
    ///
    /// # Errors
    /// [`ExitCode::InUse`] when another process holds the lock, [`ExitCode::DataFolder`] when the folder cannot be
    /// created or written.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            Failure::new(
                ExitCode::DataFolder,
                format!(
                    "--data {}: the folder cannot be written: {error}",
                    root.display()
                ),
                "Choose a folder that this user may write, or make room on its disk.",
            )
        };
        std::fs::create_dir_all(root.join("log")).map_err(unusable)?;
        std::fs::create_dir_all(root.join("tables")).map_err(unusable)?;
        let lock_path = root.join("server.lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = std::fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => String::new(),
                    id => format!(" (process {id})"),
                };
                return Err(Failure::new(
                    ExitCode::InUse,
                    format!(
                        "--data {}: another server uses this folder{holder}",
                        root.display()
                    ),
                    "Stop that server, or give this one a folder of its own with --data.",
                ));
            }
            Err(error) => return Err(unusable(error.into())),
        }
        // Names the holder for the message above; the lock itself does not depend on it.
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// Folder of the event log.
    pub fn log(&self) -> PathBuf {
        log_below(&self.root)
    }

    /// Folder that holds one folder for each table.
    pub fn tables(&self) -> PathBuf {
        tables_below(&self.root)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Folder of the event log in a data folder.
pub fn log_below(root: &Path) -> PathBuf {
    root.join("log")
}

/// Folder of the tables in a data folder.
pub fn tables_below(root: &Path) -> PathBuf {
    root.join("tables")
}
