//! Finds what became of a log that was rotated: renamed, copied or packed beside its path. It must not read records.
//!
//! Rotated files are those whose name goes on behind the log's own with a number or a date: `auth.log.1`,
//! `auth.log-20261124`, `auth.log.2.gz`. Where every one has a number, that is their order; otherwise it is the time of
//! their last change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::mark::{FileId, FileMark, HEAD_BYTES};
use super::tail::{Tail, changed_us};

/// Rotated files looked at beside one log: a year of daily ones. The newest count.
pub(crate) const MAX_ROTATED: usize = 400;
/// Tries to see a folder between two renames.
const MAX_TRIES: usize = 8;

/// One file that a log was rotated to, or the file at its path.
#[derive(Debug)]
pub(crate) struct Rotated {
    pub(crate) tail: Tail,
    pub(crate) changed_us: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    path: PathBuf,
    number: Option<u64>,
    id: FileId,
    changed_us: i64,
}

/// The log at `path` as it lies there: its rotated files, oldest first, and last the file at `path` where there is one.
///
/// # Errors
///
/// Where the folder or one of the files cannot be read.
pub(crate) fn files(path: &Path) -> io::Result<Vec<Rotated>> {
    let mut seen = list(path)?;
    for _ in 0..MAX_TRIES {
        let opened = open_all(&seen)?;
        let again = list(path)?;
        let is_same = again.len() == seen.len()
            && again
                .iter()
                .zip(&seen)
                .all(|(now, before)| now.id == before.id && now.path == before.path);
        if let (true, Some(opened)) = (is_same, opened) {
            return Ok(opened);
        }
        seen = again;
    }
    // Renamed without end: the next look is as good as another try.
    Err(io::ErrorKind::ResourceBusy.into())
}

/// What comes next of a log.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) tail: Tail,
    /// Whether it follows the file that was read before for certain. Otherwise it was chosen by its time alone and may
    /// hold what was read already.
    pub(crate) is_certain: bool,
}

/// What is read after `mark` of the files of one log, oldest first: the next of them that is newer and was not read. `at`
/// is its place among them, where it is there.
///
/// # Errors
///
/// Where one of the files cannot be read.
pub(crate) fn next_after(
    files: Vec<Rotated>,
    at: Option<usize>,
    mark: &FileMark,
    left: &[FileMark],
) -> io::Result<Option<Next>> {
    let read: BTreeSet<usize> = places_of(&files, left)?.into_iter().flatten().collect();
    for (index, file) in files.into_iter().enumerate() {
        let is_newer = match at {
            Some(at) => index > at,
            None => file.changed_us >= mark.changed_us,
        };
        if !is_newer || read.contains(&index) {
            continue;
        }
        let mut tail = file.tail;
        // A copy that was found before its original was cut: the original goes on where the copy ended. Copying less is
        // over at once, and two short files may be alike by chance.
        if mark.is_first && mark.head.len() >= HEAD_BYTES && is(&tail, mark)? {
            tail.skip_to(mark)?;
        }
        return Ok(Some(Next {
            tail,
            is_certain: at.is_some(),
        }));
    }
    Ok(None)
}

/// The file of `mark` among `files`: the one with its device and inode before a copy of it. The files of `left` are
/// others, whatever they hold.
///
/// # Errors
///
/// Where one of the files cannot be read.
pub(crate) fn place_of(
    files: &[Rotated],
    mark: &FileMark,
    left: &[FileMark],
) -> io::Result<Option<usize>> {
    let taken: BTreeSet<usize> = places_of(files, left)?.into_iter().flatten().collect();
    best(files, mark, &taken, |tail| {
        Ok((tail.id() == mark.id || mark.has_content()).then_some(tail.id() == mark.id))
    })
}

/// The place of each of `left` among `files`, where it is there. Only packing gives a file that was left another inode,
/// and the inode that it had may be another file's by then, even one that begins alike. So the length counts first.
///
/// # Errors
///
/// Where one of the files cannot be read.
pub(crate) fn places_of(files: &[Rotated], left: &[FileMark]) -> io::Result<Vec<Option<usize>>> {
    let mut taken = BTreeSet::new();
    let mut places = Vec::with_capacity(left.len());
    for mark in left {
        let place = best(files, mark, &taken, |tail| {
            let is_inode = tail.id() == mark.id;
            if !is_inode && !tail.is_packed() {
                return Ok(None);
            }
            Ok(Some((tail.ends_at(mark)?, is_inode)))
        })?;
        taken.extend(place);
        places.push(place);
    }
    Ok(places)
}

// The file of `mark` that has the highest rank, of several the oldest. Those without a rank cannot be it.
fn best<R: Ord>(
    files: &[Rotated],
    mark: &FileMark,
    taken: &BTreeSet<usize>,
    rank: impl Fn(&Tail) -> io::Result<Option<R>>,
) -> io::Result<Option<usize>> {
    let mut found: Option<(R, usize)> = None;
    for (index, Rotated { tail, .. }) in files.iter().enumerate() {
        if taken.contains(&index) || !is(tail, mark)? {
            continue;
        }
        let Some(rank) = rank(tail)? else {
            continue;
        };
        if found.as_ref().is_none_or(|(best, _)| rank > *best) {
            found = Some((rank, index));
        }
    }
    Ok(found.map(|(_, index)| index))
}

/// A packed file that is still being written has no end yet; it is not the one.
fn is(tail: &Tail, mark: &FileMark) -> io::Result<bool> {
    match tail.is(mark) {
        Err(_) if tail.is_packed() => Ok(false),
        answer => answer,
    }
}

fn open_all(named: &[Named]) -> io::Result<Option<Vec<Rotated>>> {
    let mut opened = Vec::with_capacity(named.len());
    for file in named {
        let tail = match Tail::open(&file.path) {
            Ok(tail) => tail,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if tail.id() != file.id {
            return Ok(None);
        }
        opened.push(Rotated {
            tail,
            changed_us: file.changed_us,
        });
    }
    Ok(Some(opened))
}

fn list(path: &Path) -> io::Result<Vec<Named>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let name = name.as_encoded_bytes();
    // A file and what it is being packed into are one; the file is whole.
    let mut by_stem: BTreeMap<Vec<u8>, Named> = BTreeMap::new();
    let mut current = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let entry_name = entry.file_name();
        let Some(suffix) = entry_name.as_encoded_bytes().strip_prefix(name) else {
            continue;
        };
        let (stem, is_packed) = match suffix.strip_suffix(b".gz") {
            Some(stem) => (stem, true),
            None => (suffix, false),
        };
        if !(suffix.is_empty() || is_rotation(stem)) {
            continue;
        }
        // One that went in between is missing from the next listing too.
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if !metadata.is_file() || metadata.len() == 0 && !suffix.is_empty() {
            continue;
        }
        let named = Named {
            path: entry.path(),
            number: number(stem),
            id: FileId::of(&metadata),
            changed_us: changed_us(&metadata),
        };
        if suffix.is_empty() {
            current = Some(named);
        } else if !is_packed || !by_stem.contains_key(stem) {
            by_stem.insert(stem.to_vec(), named);
        }
    }
    let mut rotated: Vec<Named> = by_stem.into_values().collect();
    if rotated.iter().all(|file| file.number.is_some()) {
        rotated.sort_by_key(|file| std::cmp::Reverse(file.number));
    } else {
        rotated.sort_by(|a, b| (a.changed_us, &a.path).cmp(&(b.changed_us, &b.path)));
    }
    let surplus = rotated.len().saturating_sub(MAX_ROTATED);
    rotated.drain(..surplus);
    rotated.extend(current);
    Ok(rotated)
}

// `.1`, `-20261124`, `.2026-11-24`, `-20261124-1795478400`: a mark, a digit, and then digits and marks.
fn is_rotation(stem: &[u8]) -> bool {
    let mark = |byte: &u8| matches!(byte, b'.' | b'-' | b'_');
    let mut bytes = stem.iter();
    bytes.next().is_some_and(mark)
        && bytes.next().is_some_and(u8::is_ascii_digit)
        && bytes.all(|byte| byte.is_ascii_digit() || mark(byte) || matches!(byte, b'T' | b':'))
}

// `.12`, and no date: those have eight digits.
fn number(stem: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(stem.strip_prefix(b".")?).ok()?;
    (digits.len() < 8).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
