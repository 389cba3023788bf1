//! The rows that one transaction changes: those that arrived, and those of the table that a duplicate, a second sensor
//! or an exit touches. It must not commit, and must not decide which record is new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use epm_tables::schema::ELEVATIONS_TABLE;
use epm_tables::write::{Cell, Cells, DataFile, RowsBuilder, TableWriter, WriteError, read_cells};

use super::index::{End, Indexes, Key, Member, observations};
use super::members::{self, amend, assemble, explode, keys};
use super::rank::Rank;
use super::touched::Touched;

/// A row that arrived and has a key at its source.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    pub(crate) key: Key,
    pub(crate) rank: Rank,
    /// What the record itself says of the end.
    pub(crate) end: End,
    pub(crate) day: i32,
    pub(crate) row: usize,
    pub(crate) member: Option<Member>,
}

/// An exit that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) start_key: Key,
    pub(crate) day: i32,
    /// Result code, duration and signal.
    pub(crate) values: [Cell; 3],
    /// Which entry it was, for the dead letter where there is no start.
    pub(crate) entry: usize,
}

/// Rows to add to a day.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) day: i32,
    pub(crate) rows: RecordBatch,
    /// The file whose other rows these are.
    pub(crate) replaces: Option<DataFile>,
}

/// What a transaction does to `elevations`, and what `usage` has to follow.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) additions: Vec<Addition>,
    /// Rows that were not in the table in any form: what `usage` counts on top.
    pub(crate) counted: BTreeMap<i32, Vec<RecordBatch>>,
    /// Days whose `usage` has to be counted again, because rows that were counted changed.
    pub(crate) recount: BTreeSet<i32>,
    /// Exits without a start, by their entry.
    pub(crate) orphans: Vec<usize>,
    /// Rows that another record of the same observation made needless.
    pub(crate) repeated: u64,
    /// Rows that became part of another sensor's row.
    pub(crate) joined: u64,
}

struct Changed {
    day: i32,
    cells: Cells,
    was_stored: bool,
}

struct OpenFile {
    file: DataFile,
    rows: RecordBatch,
    by_key: HashMap<Key, usize>,
    dropped: HashSet<usize>,
}

/// One transaction's rows.
pub(crate) struct Work<'a> {
    table: &'a TableWriter,
    indexes: &'a mut Indexes,
    fresh: BTreeMap<i32, RecordBatch>,
    fresh_of: HashMap<Key, (i32, usize, Rank)>,
    dropped_fresh: HashMap<i32, HashSet<usize>>,
    changed: BTreeMap<Key, Changed>,
    changed_of: HashMap<Key, Key>,
    open: HashMap<String, OpenFile>,
    outcome: Outcome,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        table: &'a TableWriter,
        indexes: &'a mut Indexes,
        fresh: BTreeMap<i32, RecordBatch>,
    ) -> Self {
        Self {
            table,
            indexes,
            fresh,
            fresh_of: HashMap::new(),
            dropped_fresh: HashMap::new(),
            changed: BTreeMap::new(),
            changed_of: HashMap::new(),
            open: HashMap::new(),
            outcome: Outcome::default(),
        }
    }

    /// Settles duplicates, then processes that two sensors saw, then exits. Each step is a function of sets, so that the
    /// order of arrival does not show.
    pub(crate) async fn settle(
        mut self,
        keyed: Vec<Keyed>,
        exits: Vec<Exit>,
    ) -> Result<Outcome, WriteError> {
        let days: BTreeSet<i32> = keyed
            .iter()
            .map(|row| row.day)
            .chain(exits.iter().map(|exit| exit.day))
            .collect();
        for day in days {
            self.indexes.load(self.table, day).await?;
        }
        let mut days: BTreeMap<i32, Touched> = BTreeMap::new();
        for row in keyed {
            let touched = days.entry(row.day).or_default();
            self.settle_key(row, touched).await?;
        }
        for (day, touched) in days {
            self.settle_sets(day, touched).await?;
        }
        self.settle_exits(exits).await?;
        self.finish()
    }

    async fn settle_key(&mut self, row: Keyed, touched: &mut Touched) -> Result<(), WriteError> {
        match self.rank_of(row.day, &row.key) {
            None => {
                self.fresh_of.insert(row.key, (row.day, row.row, row.rank));
                row.member
                    .into_iter()
                    .for_each(|member| touched.add(member));
            }
            Some(held) if held <= row.rank => {
                self.drop_fresh(row.day, row.row);
                self.outcome.repeated += 1;
                self.end(&row).await?;
            }
            Some(_) => {
                let arrived = self.fresh_cells(row.day, row.row);
                self.drop_fresh(row.day, row.row);
                self.outcome.repeated += 1;
                self.replace(row.day, &row.key, arrived).await?;
                let held = self
                    .indexes
                    .day(row.day)
                    .and_then(|day| day.member(&row.key));
                touched.replace(row.key, held, row.member);
            }
        }
        Ok(())
    }

    /// What a record says of the end counts as an exit does, also where another record speaks for the observation.
    async fn end(&mut self, row: &Keyed) -> Result<(), WriteError> {
        let stored = self.indexes.day(row.day).and_then(|day| day.get(&row.key));
        let is_known = row.end == [None; 2] || stored.is_some_and(|held| held.end == row.end);
        if is_known {
            return Ok(());
        }
        if let Some((held, was_stored)) = self.take(row.day, &row.key).await? {
            let [code, duration] = row.end.map(|value| value.map_or(Cell::Null, Cell::Long));
            let held = ended(held, &row.key, &[code, duration, Cell::Null]);
            self.put(row.day, held, was_stored);
        }
        Ok(())
    }

    /// The record of the least rank speaks for an observation; what exits said stays.
    async fn replace(&mut self, day: i32, key: &Key, arrived: Cells) -> Result<(), WriteError> {
        let Some((held, was_stored)) = self.take(day, key).await? else {
            return Ok(());
        };
        let observations = explode(held).into_iter().map(|held| {
            if members::keys(&held).first() != Some(key) {
                return held;
            }
            let exit = members::EXIT_COLUMNS.map(|name| held[members::at(name)].clone());
            let mut arrived = arrived.clone();
            amend(&mut arrived, &exit);
            arrived
        });
        let row = assemble(observations.collect());
        if was_stored {
            self.outcome.recount.insert(day);
        }
        self.put(day, row, was_stored);
        Ok(())
    }

    async fn settle_sets(&mut self, day: i32, touched: Touched) -> Result<(), WriteError> {
        let (sets, row_of) = touched.sets(self.indexes.day(day));
        let rows: BTreeSet<Key> = sets.iter().flatten().map(|key| row_of[key]).collect();
        self.outcome.joined += (rows.len() as u64).saturating_sub(sets.len() as u64);
        let mut singles: BTreeMap<Key, (Cells, bool)> = BTreeMap::new();
        for row in rows {
            if let Some((cells, was_stored)) = self.take(day, &row).await? {
                if was_stored {
                    self.outcome.recount.insert(day);
                }
                for observation in explode(cells) {
                    if let Some(key) = keys(&observation).first() {
                        singles.insert(*key, (observation, was_stored));
                    }
                }
            }
        }
        for set in sets {
            let found: Vec<_> = set.iter().filter_map(|key| singles.remove(key)).collect();
            if !found.is_empty() {
                let was_stored = found.iter().any(|(_, was_stored)| *was_stored);
                let observations = found.into_iter().map(|(cells, _)| cells).collect();
                self.put(day, assemble(observations), was_stored);
            }
        }
        // Whatever is in no set stands for itself.
        for (observation, was_stored) in singles.into_values() {
            self.put(day, observation, was_stored);
        }
        Ok(())
    }

    async fn settle_exits(&mut self, exits: Vec<Exit>) -> Result<(), WriteError> {
        // A start without a key at its source is named by its event id, which only these days' rows need to be asked for.
        let mut by_event: HashMap<i32, HashMap<Key, (usize, Rank)>> = HashMap::new();
        for exit in exits {
            if self.rank_of(exit.day, &exit.start_key).is_none()
                && let Some(rows) = self.fresh.get(&exit.day)
            {
                let found = by_event.entry(exit.day).or_insert_with(|| {
                    observations(rows)
                        .into_iter()
                        .map(|one| (one.key, (one.row, one.rank)))
                        .collect()
                });
                if let Some((row, rank)) = found.get(&exit.start_key) {
                    self.fresh_of
                        .insert(exit.start_key, (exit.day, *row, *rank));
                }
            }
            match self.take(exit.day, &exit.start_key).await? {
                Some((row, was_stored)) => {
                    let row = ended(row, &exit.start_key, &exit.values);
                    self.put(exit.day, row, was_stored);
                }
                None => self.outcome.orphans.push(exit.entry),
            }
        }
        Ok(())
    }

    /// The rank of the record that speaks for an observation, where there is a row.
    fn rank_of(&self, day: i32, key: &Key) -> Option<Rank> {
        if let Some(row) = self
            .changed_of
            .get(key)
            .and_then(|row| self.changed.get(row))
        {
            // A row of several is called as its first one is; each is asked for by its own key.
            let observations = explode(row.cells.clone());
            let own = observations
                .iter()
                .find(|one| keys(one).first() == Some(key));
            return Rank::of_row(own.unwrap_or(&row.cells));
        }
        if let Some((_, _, rank)) = self.fresh_of.get(key) {
            return Some(*rank);
        }
        Some(self.indexes.day(day)?.get(key)?.rank)
    }

    fn fresh_cells(&self, day: i32, row: usize) -> Cells {
        read_cells(&self.fresh[&day], row)
    }

    fn drop_fresh(&mut self, day: i32, row: usize) {
        self.dropped_fresh.entry(day).or_default().insert(row);
    }

    /// Takes the row that holds `key` out of wherever it is; says whether the table had it.
    async fn take(&mut self, day: i32, key: &Key) -> Result<Option<(Cells, bool)>, WriteError> {
        if let Some(row) = self.changed_of.get(key)
            && let Some(changed) = self.changed.remove(row)
        {
            return Ok(Some((changed.cells, changed.was_stored)));
        }
        if let Some((day, row, _)) = self.fresh_of.remove(key) {
            let cells = self.fresh_cells(day, row);
            self.drop_fresh(day, row);
            return Ok(Some((cells, false)));
        }
        let Some(path) = self.indexes.day(day).and_then(|index| {
            let held = index.get(key)?;
            Some(index.path(held.file).to_owned())
        }) else {
            return Ok(None);
        };
        let open = self.open(day, path).await?;
        let Some(row) = open.and_then(|open| {
            let row = *open.by_key.get(key)?;
            open.dropped
                .insert(row)
                .then(|| read_cells(&open.rows, row))
        }) else {
            return Ok(None);
        };
        Ok(Some((row, true)))
    }

    async fn open(&mut self, day: i32, path: String) -> Result<Option<&mut OpenFile>, WriteError> {
        if !self.open.contains_key(&path) {
            let files = self.table.files_of(Some(day));
            let Some(file) = files.into_iter().find(|file| file.path == path) else {
                return Ok(None);
            };
            let rows = self.table.read_file(&file, None).await?;
            let by_key = observations(&rows)
                .into_iter()
                .map(|one| (one.key, one.row))
                .collect();
            let open = OpenFile {
                file,
                rows,
                by_key,
                dropped: HashSet::new(),
            };
            self.open.insert(path.clone(), open);
        }
        Ok(self.open.get_mut(&path))
    }

    fn put(&mut self, day: i32, cells: Cells, was_stored: bool) {
        let held = keys(&cells);
        if let Some(row) = held.first() {
            for key in &held {
                self.changed_of.insert(*key, *row);
            }
            self.changed.insert(
                *row,
                Changed {
                    day,
                    cells,
                    was_stored,
                },
            );
        }
    }

    fn finish(mut self) -> Result<Outcome, WriteError> {
        let schema = ELEVATIONS_TABLE.schema();
        let failed = |cause: arrow::error::ArrowError| WriteError::Rows {
            table: ELEVATIONS_TABLE.name,
            what: "joining rows",
            cause: cause.into(),
        };
        let mut days: BTreeMap<i32, Vec<RecordBatch>> = BTreeMap::new();
        for (day, rows) in std::mem::take(&mut self.fresh) {
            let kept = match self.dropped_fresh.get(&day) {
                Some(dropped) => without(&rows, dropped).map_err(failed)?,
                None => rows,
            };
            if kept.num_rows() > 0 {
                self.outcome
                    .counted
                    .entry(day)
                    .or_default()
                    .push(kept.clone());
                days.entry(day).or_default().push(kept);
            }
        }
        let mut builders: BTreeMap<(i32, bool), RowsBuilder> = BTreeMap::new();
        for changed in self.changed.values() {
            builders
                .entry((changed.day, changed.was_stored))
                .or_insert_with(|| RowsBuilder::new(ELEVATIONS_TABLE))
                .push(&changed.cells);
        }
        for ((day, was_stored), mut rows) in builders {
            let rows = rows.finish();
            if !was_stored {
                self.outcome
                    .counted
                    .entry(day)
                    .or_default()
                    .push(rows.clone());
            }
            days.entry(day).or_default().push(rows);
        }
        for (day, mut parts) in days {
            let rows = match parts.len() {
                1 => parts.remove(0),
                _ => concat_batches(&schema, &parts).map_err(failed)?,
            };
            self.outcome.additions.push(Addition {
                day,
                rows,
                replaces: None,
            });
        }
        for open in self
            .open
            .into_values()
            .filter(|open| !open.dropped.is_empty())
        {
            let rows = without(&open.rows, &open.dropped).map_err(failed)?;
            let day = open.file.day.unwrap_or_default();
            self.outcome.additions.push(Addition {
                day,
                rows,
                replaces: Some(open.file),
            });
        }
        Ok(self.outcome)
    }
}

/// `row` with what is said of the end of its observation `key`, kept there: the row may be taken apart again.
fn ended(row: Cells, key: &Key, end: &[Cell; 3]) -> Cells {
    let mut observations = explode(row);
    let own = observations
        .iter()
        .position(|one| keys(one).first() == Some(key));
    if let Some(one) = observations.get_mut(own.unwrap_or(0)) {
        amend(one, end);
    }
    assemble(observations)
}

fn without(
    rows: &RecordBatch,
    dropped: &HashSet<usize>,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let kept: BooleanArray = (0..rows.num_rows())
        .map(|row| Some(!dropped.contains(&row)))
        .collect();
    filter_record_batch(rows, &kept)
}
