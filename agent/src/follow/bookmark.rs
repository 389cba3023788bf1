//! The bookmark: how far every followed file was read, kept in the state folder between runs.
//!
//! It is written after the spool has made the observations durable. A crash in between leads to reading a stretch again,
//! and the source keys of its records say that they are the same. It is checked before it is believed; a damaged one is
//! set aside, and then files are read from their beginning.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mark::FileMark;
use crate::disk::{Disk, replace};

/// Its name in the state folder.
const NAME: &str = "follow-bookmark";
/// What a damaged one is renamed to. A later one replaces it: one is enough to look into.
const DAMAGED_NAME: &str = "follow-bookmark.damaged";
/// Raised when an older version could not read what this one writes.
const VERSION: u32 = 1;

/// How far one followed file, or one file of a followed folder, was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Files of this log that were read to their end, oldest first: what the reader remembers comes from them.
    pub(crate) left: Vec<FileMark>,
    /// The file that is read now.
    pub(crate) current: FileMark,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    files: BTreeMap<PathBuf, Entry>,
}

/// The bookmark, and where it is kept.
pub(crate) struct Bookmark {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    is_changed: bool,
    is_damaged: bool,
}

impl std::fmt::Debug for Bookmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bookmark")
            .field("path", &self.path)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl Bookmark {
    /// The bookmark in the folder `state`; an empty one where there is none or it is damaged.
    ///
    /// # Errors
    ///
    /// Where it is there and cannot be read or set aside.
    pub(crate) fn open(state: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let path = state.join(NAME);
        let (entries, is_damaged) = match std::fs::read(&path) {
            Ok(bytes) => match decode(&bytes) {
                Some(entries) => (entries, false),
                None => {
                    disk.rename(&path, &state.join(DAMAGED_NAME))?;
                    disk.sync_directory(state)?;
                    (BTreeMap::new(), true)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), false),
            Err(error) => return Err(error),
        };
        Ok(Self {
            disk,
            path,
            entries,
            is_changed: false,
            is_damaged,
        })
    }

    /// Whether a damaged one was set aside.
    pub(crate) fn was_damaged(&self) -> bool {
        self.is_damaged
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    pub(crate) fn set(&mut self, path: &Path, entry: Entry) {
        if self.entries.get(path) != Some(&entry) {
            self.entries.insert(path.to_owned(), entry);
            self.is_changed = true;
        }
    }

    pub(crate) fn remove(&mut self, path: &Path) -> Option<Entry> {
        let removed = self.entries.remove(path);
        self.is_changed |= removed.is_some();
        removed
    }

    /// The paths directly in `folder` and their entries.
    pub(crate) fn within(&self, folder: &Path) -> Vec<(PathBuf, Entry)> {
        self.entries
            .iter()
            .filter(|(path, _)| path.parent() == Some(folder))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect()
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Makes it durable, where it has changed.
    ///
    /// # Errors
    ///
    /// The disk's. The file then says what it said before, and the next call tries again.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        replace(&*self.disk, &self.path, &encode(&self.entries))?;
        self.is_changed = false;
        Ok(())
    }
}

fn encode(entries: &BTreeMap<PathBuf, Entry>) -> Vec<u8> {
    // Paths that are no text cannot be kept: their files are read anew after a restart, which adds nothing.
    let files = entries
        .iter()
        .filter(|(path, _)| path.to_str().is_some())
        .map(|(path, entry)| (path.clone(), entry.clone()))
        .collect();
    let stored = Stored {
        version: VERSION,
        files,
    };
    let json = serde_json::to_string(&stored).unwrap_or_default();
    format!("{:08x}\n{json}\n", crc32c::crc32c(json.as_bytes())).into_bytes()
}

fn decode(bytes: &[u8]) -> Option<BTreeMap<PathBuf, Entry>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (checksum, json) = text.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    if checksum != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
        return None;
    }
    let stored: Stored = serde_json::from_str(json).ok()?;
    (stored.version == VERSION).then_some(stored.files)
}

#[cfg(test)]
mod tests;
