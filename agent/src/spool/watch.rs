//! Reads along a spool that another process writes: each record once, delivered or not, in the order in which they came.
//! It must not write, and it does not keep the writer from deleting: what was delivered and deleted between two looks is
//! missed, which takes a whole segment in that time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::recovery::parse_name;
use super::segment::{self, Header};
use super::{Place, WaitingRecord};

/// What a segment file was at the last look: another file, or a longer one, is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    inode: u64,
    bytes: u64,
}

/// A reader beside a spool.
#[derive(Debug)]
pub struct SpoolWatch {
    directory: PathBuf,
    /// Records below are known.
    next: Place,
    seen: BTreeMap<PathBuf, Seen>,
}

impl SpoolWatch {
    /// Reads along the spool in the folder `state`, from its oldest record.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self {
            directory: state.join("spool"),
            next: Place::default(),
            seen: BTreeMap::new(),
        }
    }

    /// The records that came since the last look.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be listed, or a file not be read. A spool that is not there holds nothing.
    pub fn look(&mut self) -> io::Result<Vec<WaitingRecord>> {
        let mut files = BTreeMap::new();
        let listed = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        for item in listed {
            let path = item?.path();
            if let Some(name) = parse_name(&path) {
                files.insert(name, path);
            }
        }
        self.seen.retain(|path, _| path.exists());
        let mut records = Vec::new();
        for ((epoch, first), path) in files {
            self.read(epoch, first, &path, &mut records)?;
        }
        Ok(records)
    }

    fn read(
        &mut self,
        epoch: u64,
        first: u64,
        path: &Path,
        records: &mut Vec<WaitingRecord>,
    ) -> io::Result<()> {
        let mut file = match File::open(path) {
            // Delivered and deleted since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let status = file.metadata()?;
        let now = Seen {
            inode: status.ino(),
            bytes: status.len(),
        };
        if self.seen.get(path) == Some(&now) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if Header::decode(&bytes).is_none() {
            return Ok(());
        }
        for entry in segment::read(&bytes, first).entries {
            let place = Place {
                epoch,
                sequence: entry.sequence,
            };
            if place < self.next {
                continue;
            }
            self.next = Place {
                sequence: entry.sequence + 1,
                ..place
            };
            let start = entry.offset as usize;
            let record = &bytes[start..start + entry.length as usize];
            records.push(WaitingRecord {
                epoch,
                sequence: entry.sequence,
                class: entry.class,
                bytes: record.to_vec().into(),
            });
        }
        self.seen.insert(path.to_owned(), now);
        Ok(())
    }
}
