//! The write half of a table: one Delta commit carries rows and the log positions that they came from.
//!
//! One writer at a time: the processor. Nothing here knows what a row means. What a commit made visible is a cache of
//! the event log, so files are not synced: after a power cut a table may have to be rebuilt, and the log says so.

mod file;
mod rows;
mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Remove, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use url::Url;

use crate::schema::Table;

pub use self::rows::{Cell, Cells, RowsBuilder, read_cells};
pub use self::upkeep::{COMPACT_FROM_FILES, Compaction, TARGET_FILE_ROWS};

/// Commits between checkpoints: a cold reader replays at most so many small files.
const CHECKPOINT_INTERVAL: &str = "100";
/// How long past versions stay readable. Longer history is a matter of the log, not of its cache.
const KEPT_VERSIONS: &str = "interval 7 days";

/// Why a table could not be written. The commit did not happen unless the error says that it is not known.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The table engine refused or the store failed. Retry, after opening the table again.
    #[error("table {table} cannot be written")]
    Table {
        /// Which.
        table: &'static str,
        /// Why.
        #[source]
        cause: Box<DeltaTableError>,
    },
    /// Rows could not be encoded or decoded. Stop: it is a mistake in the program or a damaged file.
    #[error("table {table}: {what} failed")]
    Rows {
        /// Which.
        table: &'static str,
        /// What was done.
        what: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table on disk has other columns than this version writes. Stop: rebuild it.
    #[error("table {table} was made by another version ({detail}): run `epm rebuild`")]
    Schema {
        /// Which.
        table: &'static str,
        /// What differs.
        detail: String,
    },
}

/// A file of a table. Its rows all have one value of the partition column.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// Path under the table, as the Delta log names it.
    pub path: String,
    /// Days since 1970-01-01, where the table is partitioned.
    pub day: Option<i32>,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Server clock when it was written, milliseconds since 1970.
    pub written_at_ms: i64,
}

/// What one commit does.
#[derive(Debug, Default)]
pub struct Change {
    /// Rows to add, each batch of one day where the table is partitioned.
    pub add: Vec<(Option<i32>, RecordBatch)>,
    /// Files whose rows go.
    pub remove: Vec<DataFile>,
    /// Log positions: application id and next offset.
    pub positions: Vec<(String, i64)>,
    /// False where the rows only move between files.
    pub rewrites_only: bool,
}

/// Writes one table.
#[derive(Debug)]
pub struct TableWriter {
    definition: Table,
    table: DeltaTable,
    files: BTreeMap<String, DataFile>,
}

impl TableWriter {
    /// Opens the table under `tables`; makes it where it is absent, and adds the columns that an earlier version lacked.
    ///
    /// # Errors
    ///
    /// Where the store fails, or the table has columns that it never had.
    pub async fn open(tables: &Url, definition: Table) -> Result<Self, WriteError> {
        let name = definition.name;
        let failed = |cause: DeltaTableError| WriteError::Table {
            table: name,
            cause: Box::new(cause),
        };
        let url = table_url(tables, name);
        if url.scheme() == "file"
            && let Ok(path) = url.to_file_path()
        {
            std::fs::create_dir_all(&path).map_err(|cause| WriteError::Rows {
                table: name,
                what: "making the folder",
                cause: cause.into(),
            })?;
        }
        let mut table = DeltaTableBuilder::from_url(url)
            .and_then(DeltaTableBuilder::build)
            .map_err(failed)?;
        match table.load().await {
            Ok(()) => {}
            Err(DeltaTableError::NotATable(_)) => {
                table = create(table, &definition).await.map_err(failed)?
            }
            Err(other) => return Err(failed(other)),
        }
        let mut writer = Self {
            definition,
            table,
            files: BTreeMap::new(),
        };
        writer.evolve().await?;
        writer.load_files()?;
        Ok(writer)
    }

    /// The table's definition.
    #[must_use]
    pub fn definition(&self) -> &Table {
        &self.definition
    }

    /// Newest version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.table.version().unwrap_or_default()
    }

    /// The files of `day`, or all of them where the table is not partitioned.
    #[must_use]
    pub fn files_of(&self, day: Option<i32>) -> Vec<DataFile> {
        self.files
            .values()
            .filter(|file| file.day == day)
            .cloned()
            .collect()
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.files.values()
    }

    /// The log position that application `id` committed last.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn position(&self, id: &str) -> Result<Option<i64>, WriteError> {
        let snapshot = self.table.snapshot().map_err(|cause| self.failed(cause))?;
        snapshot
            .transaction_version(&*self.table.log_store(), id)
            .await
            .map_err(|cause| self.failed(cause))
    }

    /// Writes the rows as files and commits them with the positions, all or nothing. Returns the new files in the order
    /// of `change.add`, without those batches that have no rows.
    ///
    /// # Errors
    ///
    /// Where the store fails; then nothing of it is visible.
    pub async fn commit(&mut self, change: Change) -> Result<Vec<DataFile>, WriteError> {
        let data_change = !change.rewrites_only;
        let mut actions: Vec<Action> = change
            .remove
            .iter()
            .map(|file| Action::Remove(self.remove_action(file, data_change)))
            .collect();
        let mut added = Vec::new();
        for (day, rows) in change.add {
            if rows.num_rows() > 0 {
                let (file, mut add) = self.write_file(day, rows).await?;
                add.data_change = data_change;
                actions.push(Action::Add(add));
                added.push(file);
            }
        }
        let transactions = change
            .positions
            .into_iter()
            .map(|(id, version)| Transaction::new(id, version))
            .collect();
        let properties = CommitProperties::default().with_application_transactions(transactions);
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: self
                .definition
                .partition
                .map(|column| vec![column.to_owned()]),
            predicate: None,
        };
        let snapshot = self.table.snapshot().map_err(|cause| self.failed(cause))?;
        let finished = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot), self.table.log_store(), operation)
            .await
            .map_err(|cause| self.failed(cause))?;
        self.table.state = Some(finished.snapshot());
        for file in &change.remove {
            self.files.remove(&file.path);
        }
        for file in &added {
            self.files.insert(file.path.clone(), file.clone());
        }
        Ok(added)
    }

    fn failed(&self, cause: DeltaTableError) -> WriteError {
        WriteError::Table {
            table: self.definition.name,
            cause: Box::new(cause),
        }
    }

    fn remove_action(&self, file: &DataFile, data_change: bool) -> Remove {
        Remove {
            path: file.path.clone(),
            data_change,
            deletion_timestamp: Some(jiff::Timestamp::now().as_millisecond()),
            extended_file_metadata: Some(true),
            partition_values: Some(self.partition_values(file.day)),
            size: Some(file.bytes as i64),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        }
    }

    fn partition_values(&self, day: Option<i32>) -> HashMap<String, Option<String>> {
        let value = |column: &str| (column.to_owned(), day.map(file::day_text));
        self.definition.partition.map(value).into_iter().collect()
    }

    fn load_files(&mut self) -> Result<(), WriteError> {
        let snapshot = self.table.snapshot().map_err(|cause| self.failed(cause))?;
        let mut files = BTreeMap::new();
        for view in snapshot.log_data().iter() {
            let values = view.partition_values_map();
            let day = self
                .definition
                .partition
                .and_then(|column| values.get(column).cloned().flatten())
                .and_then(|text| file::parse_day(&text));
            let path = view.path().into_owned();
            let held = DataFile {
                path: path.clone(),
                day,
                rows: view.num_records().unwrap_or_default() as u64,
                bytes: view.size() as u64,
                written_at_ms: view.modification_time(),
            };
            files.insert(path, held);
        }
        self.files = files;
        Ok(())
    }

    /// Adds the columns that an earlier version did not know; they are null in the rows that it wrote. Columns are only ever
    /// added at the end, so a table whose columns are not the first of ours was made by something else.
    async fn evolve(&mut self) -> Result<(), WriteError> {
        let snapshot = self.table.snapshot().map_err(|cause| self.failed(cause))?;
        let held: Vec<String> = snapshot
            .schema()
            .fields()
            .map(|field| field.name().clone())
            .collect();
        let columns = self.definition.columns.iter();
        let expected: Vec<&str> = columns.map(|column| column.name).collect();
        if held == expected {
            return Ok(());
        }
        let is_earlier = held.len() < expected.len() && held.iter().eq(&expected[..held.len()]);
        if !is_earlier {
            let unknown = expected
                .iter()
                .copied()
                .filter(|name| !held.iter().any(|held| held == name))
                .chain(
                    held.iter()
                        .map(String::as_str)
                        .filter(|name| !expected.contains(name)),
                );
            return Err(WriteError::Schema {
                table: self.definition.name,
                detail: format!("columns {}", unknown.collect::<Vec<_>>().join(", ")),
            });
        }
        let schema: Schema = Arc::unwrap_or_clone(self.definition.schema());
        let all: StructType = (&schema)
            .try_into_kernel()
            .map_err(|cause: ArrowError| self.failed(cause.into()))?;
        let added: Vec<_> = all.fields().skip(held.len()).cloned().collect();
        let evolved = self.table.clone().add_columns().with_fields(added).await;
        self.table = evolved.map_err(|cause| self.failed(cause))?;
        Ok(())
    }
}

/// Where the table `name` lives under `tables`.
pub(crate) fn table_url(tables: &Url, name: &str) -> Url {
    let mut url = tables.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(name);
    }
    url
}

async fn create(table: DeltaTable, definition: &Table) -> Result<DeltaTable, DeltaTableError> {
    let schema: Schema = Arc::unwrap_or_clone(definition.schema());
    let columns: StructType = (&schema).try_into_kernel()?;
    let properties = [
        ("delta.checkpointInterval", CHECKPOINT_INTERVAL),
        ("delta.deletedFileRetentionDuration", KEPT_VERSIONS),
        ("delta.logRetentionDuration", KEPT_VERSIONS),
    ];
    table
        .create()
        .with_table_name(definition.name)
        .with_comment(definition.row)
        .with_columns(columns.fields().cloned())
        .with_partition_columns(definition.partition)
        .with_configuration(properties.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))))
        .await
}
