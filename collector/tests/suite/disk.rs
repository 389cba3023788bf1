//! A disk whose syncs can be held, and whose room can run out, while a test looks.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use epm_event_log::disk::{Disk, DiskFile, RealDisk};
use tokio::sync::watch;

/// The real disk behind a gate.
#[derive(Clone)]
pub(crate) struct GatedDisk(Arc<Gate>);

struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    /// Syncs that came to the gate while it was closed.
    held: watch::Sender<u64>,
    no_room: AtomicBool,
    /// Files refused because there was no room.
    refused: watch::Sender<u64>,
    broken: AtomicBool,
}

struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl GatedDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Gate {
            open: Mutex::new(true),
            opened: Condvar::new(),
            held: watch::Sender::new(0),
            no_room: AtomicBool::new(false),
            refused: watch::Sender::new(0),
            broken: AtomicBool::new(false),
        }))
    }

    /// Holds every sync from now on.
    pub(crate) fn close(&self) {
        *self.0.open.lock().expect("gate") = false;
    }

    pub(crate) fn open(&self) {
        *self.0.open.lock().expect("gate") = true;
        self.0.opened.notify_all();
    }

    /// Resolves when a sync stands at the closed gate.
    pub(crate) async fn holds_a_sync(&self) {
        let mut held = self.0.held.subscribe();
        held.wait_for(|syncs| *syncs > 0).await.expect("disk");
    }

    pub(crate) fn run_out_of_room(&self, no_room: bool) {
        self.0.no_room.store(no_room, Ordering::SeqCst);
    }

    /// Resolves when `files` could not be made for want of room.
    pub(crate) async fn refused(&self, files: u64) {
        let mut refused = self.0.refused.subscribe();
        refused
            .wait_for(|count| *count >= files)
            .await
            .expect("disk");
    }

    /// Fails every sync from now on.
    pub(crate) fn break_down(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }
}

impl DiskFile for GatedFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        let mut open = self.gate.open.lock().expect("gate");
        if !*open {
            self.gate.held.send_modify(|syncs| *syncs += 1);
        }
        while !*open {
            open = self.gate.opened.wait(open).expect("gate");
        }
        drop(open);
        if self.gate.broken.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync()
    }
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.0.no_room.load(Ordering::SeqCst) {
            self.0.refused.send_modify(|files| *files += 1);
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(Arc::new(GatedFile {
            file: RealDisk.open(path)?,
            gate: Arc::clone(&self.0),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}
