//! What following works with at one moment: where observations go, the bookmark, the clocks; and the one order in which
//! they are used. First the spool makes observations durable, then the bookmark says so.
//!
//! A stretch that cannot be read is a loss, and losses have no identity in the tables beyond their source key. So that
//! one is never told with two different counts, the bookmark says what will be told before it is told; after a crash in
//! between exactly that is told again, under the same key.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use epm_proto::ids::SourceKey;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::bookmark::{Bookmark, Entry};
use super::mark::FileMark;
use super::news::News;
use super::portion::Portion;
use crate::AgentError;
use crate::source::{Observation, Reading, Readings};

/// Where observations go.
pub trait Recorder: Send {
    /// Returns once all of `observations` are durable.
    ///
    /// # Errors
    ///
    /// Where none of them is.
    fn record(&mut self, observations: Vec<Observation>) -> Result<(), AgentError>;
}

/// The two clocks at the moment of a look.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Measures how long a log was quiet.
    pub instant: Instant,
    /// Wall clock, microseconds since 1970: compared with the times of files.
    pub wall_us: i64,
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self {
            instant: Instant::now(),
            wall_us: crate::clock::now_us(),
        }
    }
}

/// Why a followed path is not read just now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The file system; tried again.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    File(#[from] io::Error),
    /// The bookmark cannot be written; tried again.
    #[error("the bookmark cannot be written: {0}")]
    Bookmark(io::Error),
    /// The spool.
    #[error(transparent)]
    Record(AgentError),
    /// Following ends.
    #[error("stopped")]
    Stopped,
}

/// What a person can do about an error of the file system, as the end of a sentence.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; run the agent as root, or let its user read it",
        _ => "",
    }
}

/// What a look works with.
pub(crate) struct Desk<'a> {
    pub(crate) recorder: &'a mut dyn Recorder,
    pub(crate) bookmark: &'a mut Bookmark,
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: Moment,
    pub(crate) news: &'a mut Vec<News>,
    pub(crate) stop: &'a CancellationToken,
}

impl Desk<'_> {
    pub(crate) fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// Makes what `portion` holds durable.
///
/// # Errors
///
/// Where it cannot be; the portion is then unchanged.
pub(crate) fn record(
    portion: &mut Portion,
    path: &Path,
    desk: &mut Desk<'_>,
) -> Result<(), Trouble> {
    if portion.is_empty() {
        return Ok(());
    }
    let mut observations = portion.observations().to_vec();
    let untold = portion.untold();
    if untold > 0
        && let Some(entry) = desk.bookmark.get(path)
    {
        let mut entry = entry.clone();
        entry.current.unreadable = portion.told();
        entry.current.telling = untold;
        observations.push(unreadable(path, &entry.current, desk.now.wall_us));
        desk.bookmark.set(path, entry);
        desk.bookmark.save().map_err(Trouble::Bookmark)?;
    }
    desk.recorder
        .record(observations)
        .map_err(Trouble::Record)?;
    portion.recorded();
    Ok(())
}

/// Tells a loss that a crash kept from being told, or from being known to be told.
///
/// # Errors
///
/// Where it cannot be recorded.
pub(crate) fn tell_again(
    path: &Path,
    entry: &mut Entry,
    desk: &mut Desk<'_>,
) -> Result<(), Trouble> {
    if entry.current.telling == 0 {
        return Ok(());
    }
    let loss = unreadable(path, &entry.current, desk.now.wall_us);
    desk.recorder.record(vec![loss]).map_err(Trouble::Record)?;
    entry.current.unreadable += entry.current.telling;
    entry.current.telling = 0;
    desk.bookmark.set(path, entry.clone());
    Ok(())
}

/// A file that went away before its end was read is a loss: it may have held an elevation.
pub(crate) fn gone(path: &Path, mark: &FileMark, wall_us: i64) -> Observation {
    let key = [
        &b"gone"[..],
        path.as_os_str().as_encoded_bytes(),
        &mark.begun_us.to_le_bytes(),
        &mark.position.to_le_bytes(),
    ];
    let detail = format!("{} went away before its end was read", name_of(path));
    Observation::unreadable(SourceKey::derive(&key), 1, detail, wall_us)
}

fn unreadable(path: &Path, mark: &FileMark, wall_us: i64) -> Observation {
    let key = [
        &b"unreadable"[..],
        path.as_os_str().as_encoded_bytes(),
        &mark.begun_us.to_le_bytes(),
        &mark.unreadable.to_le_bytes(),
    ];
    let detail = format!("following {}", name_of(path));
    Observation::unreadable(SourceKey::derive(&key), mark.telling, detail, wall_us)
}

fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
}

/// Takes the readings of one pass over a whole file and records them as they become many.
pub(crate) struct Pass<'a, 'b> {
    portion: &'a mut Portion,
    desk: &'a mut Desk<'b>,
    trouble: Option<Trouble>,
}

impl<'a, 'b> Pass<'a, 'b> {
    pub(crate) fn new(portion: &'a mut Portion, desk: &'a mut Desk<'b>) -> Self {
        Self {
            portion,
            desk,
            trouble: None,
        }
    }

    /// Why the pass was stopped, where it was.
    pub(crate) fn end(self) -> Result<(), Trouble> {
        self.trouble.map_or(Ok(()), Err)
    }

    fn record_if_full(&mut self) -> ControlFlow<()> {
        if self.desk.is_stopping() {
            self.trouble = Some(Trouble::Stopped);
            return ControlFlow::Break(());
        }
        if !self.portion.is_full() {
            return ControlFlow::Continue(());
        }
        match self.portion.record_observations(self.desk.recorder) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.trouble = Some(Trouble::Record(error));
                ControlFlow::Break(())
            }
        }
    }
}

impl Readings for Pass<'_, '_> {
    fn reading(&mut self, reading: Reading) -> ControlFlow<()> {
        let _ = self.portion.reading(reading);
        self.record_if_full()
    }

    fn unreadable(&mut self, detail: &str) -> ControlFlow<()> {
        self.portion.unreadable(detail)
    }

    fn skipped(&mut self, reason: &'static str) -> ControlFlow<()> {
        self.portion.skipped(reason)
    }
}
