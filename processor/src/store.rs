//! The four tables as one thing: what each has applied, and commits in the order that makes a crash between two of them
//! harmless. It must not know what a row means.
//!
//! `dead_letters`, `elevations`, `usage`, `devices`: each commit carries its table's own log positions, so a later table is
//! never ahead of an earlier one. `devices` is last because it says which records are new.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use epm_tables::schema::{DEAD_LETTERS_TABLE, DEVICES_TABLE, ELEVATIONS_TABLE, Table, USAGE_TABLE};
use epm_tables::write::{Change, DataFile, TableWriter, WriteError};
use url::Url;

use crate::error::ProcessorError;
use crate::fold::usage::{UsageSum, elevation_columns};
use crate::fold::{Addition, Indexes, Needed};

/// The offset after the last entry that was applied, by partition.
pub(crate) type Positions = BTreeMap<u32, u64>;

/// A table and what it has applied.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) writer: TableWriter,
    positions: Positions,
}

impl Placed {
    async fn open(tables: &Url, definition: Table, partitions: u32) -> Result<Self, WriteError> {
        let writer = TableWriter::open(tables, definition).await?;
        let mut positions = Positions::new();
        for partition in 0..partitions {
            let held = writer.position(&application(partition)).await?;
            positions.insert(
                partition,
                held.and_then(|next| u64::try_from(next).ok()).unwrap_or(0),
            );
        }
        Ok(Self { writer, positions })
    }

    pub(crate) fn position(&self, partition: u32) -> u64 {
        self.positions.get(&partition).copied().unwrap_or(0)
    }

    async fn commit(
        &mut self,
        mut change: Change,
        next: &Positions,
    ) -> Result<Vec<DataFile>, WriteError> {
        // A position never goes back: after a crash an earlier table has applied more than the others.
        let ahead: Positions = next
            .iter()
            .map(|(partition, next)| (*partition, (*next).max(self.position(*partition))))
            .collect();
        change.positions = ahead
            .iter()
            .map(|(partition, next)| (application(*partition), *next as i64))
            .collect();
        let added = self.writer.commit(change).await?;
        self.positions.extend(ahead);
        Ok(added)
    }
}

/// The application id under which a table keeps its position in `partition`.
fn application(partition: u32) -> String {
    format!("epm-processor/p{partition}")
}

/// The tables.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) dead_letters: Placed,
    pub(crate) elevations: Placed,
    pub(crate) usage: Placed,
    pub(crate) devices: Placed,
}

impl Store {
    pub(crate) async fn open(tables: &Url, partitions: u32) -> Result<Self, ProcessorError> {
        let store = Self::open_as_they_are(tables, partitions).await?;
        for partition in 0..partitions {
            store.check(partition)?;
        }
        Ok(store)
    }

    /// Opens tables that need not agree with one another.
    pub(crate) async fn open_as_they_are(
        tables: &Url,
        partitions: u32,
    ) -> Result<Self, ProcessorError> {
        Ok(Self {
            dead_letters: Placed::open(tables, DEAD_LETTERS_TABLE, partitions).await?,
            elevations: Placed::open(tables, ELEVATIONS_TABLE, partitions).await?,
            usage: Placed::open(tables, USAGE_TABLE, partitions).await?,
            devices: Placed::open(tables, DEVICES_TABLE, partitions).await?,
        })
    }

    fn check(&self, partition: u32) -> Result<(), ProcessorError> {
        let order = self.in_order();
        for pair in order.windows(2) {
            let (offset, later_offset) = (pair[0].position(partition), pair[1].position(partition));
            if offset < later_offset {
                return Err(ProcessorError::Inconsistent {
                    table: pair[0].writer.definition().name,
                    offset,
                    partition,
                    later: pair[1].writer.definition().name,
                    later_offset,
                });
            }
        }
        Ok(())
    }

    /// That the tables which a trimmed log cannot make again are there: only `usage` follows from another table.
    pub(crate) fn check_but_usage(
        &self,
        partition: u32,
        log_start: u64,
    ) -> Result<(), ProcessorError> {
        for table in [&self.dead_letters, &self.elevations, &self.devices] {
            let needed = table.position(partition);
            if needed < log_start {
                return Err(ProcessorError::Irreplaceable {
                    table: table.writer.definition().name,
                    partition,
                    start: log_start,
                });
            }
        }
        Ok(())
    }

    fn in_order(&self) -> [&Placed; 4] {
        [
            &self.dead_letters,
            &self.elevations,
            &self.usage,
            &self.devices,
        ]
    }

    /// From where each table still needs entries.
    pub(crate) fn needed(&self, partition: u32) -> Needed {
        Needed {
            dead_letters: self.dead_letters.position(partition),
            elevations: self.elevations.position(partition),
            devices: self.devices.position(partition),
        }
    }

    /// Everything below is in every table.
    pub(crate) fn applied(&self, partition: u32) -> u64 {
        self.in_order()
            .iter()
            .map(|table| table.position(partition))
            .min()
            .unwrap_or(0)
    }

    pub(crate) async fn commit_dead_letters(
        &mut self,
        add: Vec<(Option<i32>, RecordBatch)>,
        next: &Positions,
    ) -> Result<(), ProcessorError> {
        self.dead_letters
            .commit(
                Change {
                    add,
                    ..Change::default()
                },
                next,
            )
            .await?;
        Ok(())
    }

    /// Adds and replaces rows; the indexes learn where everything is now.
    pub(crate) async fn commit_elevations(
        &mut self,
        additions: Vec<Addition>,
        indexes: &mut Indexes,
        next: &Positions,
    ) -> Result<(), ProcessorError> {
        let mut change = Change::default();
        for addition in &additions {
            change.add.push((Some(addition.day), addition.rows.clone()));
            change.remove.extend(addition.replaces.clone());
        }
        let added = self.elevations.commit(change, next).await?;
        let kept = additions
            .iter()
            .filter(|addition| addition.rows.num_rows() > 0);
        for (addition, file) in kept.zip(&added) {
            let Some(index) = indexes.day_mut(addition.day) else {
                continue;
            };
            match &addition.replaces {
                Some(replaced) => index.moved(std::slice::from_ref(replaced), &file.path),
                None => index.add(&file.path, &addition.rows),
            }
        }
        Ok(())
    }

    /// Counts new rows on top, and counts days again whose rows changed.
    pub(crate) async fn commit_usage(
        &mut self,
        counted: BTreeMap<i32, Vec<RecordBatch>>,
        recount: &BTreeSet<i32>,
        next: &Positions,
    ) -> Result<(), ProcessorError> {
        let mut change = Change::default();
        for (day, rows) in counted {
            if !recount.contains(&day) {
                let mut sum = UsageSum::new()?;
                for rows in &rows {
                    sum.add_elevations(rows)?;
                }
                change.add.push((Some(day), sum.finish(day)?));
            }
        }
        for day in recount {
            change.add.push((Some(*day), self.count_day(*day).await?));
            change.remove.extend(self.usage.writer.files_of(Some(*day)));
        }
        self.usage.commit(change, next).await?;
        Ok(())
    }

    /// The counts of one day, from `elevations`.
    pub(crate) async fn count_day(&self, day: i32) -> Result<RecordBatch, ProcessorError> {
        let columns = elevation_columns();
        let mut sum = UsageSum::new()?;
        for file in self.elevations.writer.files_of(Some(day)) {
            let rows = self
                .elevations
                .writer
                .read_file(&file, Some(&columns))
                .await?;
            sum.add_elevations(&rows)?;
        }
        Ok(sum.finish(day)?)
    }

    pub(crate) async fn commit_devices(
        &mut self,
        rows: RecordBatch,
        next: &Positions,
    ) -> Result<(), ProcessorError> {
        let change = Change {
            add: vec![(None, rows)],
            remove: self.devices.writer.files_of(None),
            ..Change::default()
        };
        self.devices.commit(change, next).await?;
        Ok(())
    }
}
