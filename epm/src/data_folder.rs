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
    // The locks go when the files close.
    _locks: [File; 2],
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
        let lock = lock("--data", root, &root.join("server.lock"))?;
        // A processor alone takes the same lock, so that the tables have one writer however they are reached.
        let tables = lock_tables(&root.join("tables"))?;
        Ok(Self {
            root: root.to_owned(),
            _locks: [lock, tables],
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

/// Locks a folder of tables for one writer, for as long as the file lives.
///
/// # Errors
/// [`ExitCode::InUse`] when another process holds the lock, [`ExitCode::DataFolder`] when the folder cannot be written.
pub fn lock_tables(tables: &Path) -> Result<File, Failure> {
    lock("--tables", tables, &tables.join("writer.lock"))
}

fn lock(flag: &str, folder: &Path, path: &Path) -> Result<File, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new(
            ExitCode::DataFolder,
            format!(
                "{flag} {}: the folder cannot be written: {error}",
                folder.display()
            ),
            "Choose a folder that this user may write, or make room on its disk.",
        )
    };
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(unusable)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let holder = std::fs::read_to_string(path).unwrap_or_default();
            let holder = match holder.trim() {
                "" => String::new(),
                id => format!(" (process {id})"),
            };
            return Err(Failure::new(
                ExitCode::InUse,
                format!(
                    "{flag} {}: another server uses this folder{holder}",
                    folder.display()
                ),
                format!("Stop that server, or give this one a folder of its own with {flag}."),
            ));
        }
        Err(error) => return Err(unusable(error.into())),
    }
    // Names the holder for the message above; the lock itself does not depend on it.
    lock.set_len(0).map_err(unusable)?;
    writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
    Ok(lock)
}

/// Folder of the event log in a data folder.
pub fn log_below(root: &Path) -> PathBuf {
    root.join("log")
}

/// Folder of the tables in a data folder.
pub fn tables_below(root: &Path) -> PathBuf {
    root.join("tables")
}
