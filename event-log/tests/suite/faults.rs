//! A disk that fails each operation in turn, or forgets what was not synced: acknowledged is durable, whatever happens.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use epm_event_log::contract::{numbered, read_all};
use epm_event_log::disk::{Disk, DiskFile, RealDisk};
use epm_event_log::{EmbeddedLog, EventLog, LogError, Offset};

use crate::{P0, open, small};

/// Counts operations and fails one of them, and everything after it where the fault is a power cut.
struct FailingDisk {
    operations: Arc<AtomicU64>,
    fail_at: u64,
    /// Half of a failed write reaches the file.
    torn: bool,
}

struct FailingFile {
    file: Arc<dyn DiskFile>,
    operations: Arc<AtomicU64>,
    fail_at: u64,
    torn: bool,
}

fn due(operations: &AtomicU64, fail_at: u64) -> bool {
    operations.fetch_add(1, Ordering::SeqCst) == fail_at
}

fn injected() -> io::Error {
    io::Error::from_raw_os_error(28)
}

impl DiskFile for FailingFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if due(&self.operations, self.fail_at) {
            if self.torn {
                self.file
                    .write_all_at(&bytes[..bytes.len() / 2], position)?;
            }
            return Err(injected());
        }
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        if due(&self.operations, self.fail_at) {
            return Err(injected());
        }
        self.file.sync()
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if due(&self.operations, self.fail_at) {
            return Err(injected());
        }
        Ok(Arc::new(FailingFile {
            file: RealDisk.open(path)?,
            operations: Arc::clone(&self.operations),
            fail_at: self.fail_at,
            torn: self.torn,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if due(&self.operations, self.fail_at) {
            return Err(injected());
        }
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if due(&self.operations, self.fail_at) {
            return Err(injected());
        }
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if due(&self.operations, self.fail_at) {
            return Err(injected());
        }
        RealDisk.sync_directory(path)
    }
}

/// Appends until something fails or the work is done; returns how many entries were acknowledged.
async fn append_until_it_fails(log: &EmbeddedLog) -> (u64, bool) {
    let mut acknowledged = 0;
    let mut failed = false;
    for round in 0..30_u64 {
        let entries = (round * 6..round * 6 + 6).map(numbered).collect();
        match log.append(P0, entries).await {
            Ok(receipt) => {
                assert!(!failed, "nothing is acknowledged after a failed write");
                assert_eq!(receipt.first.0, acknowledged);
                acknowledged = receipt.next.0;
            }
            // Room may come back; this one is not tried again here.
            Err(LogError::Full { .. }) => return (acknowledged, true),
            Err(_) => failed = true,
        }
    }
    (acknowledged, failed)
}

#[tokio::test]
async fn whichever_operation_fails_what_was_acknowledged_is_there_afterwards() {
    for torn in [false, true] {
        let mut fail_at = 0;
        loop {
            let directory = tempfile::tempdir().unwrap();
            let operations = Arc::new(AtomicU64::new(0));
            let disk = FailingDisk {
                operations: Arc::clone(&operations),
                fail_at,
                torn,
            };
            let acknowledged = match EmbeddedLog::open_on(directory.path(), small(), Arc::new(disk))
            {
                Ok(log) => append_until_it_fails(&log).await.0,
                Err(_) => 0,
            };
            let log = open(directory.path());
            let read = read_all(&log, P0, Offset(0)).await;
            assert!(
                read.len() as u64 >= acknowledged,
                "operation {fail_at}: an acknowledged entry is lost"
            );
            for (number, entry) in read.iter().enumerate() {
                assert_eq!(
                    entry.payload,
                    numbered(number as u64).payload,
                    "operation {fail_at}"
                );
            }
            if operations.load(Ordering::SeqCst) <= fail_at {
                break;
            }
            fail_at += 1;
        }
        assert!(fail_at > 100, "the faults reached the work: {fail_at}");
    }
}

/// Keeps beside each file what was synced, so that a power cut can be played.
#[derive(Default)]
struct ForgetfulDisk {
    synced: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    /// Where each open file stands now: a rename moves it.
    paths: Mutex<Vec<Arc<Mutex<PathBuf>>>>,
}

struct ForgetfulFile {
    path: Arc<Mutex<PathBuf>>,
    file: Arc<dyn DiskFile>,
    synced: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
}

impl DiskFile for ForgetfulFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        let path = self.path.lock().unwrap().clone();
        let bytes = std::fs::read(&path)?;
        self.synced.lock().unwrap().insert(path, bytes);
        Ok(())
    }
}

impl Disk for ForgetfulDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let cell = Arc::new(Mutex::new(path.to_owned()));
        self.paths.lock().unwrap().push(Arc::clone(&cell));
        Ok(Arc::new(ForgetfulFile {
            path: cell,
            file: RealDisk.open(path)?,
            synced: Arc::clone(&self.synced),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)?;
        for cell in self.paths.lock().unwrap().iter() {
            let mut path = cell.lock().unwrap();
            if *path == from {
                *path = to.to_owned();
            }
        }
        let mut synced = self.synced.lock().unwrap();
        if let Some(bytes) = synced.remove(from) {
            synced.insert(to.to_owned(), bytes);
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.synced.lock().unwrap().remove(path);
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

#[tokio::test]
async fn a_power_cut_takes_nothing_that_was_acknowledged() {
    for appends in [1, 3, 10, 25, 40] {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(ForgetfulDisk::default());
        let synced = Arc::clone(&disk.synced);
        let log = EmbeddedLog::open_on(directory.path(), small(), disk).unwrap();
        let mut acknowledged = 0;
        for round in 0..appends {
            let entries = (round * 5..round * 5 + 5).map(numbered).collect();
            acknowledged = log.append(P0, entries).await.unwrap().next.0;
        }
        // The power goes: every file falls back to what was synced, and what was never synced is gone.
        let survivors = synced.lock().unwrap().clone();
        drop(log);
        let folder = directory.path().join("p0");
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match survivors.get(&path) {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
        }
        let log = open(directory.path());
        assert_eq!(
            read_all(&log, P0, Offset(0)).await.len() as u64,
            acknowledged
        );
    }
}
