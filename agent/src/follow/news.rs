//! What whoever follows tells a person: each change once, not each look. It must not hold what records say.

use std::fmt;
use std::path::PathBuf;

use crate::import::Refusal;
use crate::sources::format::Format;

/// Something that changed about a followed path.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// Nothing is there; it is waited for.
    Missing {
        /// What was named.
        path: PathBuf,
    },
    /// It cannot be read; it is tried again.
    Failing {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It can be read again.
    Recovered {
        /// The file or folder.
        path: PathBuf,
    },
    /// Its format is known.
    Recognised {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static Format,
    },
    /// It is nothing that this version reads; it is looked at again as it grows.
    NotRecognised {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        refusal: Refusal,
    },
    /// The log goes on in another file.
    Rotated {
        /// The log.
        path: PathBuf,
    },
    /// The file was cut and is read from its beginning.
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The file that was read before is gone, and what it got in the end with it. It is told as a loss.
    Gone {
        /// The log.
        path: PathBuf,
    },
    /// A folder holds more files than are followed.
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many are followed.
        limit: usize,
    },
    /// The bookmark was damaged and set aside: every file is read from its beginning, which counts nothing twice.
    BookmarkDamaged,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Missing { path } => write!(f, "{}: waiting for it to appear", path.display()),
            News::Failing { path, why } => {
                write!(f, "{}: cannot be read, trying again: {why}", path.display())
            }
            News::Recovered { path } => write!(f, "{}: can be read again", path.display()),
            News::Recognised { path, format } => write!(f, "{}: {format}", path.display()),
            News::NotRecognised { path, refusal } => write!(
                f,
                "{}: {refusal}; it is looked at again as it grows",
                path.display()
            ),
            News::Rotated { path } => write!(f, "{}: rotated", path.display()),
            News::Truncated { path } => {
                write!(f, "{}: cut, read from its beginning", path.display())
            }
            News::Gone { path } => write!(
                f,
                "{}: the file that was read before is gone; what it got after that is lost",
                path.display()
            ),
            News::TooMany { path, limit } => write!(
                f,
                "{}: more than {limit} files; the others are not followed",
                path.display()
            ),
            News::BookmarkDamaged => f.write_str(
                "the bookmark was damaged and set aside; every file is read from its beginning, and nothing counts twice",
            ),
        }
    }
}
