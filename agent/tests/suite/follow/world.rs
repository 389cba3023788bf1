//! A log with everything that happens to logs, a real follower on it, and what a complete record of it would be.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use epm_agent::AgentError;
use epm_agent::follow::{FollowOptions, Follower, Moment, News, Recorder};
use epm_agent::source::Observation;
use epm_agent::spool::SpoolError;
use epm_proto::v1;
use jiff::tz::TimeZone;

/// Observations in the order in which they became durable.
#[derive(Default)]
struct Kept {
    observations: Vec<Observation>,
    is_refusing: bool,
}

impl Recorder for Kept {
    fn record(&mut self, observations: Vec<Observation>) -> Result<(), AgentError> {
        if self.is_refusing {
            let full = SpoolError::Full { bytes: 1, limit: 1 };
            return Err(AgentError::Spool(Arc::new(full)));
        }
        self.observations.extend(observations);
        Ok(())
    }
}

/// One log and whoever follows it.
pub(crate) struct World {
    folder: tempfile::TempDir,
    log: PathBuf,
    followed: PathBuf,
    kept: Kept,
    follower: Option<Follower>,
    news: Vec<News>,
    start: Instant,
    passed: Duration,
    // What was written: the command of each line.
    written: Vec<String>,
    line: String,
    half: Option<String>,
    // After a cut a line that stood at the same place before would be nothing new.
    is_fresh: bool,
    rotations: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("state")).expect("a folder");
        fs::create_dir(folder.path().join("logs")).expect("a folder");
        Self {
            log: folder.path().join("logs/sudo.log"),
            followed: folder.path().join("logs/sudo.log"),
            folder,
            kept: Kept::default(),
            follower: None,
            news: Vec::new(),
            start: Instant::now(),
            passed: Duration::ZERO,
            written: Vec::new(),
            line: String::new(),
            half: None,
            is_fresh: true,
            rotations: 0,
        }
    }

    /// The folder of the log is followed, and not the log.
    pub(crate) fn in_folder() -> Self {
        let mut world = Self::new();
        world.followed = world.folder.path().join("logs");
        world
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn write(&self, path: &Path, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("it can be written");
    }

    fn next_line(&mut self) -> String {
        let number = self.written.len();
        self.line = format!(
            "Nov 24 {:02}:{:02}:{:02} 2026 : anna : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/tool-{number}\n",
            number / 3600 % 24,
            number / 60 % 60,
            number % 60
        );
        self.written.push(format!("/bin/tool-{number}"));
        self.is_fresh = false;
        self.line.clone()
    }

    /// So many new lines; the first ends one that was cut.
    pub(crate) fn append(&mut self, lines: usize) {
        for _ in 0..lines {
            let line = match self.half.take() {
                Some(rest) => rest,
                None => self.next_line(),
            };
            self.write(&self.log, &line);
        }
    }

    /// The newest line again, so many times.
    pub(crate) fn append_same(&mut self, lines: usize) {
        if self.is_fresh || self.half.is_some() {
            return self.append(lines);
        }
        for _ in 0..lines {
            let command = self.written.last().expect("there is one").clone();
            self.written.push(command);
            self.write(&self.log, &self.line.clone());
        }
    }

    /// The first half of a line.
    pub(crate) fn append_half(&mut self) {
        if self.half.is_some() {
            return;
        }
        let line = self.next_line();
        let (begun, rest) = line.split_at(line.len() / 2);
        self.write(&self.log, begun);
        self.half = Some(rest.to_owned());
    }

    pub(crate) fn append_damage(&mut self, lines: usize) {
        for _ in 0..lines {
            self.append_text("no stamp, no user\n");
        }
    }

    pub(crate) fn append_text(&mut self, text: &str) {
        self.write(&self.log, text);
    }

    /// A program that still has the rotated file open.
    pub(crate) fn append_to_rotated(&mut self, lines: usize) {
        for _ in 0..lines {
            let line = self.next_line();
            self.write(&self.rotated(1, ""), &line);
        }
    }

    fn rotated(&self, number: usize, packed: &str) -> PathBuf {
        PathBuf::from(format!("{}.{number}{packed}", self.log.display()))
    }

    fn shift(&mut self) {
        for number in (1..=self.rotations).rev() {
            for packed in ["", ".gz"] {
                let from = self.rotated(number, packed);
                if from.exists() {
                    fs::rename(from, self.rotated(number + 1, packed)).expect("a rename");
                }
            }
        }
        self.rotations += 1;
    }

    /// As logrotate does by default.
    pub(crate) fn rotate(&mut self) {
        if self.half.is_some() || !self.log.exists() {
            return;
        }
        self.shift();
        fs::rename(&self.log, self.rotated(1, "")).expect("a rename");
        self.write(&self.log, "");
    }

    /// As logrotate does with copytruncate; nobody writes in between.
    pub(crate) fn copy_and_cut(&mut self) {
        if self.half.is_some() || !self.log.exists() {
            return;
        }
        self.shift();
        fs::copy(&self.log, self.rotated(1, "")).expect("a copy");
        let file = OpenOptions::new().write(true).open(&self.log);
        file.and_then(|file| file.set_len(0)).expect("it is cut");
        self.is_fresh = true;
    }

    /// Packs the newest rotated file.
    pub(crate) fn pack(&mut self) {
        let from = self.rotated(1, "");
        let Ok(text) = fs::read(&from) else {
            return;
        };
        let to = fs::File::create(self.rotated(1, ".gz")).expect("a file");
        let mut packed = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
        packed.write_all(&text).expect("it is written");
        let to = packed.finish().expect("it is written");
        let changed = fs::metadata(&from).and_then(|metadata| metadata.modified());
        to.set_modified(changed.expect("it has one"))
            .expect("it is set");
        fs::remove_file(from).expect("it is removed");
    }

    pub(crate) fn lose_everything(&mut self) {
        fs::remove_dir_all(self.folder.path().join("logs")).expect("it is removed");
        fs::create_dir(self.folder.path().join("logs")).expect("a folder");
        self.rotations = 0;
    }

    pub(crate) fn damage_bookmark(&mut self) {
        let path = self.state().join("follow-bookmark");
        let mut bytes = fs::read(&path).expect("it was saved");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(path, bytes).expect("it can be written");
    }

    pub(crate) fn refuse_recording(&mut self, is_refusing: bool) {
        self.kept.is_refusing = is_refusing;
    }

    /// From now on the bookmark is not what the follower believes: as after a crash before it was written.
    pub(crate) fn break_after_recording(&mut self) {
        self.look();
        self.crash();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.passed += time;
    }

    fn now(&self) -> Moment {
        // The times of the files are real, how long a log was quiet is not.
        Moment {
            instant: self.start + self.passed,
            ..Moment::now()
        }
    }

    /// Looks once; starts to follow where nobody does.
    pub(crate) fn look(&mut self) -> Option<Duration> {
        let now = self.now();
        let (state, followed) = (self.state(), self.followed.clone());
        let follower = self.follower.get_or_insert_with(|| {
            let options = FollowOptions {
                paths: vec![followed],
                zone: TimeZone::UTC,
                poll: Duration::from_secs(5),
            };
            Follower::open(&state, options).expect("it opens")
        });
        let looked = follower.look(&mut self.kept, now);
        assert!(looked.error.is_none());
        self.news.extend(looked.news);
        looked.again_in
    }

    /// Looks as long as there is a reason to, and lets time pass.
    pub(crate) fn follow_to_rest(&mut self) {
        let mut idle = 0;
        for _ in 0..300 {
            match self.look() {
                Some(wait) => {
                    self.pass(wait.max(Duration::from_millis(1)));
                    idle = 0;
                }
                None if idle < 3 => {
                    self.pass(Duration::from_secs(2));
                    idle += 1;
                }
                None => return,
            }
        }
        panic!(
            "it does not come to rest: {:?}",
            self.news.iter().rev().take(6).collect::<Vec<_>>()
        );
    }

    /// Ends with the bookmark saved.
    pub(crate) fn stop(&mut self) {
        if let Some(mut follower) = self.follower.take() {
            follower.save().expect("it is saved");
        }
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.look();
    }

    /// kill -9: what the bookmark said last counts.
    pub(crate) fn crash(&mut self) {
        self.follower = None;
    }

    pub(crate) fn news(&self) -> Vec<News> {
        self.news.clone()
    }

    pub(crate) fn health(&self) -> Vec<v1::SensorHealth> {
        self.follower.as_ref().expect("it follows").health()
    }

    // By the first record of each key, as the tables hold them.
    fn distinct(&self) -> Vec<&Observation> {
        let mut keys = BTreeSet::new();
        let observations = self.kept.observations.iter();
        observations
            .filter(|observation| {
                keys.insert(observation.source_key.expect("every record has a key"))
            })
            .collect()
    }

    /// What ran, by the records, in their order.
    pub(crate) fn commands(&self) -> Vec<String> {
        let path = |observation: &&Observation| match &observation.body {
            v1::record::Body::Elevation(elevation) => Some(elevation.file.as_ref()?.path.clone()),
            _ => None,
        };
        self.distinct().iter().filter_map(path).collect()
    }

    /// Distinct elevations.
    pub(crate) fn recorded(&self) -> usize {
        self.commands().len()
    }

    /// Records that came again.
    pub(crate) fn repeated(&self) -> usize {
        self.kept.observations.len() - self.distinct().len()
    }

    /// How much each distinct loss counts.
    pub(crate) fn losses(&self) -> Vec<u64> {
        let lost = |observation: &&Observation| match &observation.body {
            v1::record::Body::Loss(loss) => {
                Some(loss.counts.iter().map(|count| count.records).sum())
            }
            _ => None,
        };
        self.distinct().iter().filter_map(lost).collect()
    }

    /// Each line that was written is recorded, once.
    pub(crate) fn assert_complete(&self) {
        let (mut recorded, mut written) = (self.commands(), self.written.clone());
        if self.half.is_some() {
            written.pop();
        }
        recorded.sort();
        written.sort();
        assert_eq!(recorded, written);
    }

    pub(crate) fn assert_in_order(&self) {
        assert_eq!(self.commands(), self.written);
    }
}
