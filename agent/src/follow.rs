//! Follows logs that grow and are rotated, and folders that receive files: each record is recorded once, across rotation,
//! truncation, restart and crash.
//!
//! [`Follower`] looks at every path when it is told to and keeps the bookmark; [`run`] tells it when something has
//! changed. What a file is read as, and what is read in it, is the business of [`mod@crate::sources`].

mod bookmark;
mod desk;
mod folder;
mod log;
mod mark;
mod news;
mod portion;
mod rotation;
mod service;
mod strand;
mod tail;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use epm_proto::v1;
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::AgentError;
use crate::disk::{Disk, RealDisk};
use crate::import::summary::Summary;
use bookmark::Bookmark;
use desk::{Desk, Trouble};
use folder::Folder;
use log::{Log, Look};

pub use desk::{Moment, Recorder};
pub use news::News;
pub use service::{FollowError, run};

/// Time between two looks without being told that something changed: network file systems tell nothing.
pub const DEFAULT_POLL: Duration = Duration::from_secs(5);
/// Paths followed at once. A folder is one.
pub const MAX_PATHS: usize = 256;
/// How often the bookmark is written while logs grow. What was recorded since is read again after a crash.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// When to look again where something waits for a little time to pass.
const SOON: Duration = Duration::from_millis(100);
/// When to look again where something could not be read or recorded.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What to follow, and how.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Logs, and folders that receive files. None needs to be there yet.
    pub paths: Vec<PathBuf>,
    /// Zone of stamps that name none.
    pub zone: TimeZone,
    /// Time between two looks without being told that something changed.
    pub poll: Duration,
}

#[derive(Debug)]
enum Target {
    Log(Box<Log>),
    Folder(Folder),
}

/// What a look led to.
#[derive(Debug, Default)]
pub struct Looked {
    /// When to look again at the latest, where nothing changes before.
    pub again_in: Option<Duration>,
    /// What a person should know.
    pub news: Vec<News>,
    /// Following cannot go on: the agent was stopped.
    pub error: Option<AgentError>,
}

/// Follows some paths. Looks only when it is told to.
#[derive(Debug)]
pub struct Follower {
    targets: BTreeMap<PathBuf, Target>,
    bookmark: Bookmark,
    zone: TimeZone,
    poll: Duration,
    buffer: Vec<u8>,
    saved_at: Option<Instant>,
    failing: BTreeMap<PathBuf, String>,
    stop: CancellationToken,
    has_told_damage: bool,
}

impl Follower {
    /// Follows the paths of `options` from where the bookmark in the folder `state` says. A path that the bookmark does
    /// not know is read from its beginning.
    ///
    /// # Errors
    ///
    /// Where the bookmark cannot be read. A damaged one is set aside.
    pub fn open(state: &Path, options: FollowOptions) -> io::Result<Self> {
        Self::open_on(Arc::new(RealDisk), state, options)
    }

    /// The same with the bookmark on `disk`.
    ///
    /// # Errors
    ///
    /// Where the bookmark cannot be read.
    pub fn open_on(disk: Arc<dyn Disk>, state: &Path, options: FollowOptions) -> io::Result<Self> {
        let mut targets = BTreeMap::new();
        for path in options.paths.iter().take(MAX_PATHS) {
            let path = std::path::absolute(path)?;
            let target = target(&path);
            targets.insert(path, target);
        }
        Ok(Self {
            targets,
            bookmark: Bookmark::open(state, disk)?,
            zone: options.zone,
            poll: options.poll,
            buffer: vec![0; strand::READ_BYTES],
            saved_at: None,
            failing: BTreeMap::new(),
            stop: CancellationToken::new(),
            has_told_damage: false,
        })
    }

    /// Cancelling it ends a look that takes long.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Looks at every path once: reads what is there, up to a bound, and records it.
    pub fn look(&mut self, recorder: &mut dyn Recorder, now: Moment) -> Looked {
        let mut looked = Looked::default();
        if self.bookmark.was_damaged() && !std::mem::replace(&mut self.has_told_damage, true) {
            looked.news.push(News::BookmarkDamaged);
        }
        let mut outcome = Look::Idle;
        let mut is_failing = false;
        for (path, target) in &mut self.targets {
            let mut desk = Desk {
                recorder: &mut *recorder,
                bookmark: &mut self.bookmark,
                zone: &self.zone,
                now,
                news: &mut looked.news,
                stop: &self.stop,
            };
            if matches!(target, Target::Log(log) if log.strand().is_none()) && path.is_dir() {
                *target = Target::Folder(Folder::new(path));
            }
            let done = match target {
                Target::Log(log) => log.look(&mut self.buffer, &mut desk),
                Target::Folder(folder) => folder.look(&mut self.buffer, &mut desk),
            };
            match done {
                Ok(look) => {
                    outcome = outcome.sooner(look);
                    if self.failing.remove(path).is_some() {
                        looked.news.push(News::Recovered { path: path.clone() });
                    }
                }
                Err(Trouble::Stopped) => break,
                Err(Trouble::Record(error @ AgentError::Stopped)) => {
                    looked.error = Some(error);
                    break;
                }
                Err(trouble) => {
                    is_failing = true;
                    let why = trouble.to_string();
                    if self.failing.insert(path.clone(), why.clone()).is_none() {
                        let path = path.clone();
                        looked.news.push(News::Failing { path, why });
                    }
                }
            }
        }
        looked.again_in = match outcome {
            Look::Busy => Some(Duration::ZERO),
            Look::Soon => Some(SOON),
            Look::Idle => None,
        };
        if is_failing {
            looked.again_in = Some(
                looked
                    .again_in
                    .map_or(RETRY_AFTER, |wait| wait.min(RETRY_AFTER)),
            );
        }
        self.save_if_due(now, &mut looked);
        looked
    }

    fn save_if_due(&mut self, now: Moment, looked: &mut Looked) {
        if !self.bookmark.is_changed() {
            return;
        }
        let left = self.saved_at.map_or(Duration::ZERO, |saved| {
            SAVE_EVERY.saturating_sub(now.instant.duration_since(saved))
        });
        let wait = match left {
            Duration::ZERO => {
                self.saved_at = Some(now.instant);
                // Not saved, more is read again after a crash; the next look tries again.
                self.save().err().map(|error| {
                    tracing::warn!(%error, "the bookmark cannot be written");
                    RETRY_AFTER
                })
            }
            left => Some(left),
        };
        looked.again_in = match (looked.again_in, wait) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Makes the bookmark durable.
    ///
    /// # Errors
    ///
    /// The disk's; more is then read again after a restart.
    pub fn save(&mut self) -> io::Result<()> {
        self.bookmark.save()
    }

    /// What each path held as far as it was followed in this run.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        let of = |target: &Target| match target {
            Target::Log(log) => log
                .strand()
                .map(strand::Strand::summary)
                .into_iter()
                .collect(),
            Target::Folder(folder) => folder.summaries(),
        };
        self.targets.values().flat_map(of).collect()
    }

    /// Paths that cannot be read now, and why.
    #[must_use]
    pub fn failing(&self) -> BTreeMap<PathBuf, String> {
        let mut failing = self.failing.clone();
        for target in self.targets.values() {
            if let Target::Folder(folder) = target {
                failing.extend(folder.failing().clone());
            }
        }
        failing
    }

    /// How each path is, for heartbeats.
    #[must_use]
    pub fn health(&self) -> Vec<v1::SensorHealth> {
        self.targets
            .iter()
            .map(|(path, target)| self.health_of(path, target))
            .collect()
    }

    fn health_of(&self, path: &Path, target: &Target) -> v1::SensorHealth {
        use v1::SensorState::{Failing, Running};
        let (sensor, state, what) = match (self.failing.get(path), target) {
            (Some(why), _) => (None, Failing, why.clone()),
            (None, Target::Log(log)) => match log.strand() {
                None if log.is_missing() => (
                    None,
                    Failing,
                    "it is not there; correct the path, or see why nothing writes it".to_owned(),
                ),
                None => (None, Running, "begins".to_owned()),
                Some(strand) => match (strand.refusal(), strand.format()) {
                    (Some(refusal), _) => (None, Failing, refusal.to_string()),
                    (None, Some(format)) => (strand.sensor(), Running, format.to_string()),
                    (None, None) => (None, Running, "nothing is in it yet".to_owned()),
                },
            },
            (None, Target::Folder(folder)) => match folder.failing().iter().next() {
                Some((file, why)) => (None, Failing, format!("{}: {why}", file.display())),
                None => (
                    folder.open().find_map(strand::Strand::sensor),
                    Running,
                    "a folder that receives files".to_owned(),
                ),
            },
        };
        v1::SensorHealth {
            sensor: sensor.unwrap_or(v1::SensorKind::FollowedLog).into(),
            state: state.into(),
            detail: format!("{}: {what}", path.display()),
        }
    }

    /// Names to be told about, by the folder in which they are; no name stands for every name.
    fn watched(&self) -> BTreeMap<PathBuf, Option<BTreeSet<Vec<u8>>>> {
        let mut watched: BTreeMap<PathBuf, Option<BTreeSet<Vec<u8>>>> = BTreeMap::new();
        for (path, target) in &self.targets {
            match (target, path.parent(), path.file_name()) {
                (Target::Log(_), Some(folder), Some(name)) => {
                    let names = watched
                        .entry(folder.to_owned())
                        .or_insert_with(|| Some(BTreeSet::new()));
                    if let Some(names) = names {
                        names.insert(name.as_encoded_bytes().to_vec());
                    }
                }
                _ => {
                    watched.insert(path.clone(), None);
                }
            }
        }
        watched
    }
}

fn target(path: &Path) -> Target {
    match path.is_dir() {
        true => Target::Folder(Folder::new(path)),
        false => Target::Log(Box::new(Log::new(path))),
    }
}
