//! One log while it is followed: the file that is read now, the reader whose memory goes on from file to file, and what
//! has to be recorded. Which file comes next is not decided here.

mod recognition;
mod whole;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use epm_proto::v1::SensorKind;

use super::bookmark::Entry;
use super::desk::{Desk, Trouble, record};
use super::mark::FileMark;
use super::portion::Portion;
use super::tail::{Piece, Tail};
use crate::import::summary::Summary;
use crate::import::{HEAD_BYTES, Refusal, detect};
use crate::sources::TextTime;
use crate::sources::format::{Format, LogReader};

/// Bytes read at once: few enough that their observations are one commit.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// Quiet after which a record that was held back is whole: programs write the lines of one record at once.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_millis(500);
/// Longest that a record is held back in a log that is never quiet.
const SETTLE_LATEST: Duration = Duration::from_secs(5);
/// Files remembered that were read to their end: they are read again after a restart for what the reader remembers.
const MAX_LEFT: usize = 8;
/// Bytes of them that are read again.
const MAX_LEFT_BYTES: u64 = 64 * 1024 * 1024;

/// How the file is read.
#[derive(Debug)]
enum Way {
    Unknown,
    Pieces(&'static Format, Box<dyn LogReader>),
    // With the size and the time of the change that were read last.
    Whole(&'static Format, Option<(u64, i64)>),
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Something was read.
    Read,
    /// There is nothing more, yet.
    End,
    /// Nothing of the file was read yet, and it has changed: it may have been filled and cut in the meantime.
    Unsure,
    /// The file was cut.
    Replaced,
}

/// One log while it is followed.
#[derive(Debug)]
pub(crate) struct Strand {
    path: PathBuf,
    tail: Tail,
    way: Way,
    is_recognised: bool,
    // Bytes that were not recognised, so that they are looked at again only when there are more.
    refused: Option<(usize, Refusal)>,
    portion: Portion,
    left: Vec<FileMark>,
    begun_us: i64,
    settled: u64,
    is_ended: bool,
    is_first: bool,
    grown_at: Instant,
    unsettled_since: Option<Instant>,
    passed_at: Option<Instant>,
    size: u64,
    // When the file was last changed before it was read to where it was read.
    changed_us: i64,
    // The same for a file of which nothing was read yet, when it was made sure that it holds all that it was given.
    untouched_us: i64,
}

impl Strand {
    /// Begins to follow the log at `path` with the file `tail`, at its beginning.
    pub(crate) fn new(path: &Path, tail: Tail, left: Vec<FileMark>, desk: &mut Desk<'_>) -> Self {
        let strand = Self::empty(path, tail, left, desk);
        strand.note(desk);
        strand
    }

    /// Takes up at `mark` in `tail`, which is its file. What is before was recorded; it is read again for what the reader
    /// remembers of it, and `before` as well: the files that were read before this one.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read.
    pub(crate) fn resume(
        path: &Path,
        mut before: Vec<(Tail, FileMark)>,
        tail: Tail,
        mark: &FileMark,
        desk: &mut Desk<'_>,
    ) -> Result<Self, Trouble> {
        let left = before.iter().map(|(_, mark)| mark.clone()).collect();
        let mut bytes = 0;
        let mut is_first = mark.is_first;
        let remembered = before.iter().rev().take_while(|(_, mark)| {
            bytes += mark.position;
            let is_remembered = !is_first && bytes <= MAX_LEFT_BYTES;
            is_first |= mark.is_first;
            is_remembered
        });
        let forgotten = before.len() - remembered.count();
        before.drain(..forgotten);
        let mut files = before;
        files.push((tail, mark.clone()));
        let mut files = files.into_iter();
        let Some((first, first_mark)) = files.next() else {
            return Err(Trouble::Stopped);
        };
        let mut strand = Self::empty(path, first, left, desk);
        strand.portion.set_silent(true);
        strand.replay(&first_mark, desk)?;
        for (tail, mark) in files {
            strand.finish(desk)?;
            let _ = strand.turn_to(tail, mark.begun_us, desk);
            strand.replay(&mark, desk)?;
        }
        strand.portion.set_silent(false);
        Ok(strand)
    }

    fn empty(path: &Path, tail: Tail, left: Vec<FileMark>, desk: &Desk<'_>) -> Self {
        let changed_us = tail.state().map_or(0, |(_, changed)| changed);
        Self {
            path: path.to_owned(),
            tail,
            way: Way::Unknown,
            is_recognised: false,
            refused: None,
            portion: Portion::new(path),
            left,
            begun_us: desk.now.wall_us,
            settled: 0,
            is_ended: false,
            is_first: true,
            grown_at: desk.now.instant,
            unsettled_since: None,
            passed_at: None,
            size: 0,
            changed_us,
            untouched_us: changed_us,
        }
    }

    // Reads what was read before, up to `mark`.
    fn replay(&mut self, mark: &FileMark, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        self.begun_us = mark.begun_us;
        self.is_first = mark.is_first;
        self.changed_us = mark.changed_us;
        self.portion.begin_file(mark.unreadable);
        if mark.position == 0 {
            self.untouched_us = mark.changed_us;
            return Ok(());
        }
        let head = self.tail.beginning(HEAD_BYTES)?;
        if let Ok(format) = detect::detect(&head) {
            self.recognised(format);
        }
        if let Way::Whole(_, read) = &mut self.way {
            *read = Some((mark.position, mark.changed_us));
            self.tail.stand_at(mark.position);
            return Ok(());
        }
        self.feed_to(mark.settled, desk)?;
        if let Way::Pieces(_, reader) = &mut self.way {
            let _ = reader.settle(&mut self.portion);
        }
        self.settled = mark.settled;
        self.feed_to(mark.position, desk)?;
        if mark.settled < mark.position {
            self.unsettled_since = Some(desk.now.instant);
        }
        if mark.is_ended {
            self.finish(desk)?;
        }
        Ok(())
    }

    fn feed_to(&mut self, end: u64, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let mut buffer = vec![0; READ_BYTES];
        while self.tail.position() < end {
            if desk.is_stopping() {
                return Err(Trouble::Stopped);
            }
            let missing = usize::try_from(end - self.tail.position()).unwrap_or(usize::MAX);
            let limit = missing.min(buffer.len());
            match self.tail.read(&mut buffer[..limit])? {
                Piece::Bytes(count) => self.feed(&buffer[..count], desk)?,
                // Shorter than it was: it goes on from here, and the next step sees why.
                Piece::End | Piece::Replaced => break,
            }
        }
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8], desk: &Desk<'_>) -> Result<(), Trouble> {
        let time = self.text_time(desk)?;
        if let Way::Pieces(_, reader) = &mut self.way {
            // A portion never asks a reader to stop.
            let _ = reader.bytes(bytes, &time, &mut self.portion);
        }
        Ok(())
    }

    /// Reads a little on. What was read is recorded by [`Strand::record`].
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub(crate) fn step(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) -> Result<Step, Trouble> {
        // Before it is read: what is written in between is found by the next look.
        let (_, changed_us) = self.tail.state()?;
        if self.tail.position() == 0 && changed_us != self.untouched_us {
            self.changed_us = changed_us;
            return Ok(Step::Unsure);
        }
        if !self.is_recognised && !self.recognise(desk)? {
            return Ok(Step::End);
        }
        if let Way::Whole(..) = self.way {
            return self.read_whole(desk);
        }
        let piece = self.tail.read(buffer)?;
        if piece != Piece::Replaced {
            self.changed_us = changed_us;
        }
        match piece {
            Piece::Bytes(count) => {
                self.feed(&buffer[..count], desk)?;
                self.is_ended = false;
                self.grown_at = desk.now.instant;
                self.unsettled_since.get_or_insert(desk.now.instant);
                Ok(Step::Read)
            }
            Piece::End => {
                if self.is_settling(desk.now.instant)
                    && let Way::Pieces(_, reader) = &mut self.way
                {
                    let _ = reader.settle(&mut self.portion);
                    self.settled = self.tail.position();
                    self.unsettled_since = None;
                }
                Ok(Step::End)
            }
            Piece::Replaced => Ok(Step::Replaced),
        }
    }

    fn is_settling(&self, now: Instant) -> bool {
        self.unsettled_since.is_some_and(|since| {
            self.is_quiet_for(SETTLE_AFTER, now) || now.duration_since(since) >= SETTLE_LATEST
        })
    }

    /// Whether nothing came for so long.
    pub(crate) fn is_quiet_for(&self, time: Duration, now: Instant) -> bool {
        now.duration_since(self.grown_at) >= time
    }

    /// Whether something waits for time to pass, and not for more to read.
    pub(crate) fn waits_for_quiet(&self) -> bool {
        let is_changing = match &self.way {
            Way::Unknown => self.refused.is_none() && self.size > 0,
            Way::Pieces(..) => false,
            Way::Whole(_, read) => *read != self.tail.state().ok(),
        };
        is_changing || self.unsettled_since.is_some()
    }

    /// The file ends here for good: what was held back is whole.
    ///
    /// # Errors
    ///
    /// Where the file cannot be looked at.
    pub(crate) fn finish(&mut self, desk: &Desk<'_>) -> Result<(), Trouble> {
        let time = self.text_time(desk)?;
        if let Way::Pieces(_, reader) = &mut self.way {
            let _ = reader.finish(&time, &mut self.portion);
        }
        self.settled = self.tail.position();
        self.unsettled_since = None;
        self.is_ended = true;
        Ok(())
    }

    /// The log goes on in another file, and, where it is certain that this is new, what the reader remembers goes on with
    /// it. Gives back the file that was read before.
    pub(crate) fn go_on_in(&mut self, tail: Tail, is_certain: bool, desk: &mut Desk<'_>) -> Tail {
        let mark = self.mark();
        if mark.position > 0 {
            self.left.push(mark);
            let surplus = self.left.len().saturating_sub(MAX_LEFT);
            self.left.drain(..surplus);
        }
        let before = self.turn_to(tail, desk.now.wall_us, desk);
        if !is_certain {
            // It may hold what was read before: only a reader without memory gives the same keys again.
            self.way = Way::Unknown;
        }
        self.is_first = !is_certain;
        self.note(desk);
        before
    }

    /// The same content goes on in a copy, which stands where this one was read to.
    pub(crate) fn exchange(&mut self, copy: Tail, desk: &mut Desk<'_>) {
        self.tail = copy;
        self.note(desk);
    }

    fn turn_to(&mut self, tail: Tail, begun_us: i64, desk: &Desk<'_>) -> Tail {
        let before = std::mem::replace(&mut self.tail, tail);
        self.changed_us = self.tail.state().map_or(0, |(_, changed)| changed);
        self.untouched_us = self.changed_us;
        self.portion.begin_file(0);
        self.begun_us = begun_us;
        self.settled = 0;
        self.is_ended = false;
        self.is_recognised = false;
        self.refused = None;
        self.size = 0;
        self.grown_at = desk.now.instant;
        self.unsettled_since = None;
        self.passed_at = None;
        before
    }

    /// What the file may have held before was looked for: nothing of it was read yet, and it was changed.
    pub(crate) fn looked_around(&mut self, desk: &mut Desk<'_>) {
        self.untouched_us = self.changed_us;
        self.note(desk);
    }

    /// Bytes that came late into the file that was left last.
    ///
    /// # Errors
    ///
    /// Where it cannot be looked at.
    pub(crate) fn take_late(
        &mut self,
        late: &Tail,
        bytes: &[u8],
        desk: &mut Desk<'_>,
    ) -> Result<(), Trouble> {
        self.feed(bytes, desk)?;
        let time = self.text_time(desk)?;
        if let Way::Pieces(_, reader) = &mut self.way {
            let _ = reader.finish(&time, &mut self.portion);
        }
        if let Some(mark) = self.left.last_mut() {
            late.write_to(mark);
        }
        Ok(())
    }

    /// Whether bytes of another file can be put in here.
    pub(crate) fn is_between_lines(&self) -> bool {
        matches!(self.way, Way::Pieces(..)) && self.tail.is_between_lines()
    }

    /// Whether everything that was read is recorded.
    pub(crate) fn is_recorded(&self) -> bool {
        self.portion.is_empty()
    }

    /// Whether enough was read that it should be recorded.
    pub(crate) fn is_full(&self) -> bool {
        self.portion.is_full()
    }

    /// Makes what was read durable, and then says in the bookmark that it is.
    ///
    /// # Errors
    ///
    /// Where it cannot be recorded; it is kept, and nothing more may be read until it is.
    pub(crate) fn record(&mut self, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        record(&mut self.portion, &self.path, desk)?;
        self.note(desk);
        Ok(())
    }

    fn note(&self, desk: &mut Desk<'_>) {
        let entry = Entry {
            left: self.left.clone(),
            current: self.mark(),
        };
        desk.bookmark.set(&self.path, entry);
    }

    /// Which file this is and how far it was read.
    pub(crate) fn mark(&self) -> FileMark {
        let mut mark = FileMark {
            settled: self.settled,
            is_ended: self.is_ended,
            is_first: self.is_first,
            begun_us: self.begun_us,
            unreadable: self.portion.told(),
            ..FileMark::default()
        };
        self.tail.write_to(&mut mark);
        mark.changed_us = match &self.way {
            Way::Whole(_, Some((_, changed))) => *changed,
            _ if self.tail.position() == 0 && !self.is_ended => self.untouched_us,
            _ => self.changed_us,
        };
        mark
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(crate) fn left(&self) -> &[FileMark] {
        &self.left
    }

    /// What the log holds as far as it was followed in this run.
    pub(crate) fn summary(&self) -> Summary {
        self.portion.summary()
    }

    /// What the file looks like instead of a format that is read.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refused.as_ref().map(|(_, refusal)| refusal)
    }

    /// What saw the newest record.
    pub(crate) fn sensor(&self) -> Option<SensorKind> {
        self.portion.sensor()
    }

    /// The format, once it is known.
    pub(crate) fn format(&self) -> Option<&'static Format> {
        match &self.way {
            Way::Unknown => None,
            Way::Pieces(format, _) | Way::Whole(format, _) => Some(format),
        }
    }

    // Stamps without a year are near the last change of the file.
    fn text_time(&self, desk: &Desk<'_>) -> io::Result<TextTime> {
        let (_, changed_us) = self.tail.state()?;
        Ok(TextTime {
            reference_us: changed_us,
            zone: desk.zone.clone(),
        })
    }
}
