//! One followed path that names a log: which of its files is read, and when the next one begins.
//!
//! A rotated file is read to its end before the next one begins, and it has ended once nothing came for a while and a
//! file behind it holds something: a program that writes may open the new file late.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bookmark::Entry;
use super::desk::{Desk, Trouble, gone, tell_again};
use super::mark::{FileId, FileMark};
use super::news::News;
use super::rotation::{self, Next};
use super::strand::{Step, Strand};
use super::tail::{Piece, Tail};

/// Quiet after which a rotated file has ended. Programs that keep a log open are told to open the new one within moments.
const ROTATION_GRACE: Duration = Duration::from_secs(1);
/// Pieces read in one look, so that no log keeps the others waiting.
const PIECES: usize = 64;

/// Times of files may lie so much behind the clock of this device: two seconds on the coarsest file system.
const STAMP_SLACK_US: i64 = 2_000_000;

/// How a look at a path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// There is more to read at once.
    Busy,
    /// There is nothing more; something waits for a little time to pass.
    Soon,
    /// There is nothing more.
    Idle,
}

impl Look {
    /// The one that asks for the earlier next look.
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Look::Busy, _) | (_, Look::Busy) => Look::Busy,
            (Look::Soon, _) | (_, Look::Soon) => Look::Soon,
            (Look::Idle, Look::Idle) => Look::Idle,
        }
    }
}

/// A followed log.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    strand: Option<Strand>,
    // The file before, which a slow writer may still have open.
    late: Option<Tail>,
    is_missing: bool,
}

impl Log {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            strand: None,
            late: None,
            is_missing: false,
        }
    }

    pub(crate) fn strand(&self) -> Option<&Strand> {
        self.strand.as_ref()
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Reads what there is, up to a bound, and records it.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or recorded. Nothing is lost: the next look tries again.
    pub(crate) fn look(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) -> Result<Look, Trouble> {
        if self.strand.is_none() && !self.begin(desk)? {
            return Ok(Look::Idle);
        }
        // What could not be recorded before comes first.
        if let Some(strand) = &mut self.strand
            && !strand.is_recorded()
        {
            strand.record(desk)?;
        }
        self.read_late(buffer, desk)?;
        for _ in 0..PIECES {
            let Some(strand) = &mut self.strand else {
                return Ok(Look::Busy);
            };
            if strand.is_full() {
                strand.record(desk)?;
            }
            if desk.is_stopping() {
                break;
            }
            match strand.step(buffer, desk)? {
                Step::Read => {}
                Step::End => {
                    strand.record(desk)?;
                    match self.move_on(desk)? {
                        Some(look) => return Ok(look),
                        None => continue,
                    }
                }
                Step::Unsure => self.look_around(desk)?,
                Step::Replaced => self.take_up_cut(desk)?,
            }
        }
        if let Some(strand) = &mut self.strand {
            strand.record(desk)?;
        }
        Ok(Look::Busy)
    }

    // The first look at the path, or the first after it was not there.
    fn begin(&mut self, desk: &mut Desk<'_>) -> Result<bool, Trouble> {
        let Some(mut entry) = desk.bookmark.get(&self.path).cloned() else {
            return match Tail::open(&self.path) {
                Ok(tail) => {
                    self.strand = Some(Strand::new(&self.path, tail, Vec::new(), desk));
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.wait_for_new(desk);
                    Ok(false)
                }
                Err(error) => Err(error.into()),
            };
        };
        tell_again(&self.path, &mut entry, desk)?;
        let mark = &entry.current;
        let mut files = match rotation::files(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            files => files?,
        };
        if files.is_empty() {
            self.missing(desk);
            return Ok(false);
        }
        let found = match mark.position {
            0 => None,
            _ => rotation::place_of(&files, mark, &entry.left)?,
        };
        if let Some(found) = found {
            let before = find_all(&files, &entry.left)?;
            let tail = files.swap_remove(found).tail;
            self.strand = Some(Strand::resume(&self.path, before, tail, mark, desk)?);
        } else {
            self.begin_anew(files, &entry, desk)?;
        }
        Ok(self.strand.is_some())
    }

    // The file of the bookmark is not there any more, or it was empty.
    fn begin_anew(
        &mut self,
        files: Vec<rotation::Rotated>,
        entry: &Entry,
        desk: &mut Desk<'_>,
    ) -> Result<(), Trouble> {
        let mark = &entry.current;
        let Some(next) = rotation::next_after(files, None, mark, &entry.left)? else {
            self.missing(desk);
            return Ok(());
        };
        // A file that is read as a whole is replaced by another as a whole.
        if mark.position > 0 && mark.has_content() {
            let loss = gone(&self.path, mark, desk.now.wall_us);
            desk.recorder.record(vec![loss]).map_err(Trouble::Record)?;
            desk.tell(News::Gone {
                path: self.path.clone(),
            });
        }
        self.is_missing = false;
        self.strand = Some(match next.tail.id() == mark.id && mark.position == 0 {
            // The same file as before, which was empty then: the reader's memory belongs to it.
            true => {
                let before = find_all(&rotation::files(&self.path)?, &entry.left)?;
                Strand::resume(&self.path, before, next.tail, mark, desk)?
            }
            false => Strand::new(&self.path, next.tail, entry.left.clone(), desk),
        });
        Ok(())
    }

    fn missing(&mut self, desk: &mut Desk<'_>) {
        if !std::mem::replace(&mut self.is_missing, true) {
            desk.tell(News::Missing {
                path: self.path.clone(),
            });
        }
    }

    // At the end of a file: `None` where another one goes on.
    fn move_on(&mut self, desk: &mut Desk<'_>) -> Result<Option<Look>, Trouble> {
        let Some(strand) = &mut self.strand else {
            return Ok(Some(Look::Idle));
        };
        let waiting = match strand.waits_for_quiet() {
            true => Look::Soon,
            false => Look::Idle,
        };
        let tail = strand.tail();
        match named(&self.path)? {
            None => return Ok(Some(waiting)),
            Some(id) if id == tail.id() => return Ok(Some(waiting)),
            Some(_) => {}
        }
        let (_, changed_us) = tail.state()?;
        let age_us = desk.now.wall_us.saturating_sub(changed_us);
        let is_old = age_us >= i64::try_from(ROTATION_GRACE.as_micros()).unwrap_or(i64::MAX);
        let is_over = is_old || strand.is_quiet_for(ROTATION_GRACE, desk.now.instant);
        if !is_over {
            return Ok(Some(Look::Soon));
        }
        let mark = strand.mark();
        let files = rotation::files(&self.path)?;
        let at = rotation::place_of(&files, &mark, strand.left())?;
        match rotation::next_after(files, at, &mark, strand.left())? {
            Some(next) if next.tail.state()?.0 > 0 => {
                self.turn_to(next, desk)?;
                Ok(None)
            }
            // The program that writes has not turned to it yet.
            _ => Ok(Some(waiting)),
        }
    }

    // A file that was filled and cut before anything of it was read left a copy, or is there under another name.
    fn look_around(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let Some(strand) = &mut self.strand else {
            return Ok(());
        };
        let mark = strand.mark();
        let files = rotation::files(&self.path)?;
        match rotation::next_after(files, None, &mark, strand.left())? {
            Some(next) if next.tail.id() != mark.id => self.turn_to(next, desk),
            _ => {
                strand.looked_around(desk);
                Ok(())
            }
        }
    }

    fn turn_to(&mut self, next: Next, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let Some(strand) = &mut self.strand else {
            return Ok(());
        };
        strand.finish(desk)?;
        strand.record(desk)?;
        let left = strand.go_on_in(next.tail, next.is_certain, desk);
        self.late = (next.is_certain && left.position() > 0).then_some(left);
        desk.tell(News::Rotated {
            path: self.path.clone(),
        });
        Ok(())
    }

    // The file was cut while it was read: the rest of what it held may be in a copy.
    fn take_up_cut(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let Some(strand) = &mut self.strand else {
            return Ok(());
        };
        strand.record(desk)?;
        let mark = strand.mark();
        let mut files = match rotation::files(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            files => files?,
        };
        if let Some(at) = rotation::place_of(&files, &mark, strand.left())? {
            let mut copy = files.remove(at).tail;
            copy.skip_to(&mark)?;
            strand.exchange(copy, desk);
            return Ok(());
        }
        let next = rotation::next_after(files, None, &mark, strand.left())?;
        desk.tell(News::Truncated {
            path: self.path.clone(),
        });
        match next {
            Some(mut next) => {
                next.is_certain |=
                    next.tail.id() == mark.id && is_other_content(&next.tail, &mark)?;
                self.turn_to(next, desk)
            }
            None => {
                strand.finish(desk)?;
                strand.record(desk)?;
                self.strand = None;
                self.late = None;
                self.wait_for_new(desk);
                Ok(())
            }
        }
    }

    // Nothing is there that was not read. What the path is rotated to from now on belongs to it.
    fn wait_for_new(&mut self, desk: &mut Desk<'_>) {
        let current = FileMark {
            changed_us: desk.now.wall_us - STAMP_SLACK_US,
            ..FileMark::default()
        };
        let left = Vec::new();
        desk.bookmark.set(&self.path, Entry { left, current });
        self.missing(desk);
    }

    fn read_late(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let (Some(strand), Some(late)) = (&mut self.strand, &mut self.late) else {
            return Ok(());
        };
        if !strand.is_between_lines() {
            return Ok(());
        }
        match late.read(buffer)? {
            Piece::Bytes(count) => {
                strand.take_late(late, &buffer[..count], desk)?;
                strand.record(desk)
            }
            Piece::End => Ok(()),
            Piece::Replaced => {
                self.late = None;
                Ok(())
            }
        }
    }
}

/// The file that `path` names now.
fn named(path: &Path) -> io::Result<Option<FileId>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then(|| FileId::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether nothing of what `mark` knows is in the file that was cut: what it holds now is new.
fn is_other_content(tail: &Tail, mark: &FileMark) -> io::Result<bool> {
    let head = tail.beginning(mark.head.len())?;
    Ok(head.is_empty() || head.len() == mark.head.len() && !mark.head.begins(&head))
}

/// The files of `marks` as far as they are there: those that follow one another without a gap up to the last one.
fn find_all(files: &[rotation::Rotated], marks: &[FileMark]) -> io::Result<Vec<(Tail, FileMark)>> {
    let places = rotation::places_of(files, marks)?;
    let there = places
        .iter()
        .rev()
        .take_while(|place| place.is_some())
        .count();
    let from = places.len() - there;
    let found = places[from..].iter().flatten().zip(&marks[from..]);
    found
        .map(|(place, mark)| Ok((files[*place].tail.again()?, mark.clone())))
        .collect()
}
