//! Which keys the rows of a day have, and in which file: how a record that was imported again finds its row.
//!
//! An index is read from the table when a day is first asked for, kept up with every commit, and forgotten when the
//! bound is reached. It must not change a row.

use std::collections::HashMap;

use arrow::array::{Array, AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use epm_proto::sightings::{Group, Sensor, Sighting, Told};
use epm_tables::write::{DataFile, TableWriter, WriteError};

use super::members;
use super::rank::{self, Rank};
use super::words::{OUTCOMES, SENSORS, TRIGGERS, number};

/// Keys of all indexes together: about 150 MB, and twice that where all are of processes or runs that others may have
/// seen too. The days used longest ago go first.
const MAX_KEYS: usize = 2 << 20;

/// Columns that an index is made from.
const COLUMNS: &[&str] = &[
    "event_id",
    "source_event_key",
    "merged_source_event_keys",
    "merged_observations",
    "observed_at",
    "sensors",
    "device",
    "file_path",
    "pid",
    "parent_pid",
    "parent_path",
    "trigger",
    "user_name_raw",
    "target_user_name",
    "arguments",
    "terminal",
    "outcome",
    "result_code",
    "duration_ms",
];

/// Identity of an observation: its source key, or its event id.
pub(crate) type Key = [u8; 16];

/// Result code and duration of an elevation that is over.
pub(crate) type End = [Option<i64>; 2];

/// One observation of what others may have seen too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    pub(crate) observed_at: i64,
    pub(crate) key: Key,
    /// The process, and who saw it.
    pub(crate) place: Option<(Group, Sensor)>,
    /// What sudo told of its run, and to whom.
    pub(crate) told: Option<(Group, Told)>,
    /// Key of the row that it is part of.
    pub(crate) row: Key,
}

impl Member {
    /// The observation that `sighting` says, where others may have seen the same.
    pub(crate) fn new(sighting: &Sighting<'_>, observed_at: i64, key: Key) -> Option<Self> {
        let (place, told) = (sighting.place(), sighting.told());
        (place.is_some() || told.is_some()).then_some(Self {
            observed_at,
            key,
            place,
            told,
            row: key,
        })
    }

    /// The group of its process.
    pub(crate) fn group(&self) -> Option<Group> {
        self.place.map(|(group, _)| group)
    }

    /// Every group that it is in.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group> {
        let told = self.told.map(|(group, _)| group);
        self.group().into_iter().chain(told)
    }
}

/// Where an observation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Number of the file, for [`DayIndex::path`].
    pub(crate) file: u32,
    /// Of the record that speaks for the observation.
    pub(crate) rank: Rank,
    /// What is known of its end.
    pub(crate) end: End,
}

/// The rows of one day.
#[derive(Debug, Default)]
pub(crate) struct DayIndex {
    keys: HashMap<Key, Held>,
    members: HashMap<Key, Member>,
    // Some left: a member knows which groups it is in.
    groups: HashMap<Group, Vec<Key>>,
    paths: Vec<String>,
    used: u64,
}

impl DayIndex {
    pub(crate) fn get(&self, key: &Key) -> Option<Held> {
        self.keys.get(key).copied()
    }

    /// The observation `key`, where others may have seen the same.
    pub(crate) fn member(&self, key: &Key) -> Option<Member> {
        self.members.get(key).copied()
    }

    pub(crate) fn members(&self, group: &Group) -> impl Iterator<Item = Member> {
        let keys = self.groups.get(group).into_iter().flatten();
        let members = keys.filter_map(|key| self.member(key));
        members.filter(|member| member.groups().any(|of| of == *group))
    }

    pub(crate) fn path(&self, file: u32) -> &str {
        self.paths.get(file as usize).map_or("", String::as_str)
    }

    /// Learns the rows of a file that was added.
    pub(crate) fn add(&mut self, path: &str, rows: &RecordBatch) {
        let file = self.paths.len() as u32;
        self.paths.push(path.to_owned());
        for observation in observations(rows) {
            let held = Held {
                file,
                rank: observation.rank,
                end: observation.end,
            };
            self.keys.insert(observation.key, held);
            self.place(observation.key, observation.member);
        }
    }

    fn place(&mut self, key: Key, member: Option<Member>) {
        let before = match member {
            Some(member) => self.members.insert(key, member),
            None => self.members.remove(&key),
        };
        let was_in = |group: Group| before.is_some_and(|was| was.groups().any(|of| of == group));
        for group in member.iter().flat_map(Member::groups) {
            if !was_in(group) {
                self.groups.entry(group).or_default().push(key);
            }
        }
    }

    /// The rows of `removed` moved to `path`.
    pub(crate) fn moved(&mut self, removed: &[DataFile], path: &str) {
        for held in &mut self.paths {
            if removed.iter().any(|file| file.path == *held) {
                path.clone_into(held);
            }
        }
    }
}

/// One observation that a row stands for.
pub(crate) struct Observation {
    pub(crate) row: usize,
    pub(crate) key: Key,
    pub(crate) rank: Rank,
    pub(crate) end: End,
    pub(crate) member: Option<Member>,
}

/// Every observation of `rows`, those that were merged into one row included.
pub(crate) fn observations(rows: &RecordBatch) -> Vec<Observation> {
    let text = |name: &str| -> Option<&StringArray> { rows.column_by_name(name)?.as_string_opt() };
    let (Some(keys), Some(events)) = (text("source_event_key"), text("event_id")) else {
        return Vec::new();
    };
    let merged = text("merged_observations");
    let mut found = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let Some(key) = parse_key(keys.value(row)) else {
            continue;
        };
        match merged.filter(|merged| merged.is_valid(row)) {
            Some(merged) => found.extend(members::observations(merged.value(row), row, key)),
            None => found.push(Observation {
                row,
                key,
                rank: Rank::of_stored(rows, row, parse_uuid(events.value(row))),
                end: end(rows, row),
                member: member(rows, row, key),
            }),
        }
    }
    found
}

fn end(rows: &RecordBatch, row: usize) -> End {
    ["result_code", "duration_ms"].map(|name| long(rows, name, row))
}

fn long(rows: &RecordBatch, name: &str, row: usize) -> Option<i64> {
    let column = rows.column_by_name(name)?;
    let column = column.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn member(rows: &RecordBatch, row: usize, key: Key) -> Option<Member> {
    let sensors = rows.column_by_name("sensors")?.as_list_opt::<i32>()?;
    if sensors.is_null(row) {
        return None;
    }
    let sensors = sensors.value(row);
    let text = |name| {
        let column = rows.column_by_name(name)?.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    };
    let pid = |name| long(rows, name, row);
    let times = rows
        .column_by_name("observed_at")?
        .as_primitive_opt::<TimestampMicrosecondType>()?;
    let sensor = sensors.as_string_opt::<i32>()?.iter().flatten().next()?;
    sighted(sensor, text, pid, times.value(row), key)
}

/// The observation that says `text` and `pid` in the columns of these names, where others may have seen the same.
pub(crate) fn sighted<'a>(
    sensor: &str,
    text: impl Fn(&'static str) -> Option<&'a str>,
    pid: impl Fn(&'static str) -> Option<i64>,
    observed_at: i64,
    key: Key,
) -> Option<Member> {
    let text = |name| text(name).unwrap_or_default();
    let pid = |name| pid(name).map_or(0, |pid| pid.unsigned_abs());
    let sighting = Sighting {
        kind: number(SENSORS, sensor).try_into().ok()?,
        trigger: number(TRIGGERS, text("trigger")).try_into().ok()?,
        device: text("device"),
        file_path: text("file_path"),
        pid: pid("pid"),
        parent_pid: pid("parent_pid"),
        parent_path: text("parent_path"),
        user: text("user_name_raw"),
        target: text("target_user_name"),
        arguments: text("arguments"),
        terminal: text("terminal"),
        outcome: number(OUTCOMES, text("outcome")).try_into().ok()?,
    };
    Member::new(&sighting, observed_at, key)
}

/// The key that 32 hexadecimal digits write.
pub(crate) fn parse_key(digits: &str) -> Option<Key> {
    uuid::Uuid::try_parse(digits)
        .ok()
        .map(uuid::Uuid::into_bytes)
}

fn parse_uuid(text: &str) -> Key {
    parse_key(text).unwrap_or_default()
}

/// The indexes of the days in use.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    days: HashMap<i32, DayIndex>,
    clock: u64,
}

impl Indexes {
    /// Makes sure that the day's index is there.
    pub(crate) async fn load(&mut self, table: &TableWriter, day: i32) -> Result<(), WriteError> {
        self.clock += 1;
        if let Some(index) = self.days.get_mut(&day) {
            index.used = self.clock;
            return Ok(());
        }
        let mut index = DayIndex {
            used: self.clock,
            ..DayIndex::default()
        };
        let columns = [COLUMNS, &rank::COLUMNS].concat();
        for file in table.files_of(Some(day)) {
            let rows = table.read_file(&file, Some(&columns)).await?;
            index.add(&file.path, &rows);
        }
        self.days.insert(day, index);
        Ok(())
    }

    pub(crate) fn day(&self, day: i32) -> Option<&DayIndex> {
        self.days.get(&day)
    }

    pub(crate) fn day_mut(&mut self, day: i32) -> Option<&mut DayIndex> {
        self.days.get_mut(&day)
    }

    /// Forgets the days used longest ago until the bound holds. To be called between transactions.
    pub(crate) fn bound(&mut self) {
        let mut keys: usize = self.days.values().map(|index| index.keys.len()).sum();
        while keys > MAX_KEYS {
            let oldest = self
                .days
                .iter()
                .min_by_key(|(_, index)| index.used)
                .map(|(day, _)| *day);
            let Some(index) = oldest.and_then(|day| self.days.remove(&day)) else {
                return;
            };
            keys -= index.keys.len();
        }
    }
}
