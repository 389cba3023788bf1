//! Elevations that have begun and not ended, each a file: what was recorded at the start, and at the end how it ended. The
//! process that stands over the program holds the file's lock, so that an agent that starts again knows whether the
//! program still runs; and if it does not, the end is recorded then.
//!
//! The files need not survive the device: whoever finds one with no end and no lock knows that the end was not seen.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
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
use crate::source::Observation;

/// The folder below the state folder.
const FOLDER: &str = "elevations";
const START: u8 = 1;

/// The folder of files.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
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
        Ok(Self { folder })
    }

    /// Writes down that an elevation begins. The file that comes back is locked and for whoever stands over the program.
    ///
    /// # Errors
    ///
    /// Where it could not be written: then nothing may start.
    pub fn begin(&self, key: SourceKey, start: &Observation) -> io::Result<(PathBuf, File)> {
        let path = self.folder.join(key.to_string());
        let mut file = File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let Body::Elevation(elevation) = &start.body else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let message = Fields::new(START)
            .number(start.observed_at_us as u64)
            .number(start.class as i32 as u64)
            .bytes(&elevation.encode_to_vec())
            .done();
        file.write_all(&framed(&message))?;
        Ok((path, file))
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
}

/// What a journal file says, unless somebody still stands over the program.
///
/// # Errors
///
/// Where the file cannot be read; `WouldBlock` where the program still runs.
pub fn read(path: &Path) -> io::Result<Option<Entry>> {
    let mut file = File::open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut bytes = Vec::new();
    (&mut file)
        .take(2 * MAX_MESSAGE_BYTES as u64)
        .read_to_end(&mut bytes)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(key) = Uuid::parse_str(&name) else {
        return Ok(None);
    };
    let mut inbox = Inbox::of(bytes);
    let Ok(Some(start)) = inbox
        .next_message()
        .map(|message| message.map(|m| start_of(&m)))
    else {
        return Ok(None);
    };
    // What follows the start may be torn; then the end was not seen.
    let ending = inbox.next_message().ok().flatten();
    let ending = ending.and_then(|message| Ending::decode(&message).ok());
    let key = SourceKey::from(key);
    Ok(start.ok().map(|start| Entry {
        path: path.to_owned(),
        key,
        start: Observation {
            source_key: Some(key),
            ..start
        },
        ending,
    }))
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

fn start_of(message: &[u8]) -> Result<Observation, WireError> {
    let mut fields = Reader::new(message);
    if fields.byte()? != START {
        return Err(WireError::Value);
    }
    let observed_at_us = fields.number()? as i64;
    let class = v1::RecordClass::try_from(fields.small::<i32>()?).map_err(|_| WireError::Value)?;
    let elevation = v1::Elevation::decode(fields.bytes()?).map_err(|_| WireError::Value)?;
    fields.end()?;
    Ok(Observation {
        observed_at_us,
        source_key: None,
        class,
        body: Body::Elevation(elevation),
    })
}
