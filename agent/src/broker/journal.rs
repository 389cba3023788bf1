//! Elevations that have begun and not ended, each a file: what was recorded at the start, that the program was started,
//! and how it ended. The process that stands over the program holds the file's lock, so that an agent that starts again
//! knows whether the program still runs; and if it does not, the end is recorded then.
//!
//! The beginning is on the disk before anything else happens, so that no recorded start stays without an end, also after
//! a power cut. The rest need not be: after a power cut the end of a program was not seen, and that is what is recorded.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use epm_proto::ids::SourceKey;
use epm_proto::v1::{self, record::Body};
use prost::Message as _;
use uuid::Uuid;

use super::ending::Ending;
use super::limits::MAX_MESSAGE_BYTES;
use super::wire::{Fields, Inbox, Reader, WireError, framed};
use crate::clock::Clock;
use crate::source::Observation;

/// The folder below the state folder.
const FOLDER: &str = "elevations";
const START: u8 = 1;
/// Of the process that stands over the program: beyond the kinds of [`Ending`].
const STARTING: u8 = 16;

/// The folder of files.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
    boot: [u8; 16],
}

/// One elevation.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    /// Its key.
    pub key: SourceKey,
    /// What was recorded at its start.
    pub start: Observation,
    /// How it ended, where that was seen.
    pub ending: Option<(Ending, Duration)>,
}

impl Journal {
    /// The journal in a state folder.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folder = state.join(FOLDER);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        File::open(state)?.sync_all()?;
        Ok(Self {
            folder,
            boot: Clock::of_this_boot().boot_id(),
        })
    }

    /// Writes down that an elevation begins, on the disk. The file that comes back is locked and for whoever stands over
    /// the program.
    ///
    /// # Errors
    ///
    /// Where it could not be written: then nothing may start.
    pub fn begin(&self, key: SourceKey, start: &Observation) -> io::Result<(PathBuf, File)> {
        let Body::Elevation(elevation) = &start.body else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let path = self.folder.join(key.to_string());
        let mut file = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let message = Fields::new(START)
            .bytes(&self.boot)
            .number(start.observed_at_us as u64)
            .number(start.class as i32 as u64)
            .bytes(&elevation.encode_to_vec())
            .done();
        let written = (|| {
            file.try_lock().map_err(io::Error::from)?;
            file.write_all(&framed(&message))?;
            file.sync_data()?;
            File::open(&self.folder)?.sync_all()
        })();
        match written {
            Ok(()) => Ok((path, file)),
            Err(error) => {
                // Nothing was recorded, so nothing is owed.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Paths of all elevations that are not known to have ended.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn open_entries(&self) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.folder)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    /// What a journal file says, unless the program still runs. An end that is written counts at once: whoever stood over
    /// the program wrote it and may hold the file for a moment longer.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read; `WouldBlock` where the program still runs.
    pub fn read(&self, path: &Path) -> io::Result<Option<Entry>> {
        let mut file = File::open(path)?;
        let mut written = Written::read(&mut file)?;
        if written.as_ref().is_none_or(|it| it.ending.is_none()) {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // What was written before the lock was free.
            written = Written::read(&mut file)?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let key = Uuid::parse_str(&name).ok().map(SourceKey::from);
        let (Some(key), Some(written)) = (key, written) else {
            return Ok(None);
        };
        let Written { start, started, .. } = written;
        // The agent went down between the record and the start.
        let never = (!started && start.boot == self.boot)
            .then_some((Ending::NotStarted(libc::ECANCELED), Duration::ZERO));
        Ok(Some(Entry {
            path: path.to_owned(),
            key,
            start: Observation {
                source_key: Some(key),
                ..start.observation
            },
            ending: written.ending.or(never),
        }))
    }
}

/// Notes that the program is being started: from here on only its end says that it did not run.
///
/// # Errors
///
/// Where it could not be written: then the program must not be started.
pub fn starting(mut journal: &File) -> io::Result<()> {
    journal.write_all(&framed(&[STARTING]))
}

/// Notes how the program ended.
///
/// # Errors
///
/// Where it could not be written: then the end was not seen.
pub fn ended(mut journal: &File, ending: Ending, ran: Duration) -> io::Result<()> {
    journal.write_all(&framed(&ending.encode(ran)))
}

impl Entry {
    /// Forgets the elevation: its end is recorded.
    ///
    /// # Errors
    ///
    /// Where the file cannot be removed.
    pub fn forget(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// What a journal file holds.
struct Written {
    start: Start,
    started: bool,
    ending: Option<(Ending, Duration)>,
}

impl Written {
    /// From the beginning of the file; none where not even the start is whole. What follows the last whole message is torn.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(2 * MAX_MESSAGE_BYTES as u64)
            .read_to_end(&mut bytes)?;
        let mut inbox = Inbox::of(bytes);
        let mut next = || inbox.next_message().ok().flatten();
        let Some(start) = next().and_then(|message| Start::decode(&message).ok()) else {
            return Ok(None);
        };
        let (mut started, mut ending) = (false, None);
        while let Some(message) = next() {
            started |= message == [STARTING];
            ending = ending.or(Ending::decode(&message).ok());
        }
        Ok(Some(Self {
            start,
            started,
            ending,
        }))
    }
}

struct Start {
    boot: [u8; 16],
    observation: Observation,
}

impl Start {
    fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        if fields.byte()? != START {
            return Err(WireError::Value);
        }
        let boot = fields.bytes()?.try_into().map_err(|_| WireError::Value)?;
        let observed_at_us = fields.number()? as i64;
        let class =
            v1::RecordClass::try_from(fields.small::<i32>()?).map_err(|_| WireError::Value)?;
        let elevation = v1::Elevation::decode(fields.bytes()?).map_err(|_| WireError::Value)?;
        fields.end()?;
        Ok(Self {
            boot,
            observation: Observation {
                observed_at_us,
                source_key: None,
                class,
                body: Body::Elevation(elevation),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(journal: &Journal) -> (SourceKey, PathBuf, File) {
        let key = SourceKey::from(Uuid::new_v4());
        let start = Observation {
            observed_at_us: 17,
            source_key: Some(key),
            class: v1::RecordClass::Decision,
            body: Body::Elevation(v1::Elevation::default()),
        };
        let (path, file) = journal.begin(key, &start).expect("it can be written");
        (key, path, file)
    }

    /// What is read once nobody stands over it: a child of another test may hold the lock until it becomes its program.
    fn settled(journal: &Journal, path: &Path) -> Option<Entry> {
        loop {
            match journal.read(path) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                read => return read.expect("it can be read"),
            }
        }
    }

    #[test]
    fn an_elevation_is_read_back_once_nobody_stands_over_it() {
        let state = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(state.path()).expect("it opens");
        let (key, path, file) = begun(&journal);
        let running = journal.read(&path).expect_err("the file is locked");
        assert_eq!(running.kind(), io::ErrorKind::WouldBlock);
        starting(&file).expect("it can be written");
        let ran = Duration::from_millis(5);
        ended(&file, Ending::Exited(3), ran).expect("it can be written");
        drop(file);
        let entry = settled(&journal, &path).expect("whole");
        assert_eq!((entry.key, entry.start.observed_at_us), (key, 17));
        assert_eq!(entry.ending, Some((Ending::Exited(3), ran)));
        entry.forget().expect("it can be removed");
        assert!(journal.open_entries().expect("it can be read").is_empty());
    }

    #[test]
    fn an_end_that_is_written_counts_while_the_file_is_still_held() {
        let state = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(state.path()).expect("it opens");
        let (_, path, file) = begun(&journal);
        starting(&file).expect("it can be written");
        let running = journal.read(&path).expect_err("the file is locked");
        assert_eq!(running.kind(), io::ErrorKind::WouldBlock);
        let ran = Duration::from_millis(5);
        ended(&file, Ending::Exited(3), ran).expect("it can be written");
        let entry = journal.read(&path).expect("it can be read").expect("whole");
        assert_eq!(entry.ending, Some((Ending::Exited(3), ran)));
        drop(file);
    }

    #[test]
    fn what_never_started_and_what_was_not_seen_are_told_apart() {
        let state = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(state.path()).expect("it opens");
        let ending = |journal: &Journal, path: &Path| settled(journal, path).expect("whole").ending;
        let (_, path, file) = begun(&journal);
        drop(file);
        let never = Some((Ending::NotStarted(libc::ECANCELED), Duration::ZERO));
        assert_eq!(ending(&journal, &path), never);
        // After the device itself went down, nobody knows whether the note about the start reached the disk.
        let later = Journal {
            boot: [9; 16],
            ..journal.clone()
        };
        assert_eq!(ending(&later, &path), None);
        let (_, path, file) = begun(&journal);
        starting(&file).expect("it can be written");
        let torn = framed(&Ending::Exited(0).encode(Duration::ZERO));
        (&file).write_all(&torn[..7]).expect("it can be written");
        drop(file);
        assert_eq!(ending(&journal, &path), None);
    }

    #[test]
    fn a_file_that_is_no_entry_is_told_as_damaged() {
        let state = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(state.path()).expect("it opens");
        let (_, path, file) = begun(&journal);
        drop(file);
        let bytes = std::fs::read(&path).expect("it can be read");
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).expect("it can be written");
            assert!(settled(&journal, &path).is_none(), "{length}");
        }
    }
}
