//! Waits until something changes in a folder, as the kernel tells it. What it tells is a hint: every path is looked at
//! now and then anyway, and nothing depends on a hint that is lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// Bytes of hints read at once.
const EVENT_BYTES: usize = 8 * 1024;

/// Names to be told about, by their folder; every name where there are none.
pub(super) type Names = BTreeMap<PathBuf, Option<BTreeSet<Vec<u8>>>>;

/// The kernel's hints about some folders.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: AsyncFd<OwnedFd>,
    folders: HashMap<i32, PathBuf>,
}

impl Watch {
    /// Within a runtime.
    ///
    /// # Errors
    ///
    /// Where the kernel has none to give; then only looking now and then helps.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "unsound only for types that change their descriptor; an owned one does not"
        )]
        let inotify = AsyncFd::new(inotify)?;
        Ok(Self {
            inotify,
            folders: HashMap::new(),
        })
    }

    /// Asks for hints about `names`. A folder that is not there is asked for again with the next call.
    pub(super) fn ask_for(&mut self, names: &Names) {
        let flags = WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        for folder in names.keys() {
            // Asking again for the same folder changes nothing, and finds one that was replaced by another.
            if let Ok(number) = inotify::add_watch(self.inotify.get_ref(), folder, flags) {
                self.folders.retain(|_, known| known != folder);
                self.folders.insert(number, folder.clone());
            }
        }
    }

    /// Waits for a hint about one of `names`.
    pub(super) async fn changed(&self, names: &Names) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            if self.read_hints(names)? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    // Whether there was one; reads until there are no more.
    fn read_hints(&self, names: &Names) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BYTES];
        let mut hints = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut is_told = false;
        loop {
            match hints.next() {
                Ok(hint) => is_told |= self.is_about(names, &hint),
                Err(Errno::AGAIN) => return Ok(is_told),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_about(&self, names: &Names, hint: &inotify::Event<'_>) -> bool {
        if hint.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            return true;
        }
        let Some(names) = self
            .folders
            .get(&hint.wd())
            .and_then(|folder| names.get(folder))
        else {
            return false;
        };
        match (names, hint.file_name()) {
            (Some(names), Some(name)) => names.contains(name.to_bytes()),
            _ => true,
        }
    }
}
