//! The read half of a table: its newest version, a past one, or nothing yet. Must never write.
//!
//! A reader keeps the newest version in memory and, when asked again, reads only the commits that came since. A
//! table that does not exist yet reads as empty with the right columns, so that a report can be asked for before
//! the first record arrives.

mod location;
mod snapshot;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use jiff::Timestamp;
use tokio::sync::Mutex;
use url::Url;

pub use location::{LocationError, tables_url};
pub use snapshot::{Snapshot, lacks_a_file};

/// Past versions kept open. A reader pages through one or two at a time; each costs a listing of the table's files.
const PAST_VERSIONS_KEPT: usize = 8;

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The address of the tables cannot be understood. Refuse.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The version asked for is not kept any more, or not there yet. Refuse; the newest can be read.
    #[error("table {table} has no {wanted} to read any more")]
    Gone {
        /// Name of the table.
        table: &'static str,
        /// The version or time that was asked for.
        wanted: String,
        /// What the storage said.
        #[source]
        source: Option<Box<DeltaTableError>>,
    },
    /// The storage failed. Retry.
    #[error("table {table} cannot be read")]
    Storage {
        /// Name of the table.
        table: &'static str,
        /// What the storage said.
        #[source]
        source: Box<DeltaTableError>,
    },
}

/// Reads one table. Cheap to clone; clones share what is in memory.
#[derive(Debug, Clone)]
pub struct TableReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    url: Url,
    schema: SchemaRef,
    newest: Mutex<Newest>,
    past: Mutex<VecDeque<Arc<Snapshot>>>,
}

#[derive(Debug, Default)]
struct Newest {
    table: Option<DeltaTable>,
    snapshot: Option<Arc<Snapshot>>,
    /// When the reading that gave `snapshot` began: whoever asked before that need not read again.
    began: Option<Instant>,
}

impl TableReader {
    /// A reader of the table `name` in the folder or store at `tables`, which need not exist yet.
    ///
    /// `schema` is what readers get while the table does not exist, and the columns they find in any version:
    /// columns that an old version lacks are null.
    ///
    /// # Errors
    /// [`ReadError::Location`] when the address cannot be understood.
    pub fn open(tables: &str, name: &'static str, schema: SchemaRef) -> Result<Self, ReadError> {
        let url = location::table_url(&tables_url(tables)?, name)?;
        let shared = Shared {
            name,
            url,
            schema,
            newest: Mutex::default(),
            past: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Name of the table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Columns of the table.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.shared.schema
    }

    /// The table as it is before it exists: empty.
    #[must_use]
    pub fn missing(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot::missing(self.shared.name, &self.shared.schema))
    }

    /// The newest version: at least as new as when this was called.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    pub async fn newest(&self) -> Result<Arc<Snapshot>, ReadError> {
        let asked = Instant::now();
        let mut newest = self.shared.newest.lock().await;
        if let (Some(snapshot), Some(began)) = (&newest.snapshot, newest.began)
            && began >= asked
        {
            return Ok(Arc::clone(snapshot));
        }
        let began = Instant::now();
        let table = match newest.table.take() {
            Some(table) => self.refreshed(table).await?,
            None => self.loaded().await?,
        };
        let snapshot = match (table.as_ref(), newest.snapshot.take()) {
            (None, _) => Arc::new(Snapshot::missing(self.shared.name, &self.shared.schema)),
            (Some(table), Some(known)) if known.version() == table.version() => known,
            (Some(table), _) => Arc::new(self.snapshot_of(table).await?),
        };
        *newest = Newest {
            table,
            snapshot: Some(Arc::clone(&snapshot)),
            began: Some(began),
        };
        Ok(snapshot)
    }

    /// A past version by number.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when it is not kept any more.
    pub async fn at_version(&self, version: u64) -> Result<Arc<Snapshot>, ReadError> {
        if let Some(snapshot) = &self.shared.newest.lock().await.snapshot
            && snapshot.version() == Some(version)
        {
            return Ok(Arc::clone(snapshot));
        }
        let mut past = self.shared.past.lock().await;
        if let Some(found) = past
            .iter()
            .find(|snapshot| snapshot.version() == Some(version))
        {
            return Ok(Arc::clone(found));
        }
        let mut table = self.unloaded()?;
        let gone = |source| self.gone(format!("version {version}"), Some(source));
        table.load_version(version).await.map_err(gone)?;
        if table.version() != Some(version) {
            return Err(self.gone(format!("version {version}"), None));
        }
        let snapshot = Arc::new(self.snapshot_of(&table).await?);
        if past.len() == PAST_VERSIONS_KEPT {
            past.pop_front();
        }
        past.push_back(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// The version that was the newest at a time; empty when the table did not exist then.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when it is not kept any more.
    pub async fn at_time(&self, time: Timestamp) -> Result<Arc<Snapshot>, ReadError> {
        if self.newest().await?.version().is_none() {
            return Ok(self.missing());
        }
        let gone = |source| self.gone(format!("version of {time}"), Some(source));
        let dated = DeltaTableBuilder::from_url(self.shared.url.clone())
            .and_then(|builder| builder.with_datestring(time.to_string()))
            .map_err(|source| self.failed(source))?;
        let table = dated.load().await.map_err(gone)?;
        let found = self.snapshot_of(&table).await?;
        // The storage gives its oldest version for a time before all versions.
        match (found.version(), found.committed_at()) {
            (Some(0), Some(first)) if first > time => Ok(Arc::new(Snapshot::missing(
                self.shared.name,
                &self.shared.schema,
            ))),
            (_, Some(oldest)) if oldest > time => {
                Err(self.gone(format!("version of {time}"), None))
            }
            _ => Ok(Arc::new(found)),
        }
    }

    /// Drops what is in memory, for when the table was replaced by another one under the same name.
    pub async fn forget(&self) {
        *self.shared.newest.lock().await = Newest::default();
        self.shared.past.lock().await.clear();
    }

    async fn refreshed(&self, mut table: DeltaTable) -> Result<Option<DeltaTable>, ReadError> {
        match table.update_state().await {
            Ok(()) => Ok(Some(table)),
            // A rebuilt table starts again at version 0: what is in memory does not lead there.
            Err(_) => self.loaded().await,
        }
    }

    async fn loaded(&self) -> Result<Option<DeltaTable>, ReadError> {
        let mut table = self.unloaded()?;
        if !table
            .verify_deltatable_existence()
            .await
            .map_err(|source| self.failed(source))?
        {
            return Ok(None);
        }
        table.load().await.map_err(|source| self.failed(source))?;
        Ok(Some(table))
    }

    fn unloaded(&self) -> Result<DeltaTable, ReadError> {
        DeltaTableBuilder::from_url(self.shared.url.clone())
            .and_then(DeltaTableBuilder::build)
            .map_err(|source| self.failed(source))
    }

    async fn snapshot_of(&self, table: &DeltaTable) -> Result<Snapshot, ReadError> {
        Snapshot::of(self.shared.name, &self.shared.schema, table)
            .await
            .map_err(|source| self.failed(source))
    }

    fn failed(&self, source: DeltaTableError) -> ReadError {
        ReadError::Storage {
            table: self.shared.name,
            source: Box::new(source),
        }
    }

    fn gone(&self, wanted: String, source: Option<DeltaTableError>) -> ReadError {
        ReadError::Gone {
            table: self.shared.name,
            wanted,
            source: source.map(Box::new),
        }
    }
}
