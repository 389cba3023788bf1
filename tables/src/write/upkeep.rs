//! Upkeep of a table: joining small files, forgetting old days, and removing files that no kept version needs.

use std::collections::BTreeMap;

use arrow::compute::concat_batches;

use super::{Change, DataFile, TableWriter, WriteError};

/// Files of one day that are worth joining.
pub const COMPACT_FROM_FILES: usize = 16;
/// Rows of a joined file: one is read in well under a second, and rewritten in about one.
pub const TARGET_FILE_ROWS: u64 = 512 << 10;

/// What a compaction did.
#[derive(Clone, Debug, PartialEq)]
pub struct Compaction {
    /// Files that went.
    pub removed: usize,
    /// The file that came.
    pub file: DataFile,
}

impl TableWriter {
    /// Small files that are worth joining, of one day at a time: the day with the most of them.
    #[must_use]
    pub fn compaction_candidates(&self) -> Option<(Option<i32>, Vec<DataFile>)> {
        let mut days: BTreeMap<Option<i32>, Vec<DataFile>> = BTreeMap::new();
        for file in self.files().filter(|file| file.rows < TARGET_FILE_ROWS) {
            days.entry(file.day).or_default().push(file.clone());
        }
        let (day, mut files) = days.into_iter().max_by_key(|(_, files)| files.len())?;
        if files.len() < COMPACT_FROM_FILES {
            return None;
        }
        // Smallest first, as many as fit one file.
        files.sort_by_key(|file| file.rows);
        let mut rows = 0;
        files.retain(|file| {
            rows += file.rows;
            rows <= TARGET_FILE_ROWS
        });
        (files.len() > 1).then_some((day, files))
    }

    /// Joins `files`, which must be of one day, into one.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read or the commit fails.
    pub async fn compact(
        &mut self,
        day: Option<i32>,
        files: Vec<DataFile>,
    ) -> Result<Compaction, WriteError> {
        let mut batches = Vec::with_capacity(files.len());
        for file in &files {
            batches.push(self.read_file(file, None).await?);
        }
        let joined = concat_batches(&self.definition.schema(), &batches).map_err(|cause| {
            WriteError::Rows {
                table: self.definition.name,
                what: "joining files",
                cause: cause.into(),
            }
        })?;
        let removed = files.len();
        let change = Change {
            add: vec![(day, joined)],
            remove: files,
            rewrites_only: true,
            ..Change::default()
        };
        let added = self.commit(change).await?.pop();
        let file = added.ok_or_else(|| WriteError::Rows {
            table: self.definition.name,
            what: "joining files",
            cause: "the files have no rows".into(),
        })?;
        Ok(Compaction { removed, file })
    }

    /// Forgets the rows of days before `first_kept`, in days since 1970-01-01, in files that were written before
    /// `written_before_ms`: old records that were imported lately stay as long as new ones. Returns how many rows went.
    ///
    /// # Errors
    ///
    /// Where the commit fails.
    pub async fn forget_before(
        &mut self,
        first_kept: i32,
        written_before_ms: i64,
    ) -> Result<u64, WriteError> {
        let is_old = |file: &&DataFile| {
            file.day.is_some_and(|day| day < first_kept) && file.written_at_ms < written_before_ms
        };
        let old: Vec<DataFile> = self.files().filter(is_old).cloned().collect();
        let rows = old.iter().map(|file| file.rows).sum();
        if !old.is_empty() {
            self.commit(Change {
                remove: old,
                ..Change::default()
            })
            .await?;
        }
        Ok(rows)
    }

    /// Removes files that no kept version needs. Returns how many.
    ///
    /// # Errors
    ///
    /// Where the store fails.
    pub async fn vacuum(&mut self) -> Result<usize, WriteError> {
        let (table, metrics) = self
            .table
            .clone()
            .vacuum()
            .await
            .map_err(|cause| self.failed(cause))?;
        self.table = table;
        self.load_files()?;
        Ok(metrics.files_deleted.len())
    }
}
