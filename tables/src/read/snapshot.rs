//! One version of a table, ready to be queried. Must not change once made.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, cast, lit};
use deltalake::delta_datafusion::DeltaScanNext;
use deltalake::logstore::commit_uri_from_version;
use deltalake::logstore::object_store::{Error as StoreError, ObjectStoreExt as _};
use deltalake::{DeltaTable, DeltaTableError};
use jiff::Timestamp;

/// One version of a table.
#[derive(Debug, Clone)]
pub struct Snapshot {
    name: &'static str,
    version: Option<u64>,
    committed_at: Option<Timestamp>,
    files: usize,
    schema: SchemaRef,
    provider: Arc<dyn TableProvider>,
}

impl Snapshot {
    /// Name of the table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Delta version; None while the table does not exist.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// When the version was committed, by the clock of the storage; None while the table does not exist.
    #[must_use]
    pub fn committed_at(&self) -> Option<Timestamp> {
        self.committed_at
    }

    /// Data files of the version: none means no rows.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files
    }

    /// The rows, for DataFusion. Text may come as Utf8View; [`Snapshot::frame`] gives the table's own columns.
    #[must_use]
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.provider)
    }

    /// Makes the rows known to SQL under the table's name.
    ///
    /// # Errors
    /// When the session already knows that name.
    pub fn register(&self, session: &SessionContext) -> Result<(), DataFusionError> {
        session
            .register_table(self.name, self.provider())
            .map(|_| ())
    }

    /// The rows as a frame with exactly the table's columns; those that this version lacks are null.
    ///
    /// # Errors
    /// When the version's columns have other types than the table's.
    pub fn frame(&self, session: &SessionContext) -> Result<DataFrame, DataFusionError> {
        let frame = session.read_table(self.provider())?;
        let stored = self.provider.schema();
        if self
            .schema
            .fields()
            .iter()
            .all(|field| stored.index_of(field.name()).is_ok())
        {
            return Ok(frame);
        }
        let columns: Vec<Expr> = self
            .schema
            .fields()
            .iter()
            .map(|field| match stored.index_of(field.name()) {
                Ok(_) => Expr::Column(Column::from_name(field.name())),
                Err(_) => {
                    cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name())
                }
            })
            .collect();
        frame.select(columns)
    }

    pub(super) fn missing(name: &'static str, schema: &SchemaRef) -> Self {
        Self {
            name,
            version: None,
            committed_at: None,
            files: 0,
            schema: Arc::clone(schema),
            provider: Arc::new(EmptyTable::new(Arc::clone(schema))),
        }
    }

    pub(super) async fn of(
        name: &'static str,
        schema: &SchemaRef,
        table: &DeltaTable,
    ) -> Result<Self, DeltaTableError> {
        let state = table.snapshot()?;
        let version = state.version();
        let provider = DeltaScanNext::builder()
            .with_log_store(table.log_store())
            .with_eager_snapshot(state.snapshot().clone())
            .build()
            .await
            .map_err(|error| DeltaTableError::GenericError {
                source: Box::new(error),
            })?;
        Ok(Self {
            name,
            version: Some(version),
            committed_at: commit_time(table, version).await?,
            files: state.log_data().num_files(),
            schema: Arc::clone(schema),
            provider: Arc::new(provider),
        })
    }
}

/// Whether a query failed because a file of its version is not there: tidied away, or the table was replaced.
#[must_use]
pub fn lacks_a_file(error: &DataFusionError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(StoreError::NotFound { .. })) {
            return true;
        }
        cause = error.source();
    }
    // Some layers keep the text of a cause only.
    error.to_string().contains("No such file or directory")
}

async fn commit_time(
    table: &DeltaTable,
    version: u64,
) -> Result<Option<Timestamp>, DeltaTableError> {
    let millis = match table.snapshot()?.version_timestamp(version) {
        Some(millis) => millis,
        None => {
            let commit = commit_uri_from_version(Some(version));
            match table.log_store().object_store(None).head(&commit).await {
                Ok(meta) => meta.last_modified.timestamp_millis(),
                // The commit has been folded into a checkpoint and cleaned away.
                Err(_) => return Ok(None),
            }
        }
    };
    Ok(Timestamp::from_millisecond(millis).ok())
}
