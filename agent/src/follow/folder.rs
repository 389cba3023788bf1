//! A followed folder: each file that appears in it is imported once, also while it is being written. It must not look
//! into folders below it, and leaves names that begin with a dot alone.
//!
//! A file that was quiet for a while is read to its end and closed. When it changes later it is read on: what was read
//! before is read again in silence, as after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::desk::{Desk, Trouble, tell_again};
use super::log::Look;
use super::mark::FileId;
use super::news::News;
use super::strand::{Step, Strand};
use super::tail::{Tail, changed_us};

/// Files of one folder that are followed, and remembered in the bookmark with some 300 bytes each.
pub(crate) const MAX_FILES: usize = 4096;
/// Files open at once.
const MAX_OPEN: usize = 64;
/// Quiet after which a file in a folder is complete.
const COMPLETE_AFTER: Duration = Duration::from_secs(10);
/// Pieces read of one file in one look.
const PIECES: usize = 64;

/// A followed folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    open: BTreeMap<PathBuf, Strand>,
    failing: BTreeMap<PathBuf, String>,
    is_full: bool,
    summaries: Vec<crate::import::summary::Summary>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    id: FileId,
    changed_us: i64,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: BTreeMap::new(),
            failing: BTreeMap::new(),
            is_full: false,
            summaries: Vec::new(),
        }
    }

    /// Files that cannot be read, and why.
    pub(crate) fn failing(&self) -> &BTreeMap<PathBuf, String> {
        &self.failing
    }

    /// Files that are read now.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Strand> {
        self.open.values()
    }

    /// What the files held that were read in this run.
    pub(crate) fn summaries(&self) -> Vec<crate::import::summary::Summary> {
        let mut all = self.summaries.clone();
        all.extend(self.open.values().map(Strand::summary));
        all
    }

    /// Reads what there is, up to a bound, and records it.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be listed or nothing can be recorded. One file that cannot be read does not keep the
    /// others waiting.
    pub(crate) fn look(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) -> Result<Look, Trouble> {
        let seen = self.list(desk)?;
        self.keep_names(&seen, desk)?;
        let mut outcome = Look::Idle;
        for (path, seen) in &seen {
            if desk.is_stopping() {
                break;
            }
            if !self.is_due(path, *seen, desk) {
                continue;
            }
            if !self.open.contains_key(path) && self.open.len() >= MAX_OPEN {
                outcome = Look::Soon;
                continue;
            }
            match self.read(path, buffer, desk) {
                Ok(look) => {
                    if self.failing.remove(path).is_some() {
                        desk.tell(News::Recovered { path: path.clone() });
                    }
                    outcome = outcome.sooner(look);
                }
                Err(Trouble::File(error)) => self.fails(path, &error, desk),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(outcome)
    }

    fn fails(&mut self, path: &Path, error: &io::Error, desk: &mut Desk<'_>) {
        let why = error.to_string();
        if self.failing.insert(path.to_owned(), why.clone()).is_none() {
            let path = path.to_owned();
            desk.tell(News::Failing { path, why });
        }
    }

    fn list(&mut self, desk: &mut Desk<'_>) -> io::Result<BTreeMap<PathBuf, Seen>> {
        let mut seen = BTreeMap::new();
        let mut count = 0;
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // One that went in between is not there.
            let Ok(metadata) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if !metadata.is_file() {
                continue;
            }
            count += 1;
            // Known ones stay, whatever else comes.
            let is_known = desk.bookmark.get(&entry.path()).is_some();
            if seen.len() < MAX_FILES || is_known {
                let state = Seen {
                    id: FileId::of(&metadata),
                    changed_us: changed_us(&metadata),
                };
                seen.insert(entry.path(), state);
            }
        }
        if count > seen.len() && !std::mem::replace(&mut self.is_full, true) {
            desk.tell(News::TooMany {
                path: self.path.clone(),
                limit: MAX_FILES,
            });
        }
        Ok(seen)
    }

    // Files that were renamed in the folder go on under their new name; those that are gone are read to their end.
    fn keep_names(
        &mut self,
        seen: &BTreeMap<PathBuf, Seen>,
        desk: &mut Desk<'_>,
    ) -> Result<(), Trouble> {
        let is_at = |path: &PathBuf, id: FileId| seen.get(path).is_some_and(|seen| seen.id == id);
        let (stay, go): (Vec<_>, Vec<_>) = desk
            .bookmark
            .within(&self.path)
            .into_iter()
            .map(|(path, entry)| (path, entry.current.id))
            .partition(|(path, id)| is_at(path, *id));
        let stay: BTreeSet<PathBuf> = stay.into_iter().map(|(path, _)| path).collect();
        let mut moved = Vec::new();
        for (path, id) in go {
            if let Some(strand) = self.open.remove(&path) {
                self.close(strand, &path, desk)?;
            }
            self.failing.remove(&path);
            let renamed = seen
                .iter()
                .find(|(to, seen)| seen.id == id && !stay.contains(*to));
            if let (Some(entry), Some((to, _))) = (desk.bookmark.remove(&path), renamed) {
                moved.push((to, entry));
            }
        }
        for (path, entry) in moved {
            desk.bookmark.set(path, entry);
        }
        Ok(())
    }

    fn is_due(&self, path: &Path, seen: Seen, desk: &Desk<'_>) -> bool {
        let Some(entry) = desk.bookmark.get(path) else {
            return true;
        };
        let mark = &entry.current;
        let is_asleep = mark.id == seen.id && mark.is_ended && mark.changed_us == seen.changed_us;
        self.open.contains_key(path) || !is_asleep || mark.telling > 0
    }

    fn read(
        &mut self,
        path: &Path,
        buffer: &mut [u8],
        desk: &mut Desk<'_>,
    ) -> Result<Look, Trouble> {
        if !self.open.contains_key(path) {
            let strand = begin(path, desk)?;
            self.open.insert(path.to_owned(), strand);
        }
        let Some(strand) = self.open.get_mut(path) else {
            return Ok(Look::Idle);
        };
        if !strand.is_recorded() {
            strand.record(desk)?;
        }
        for _ in 0..PIECES {
            match strand.step(buffer, desk)? {
                Step::Read if strand.is_full() => strand.record(desk)?,
                Step::Read => {}
                Step::End => {
                    strand.record(desk)?;
                    let (_, changed_us) = strand.tail().state()?;
                    let age_us = desk.now.wall_us.saturating_sub(changed_us);
                    let is_old = i128::from(age_us) >= COMPLETE_AFTER.as_micros() as i128;
                    let is_quiet = strand.is_quiet_for(COMPLETE_AFTER, desk.now.instant);
                    if !is_quiet && (strand.waits_for_quiet() || !is_old) {
                        return Ok(Look::Soon);
                    }
                    if let Some(strand) = self.open.remove(path) {
                        self.close(strand, path, desk)?;
                    }
                    return Ok(Look::Idle);
                }
                Step::Unsure => strand.looked_around(desk),
                Step::Replaced => {
                    strand.record(desk)?;
                    desk.bookmark.remove(path);
                    let tail = Tail::open(path)?;
                    *strand = Strand::new(path, tail, Vec::new(), desk);
                }
            }
        }
        strand.record(desk)?;
        Ok(Look::Busy)
    }

    // What comes of it is recorded under the name that it had.
    fn close(
        &mut self,
        mut strand: Strand,
        path: &Path,
        desk: &mut Desk<'_>,
    ) -> Result<(), Trouble> {
        let mut buffer = vec![0; super::strand::READ_BYTES];
        let mut read = || -> Result<(), Trouble> {
            // It may have grown before it went.
            loop {
                match strand.step(&mut buffer, desk)? {
                    Step::Read if strand.is_full() => strand.record(desk)?,
                    Step::Read => {}
                    Step::Unsure => strand.looked_around(desk),
                    Step::End | Step::Replaced => break,
                }
            }
            strand.finish(desk)?;
            strand.record(desk)
        };
        let outcome = read();
        if outcome.is_err() {
            self.open.insert(path.to_owned(), strand);
            return outcome;
        }
        if self.summaries.len() < MAX_FILES {
            self.summaries.push(strand.summary());
        }
        Ok(())
    }
}

// A file that is new, or one that has changed since it was closed or the agent stopped.
fn begin(path: &Path, desk: &mut Desk<'_>) -> Result<Strand, Trouble> {
    let tail = Tail::open(path)?;
    let Some(mut entry) = desk.bookmark.get(path).cloned() else {
        return Ok(Strand::new(path, tail, Vec::new(), desk));
    };
    tell_again(path, &mut entry, desk)?;
    let mark = &entry.current;
    if tail.id() == mark.id && (mark.position == 0 || tail.is(mark)?) {
        return Strand::resume(path, Vec::new(), tail, mark, desk);
    }
    Ok(Strand::new(path, tail, Vec::new(), desk))
}
