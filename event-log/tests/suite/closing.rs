//! A log that was closed leaves its folder alone: whoever opens it next is the only one who writes there.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epm_event_log::contract::numbered;
use epm_event_log::disk::{Disk, DiskFile, RealDisk};
use epm_event_log::{EmbeddedLog, EventLog};

use crate::{P0, small};

/// Counts the files that somebody holds for writing, and takes its time over each write.
struct CountingDisk(Arc<AtomicUsize>);

struct CountedFile {
    file: Arc<dyn DiskFile>,
    held: Arc<AtomicUsize>,
}

impl Drop for CountedFile {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

impl DiskFile for CountedFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        (0..10_000).for_each(|_| std::thread::yield_now());
        self.file.write_all_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path)?;
        self.0.fetch_add(1, Ordering::SeqCst);
        let held = Arc::clone(&self.0);
        Ok(Arc::new(CountedFile { file, held }))
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

// The next segment is prepared in a thread; one that outlived the log wrote zeroes over what its successor acknowledged.
#[tokio::test]
async fn nothing_is_written_after_the_log_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let held = Arc::new(AtomicUsize::new(0));
    for round in 0..5 {
        let disk = Arc::new(CountingDisk(Arc::clone(&held)));
        let log = EmbeddedLog::open_on(directory.path(), small(), disk).unwrap();
        // Beyond half of a segment, so that the next one is being prepared.
        let mut entry = numbered(round);
        entry.payload = vec![1; 2500].into();
        log.append(P0, vec![entry]).await.unwrap();
        drop(log);
        assert_eq!(held.load(Ordering::SeqCst), 0, "round {round}");
    }
}
