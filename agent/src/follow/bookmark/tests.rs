//! The bookmark as it is kept, damaged and replaced.

use super::*;
use crate::disk::{DiskFile, RealDisk};
use crate::follow::mark::{FileId, Fingerprint};

fn entry(position: u64) -> Entry {
    let mark = FileMark {
        id: FileId {
            device: 1,
            inode: u64::MAX,
        },
        head: Fingerprint::of(b"first"),
        tail: Fingerprint::of(b"last"),
        position,
        settled: position,
        changed_us: i64::MIN,
        ..FileMark::default()
    };
    Entry {
        left: vec![mark.clone()],
        current: mark,
    }
}

fn open(state: &Path) -> Bookmark {
    Bookmark::open(state, Arc::new(RealDisk)).expect("it opens")
}

#[test]
fn what_is_saved_is_there_again() {
    let state = tempfile::tempdir().expect("a folder");
    let mut bookmark = open(state.path());
    bookmark.set(Path::new("/var/log/a"), entry(1));
    bookmark.set(Path::new("/var/log/b"), entry(2));
    bookmark.save().expect("it is saved");
    assert!(!bookmark.is_changed());
    let bookmark = open(state.path());
    assert_eq!(bookmark.get(Path::new("/var/log/b")), Some(&entry(2)));
    assert_eq!(bookmark.within(Path::new("/var/log")).len(), 2);
    assert!(!bookmark.was_damaged());
}

#[test]
fn whichever_byte_flips_a_damaged_bookmark_is_set_aside() {
    let state = tempfile::tempdir().expect("a folder");
    let path = state.path().join(NAME);
    let mut bookmark = open(state.path());
    bookmark.set(Path::new("/var/log/a"), entry(1));
    bookmark.save().expect("it is saved");
    let good = std::fs::read(&path).expect("it can be read");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).expect("it can be written");
        let bookmark = open(state.path());
        assert!(bookmark.was_damaged(), "byte {at}");
        assert_eq!(bookmark.get(Path::new("/var/log/a")), None);
        assert!(!path.exists());
        let aside = std::fs::read(state.path().join(DAMAGED_NAME));
        assert_eq!(aside.expect("it is kept"), bad);
    }
}

// A disk that fails at one operation, counted from the first.
struct FailingDisk {
    operations: std::sync::Mutex<usize>,
    fail_at: usize,
}

impl FailingDisk {
    fn operation(&self) -> io::Result<()> {
        let mut operations = self.operations.lock().expect("no test panics with it");
        *operations += 1;
        match *operations - 1 == self.fail_at {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

struct FailingFile {
    file: Box<dyn DiskFile>,
    disk: Arc<FailingDisk>,
}

impl DiskFile for FailingFile {
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.disk.operation()?;
        self.file.write_all_at(bytes, position)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.disk.operation()?;
        self.file.cut(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.operation()?;
        self.file.sync()
    }
}

struct Shared(Arc<FailingDisk>);

impl Disk for Shared {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.operation()?;
        let file = RealDisk.open(path)?;
        let disk = Arc::clone(&self.0);
        Ok(Box::new(FailingFile { file, disk }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.operation()?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.0.operation()?;
        RealDisk.sync_directory(path)
    }
}

#[test]
fn whichever_operation_fails_the_bookmark_says_the_old_or_the_new() {
    // Open, cut, write, sync, rename, sync of the folder.
    for fail_at in 0..6 {
        let state = tempfile::tempdir().expect("a folder");
        let mut bookmark = open(state.path());
        bookmark.set(Path::new("/a"), entry(1));
        bookmark.save().expect("it is saved");
        let disk = Arc::new(FailingDisk {
            operations: std::sync::Mutex::new(0),
            fail_at,
        });
        let mut bookmark = Bookmark::open(state.path(), Arc::new(Shared(disk))).expect("it opens");
        bookmark.set(Path::new("/a"), entry(2));
        assert!(bookmark.save().is_err(), "operation {fail_at}");
        assert!(bookmark.is_changed());
        let found = open(state.path());
        let position = found
            .get(Path::new("/a"))
            .map(|entry| entry.current.position);
        assert!(!found.was_damaged());
        assert!(matches!(position, Some(1 | 2)), "operation {fail_at}");
        bookmark.save().expect("the next one succeeds");
        assert_eq!(open(state.path()).get(Path::new("/a")), Some(&entry(2)));
    }
}
