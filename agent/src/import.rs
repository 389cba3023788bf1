//! Reading a file of somebody else's records: which format it is, and its records one by one.
//!
//! What is read goes to whoever asked, through [`Readings`]; nothing is spooled or sent from here. A file of any size
//! needs the same memory.

pub(crate) mod detect;
mod progress;
pub mod summary;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use crate::source::Readings;
use crate::sources::TextTime;

pub use crate::sources::format::Format;
pub use detect::Refusal;
pub use progress::Progress;

/// Bytes that a format is recognised by, from the beginning of a file.
pub const HEAD_BYTES: usize = 65_536;

/// How to read a file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Zone of stamps that name none; the zone of this machine where absent.
    pub zone: Option<TimeZone>,
    /// The moment, in microseconds since 1970, that stamps without a year are near; the file's change time where absent.
    pub reference_us: Option<i64>,
}

/// Why a file was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be opened or looked at.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// It is a folder, a device or the like.
    #[error("{path} is not a file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// None of the formats that this version reads.
    #[error("cannot import {path}: {refusal}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What it looks like, and what is read instead.
        refusal: Refusal,
    },
    /// The file system failed; what came before was read.
    #[error("cannot read {path} to its end")]
    Read {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// Reads the file at `path` into `into` and says which format it was. `progress` is told how many bytes of it are done.
///
/// # Errors
///
/// See [`ImportError`]. Damage in a file is no error: it goes to [`Readings::unreadable`].
pub fn read_file(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
    into: &mut dyn Readings,
) -> Result<&'static Format, ImportError> {
    let opening = |source| ImportError::Open {
        path: path.to_owned(),
        source,
    };
    // Looked at first: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(opening)?;
    if !metadata.is_file() {
        return Err(ImportError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut file = File::open(path).map_err(opening)?;
    let reading = |source| ImportError::Read {
        path: path.to_owned(),
        source,
    };
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut file)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(reading)?;
    let format = detect::detect(&head).map_err(|refusal| ImportError::Refused {
        path: path.to_owned(),
        refusal,
    })?;
    drop(head);
    file.seek(SeekFrom::Start(0)).map_err(reading)?;
    let changed = metadata.modified().unwrap_or_else(|_| SystemTime::now());
    let time = TextTime {
        reference_us: options.reference_us.unwrap_or_else(|| micros(changed)),
        zone: options.zone.clone().unwrap_or_else(TimeZone::system),
    };
    let mut file = progress::Counted::new(file, metadata.len(), progress);
    format.read(&mut file, &time, into).map_err(reading)?;
    Ok(format)
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
