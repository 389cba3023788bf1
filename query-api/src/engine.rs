//! Answers reports from the tables: the one place where a request becomes a query.
//!
//! Bounds what queries may cost: how many run at once, for how long, in how much memory. Must not format answers.

mod answer;
pub(crate) mod completeness;
pub(crate) mod expected;
mod failure;
mod limits;
pub(crate) mod plan;
pub(crate) mod query;
pub(crate) mod shape;
pub(crate) mod window;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use epm_tables::TableReader;
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::answer::{empty_reason, next_cursor};
use self::failure::{arrow_failed, unreadable};
use self::plan::Plan;
use self::query::Sources;
use self::shape::{reshape, same_schema, schema_of};
use crate::catalogue::Source;
use crate::{AsOf, ColumnInfo, DataStatus, QueryError, Report, ReportRequest};

pub(crate) use failure::failed;
pub use limits::QueryLimits;
pub use window::Window;

/// Rows of a page when the request does not say.
pub const DEFAULT_PAGE_ROWS: usize = 100;
/// Rows of one page: a page is built in memory, about 1 kB a row.
pub const MAX_PAGE_ROWS: usize = 10_000;

/// One page of a report.
#[derive(Debug, Clone)]
pub struct ReportPage {
    /// The report that was asked for.
    pub report: &'static Report,
    /// The window, with ages resolved to times.
    pub window: Window,
    /// The columns of every batch, in order.
    pub columns: Vec<ColumnInfo>,
    /// The rows; text is Utf8, counts Int64, times Timestamp(µs, UTC), dates Date32.
    pub batches: Vec<RecordBatch>,
    /// Rows over all pages.
    pub total_rows: Option<u64>,
    /// Ask with this cursor and otherwise the same request for the rows after these; None on the last page.
    pub next_cursor: Option<String>,
    /// Freshness and completeness.
    pub status: DataStatus,
}

/// All rows of a report, as they are read.
pub struct ReportStream {
    /// The report that was asked for.
    pub report: &'static Report,
    /// The window, with ages resolved to times.
    pub window: Window,
    /// The columns of every batch, in order.
    pub columns: Vec<ColumnInfo>,
    /// The Arrow schema of every batch.
    pub schema: SchemaRef,
    /// Freshness and completeness.
    pub status: DataStatus,
    /// The rows, in the report's order. An error ends the stream.
    pub rows: Pin<Box<dyn Stream<Item = Result<RecordBatch, QueryError>> + Send>>,
}

impl std::fmt::Debug for ReportStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportStream")
            .field("report", &self.report.name)
            .finish_non_exhaustive()
    }
}

/// Answers reports from the tables of one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReportEngine {
    shared: Arc<Shared>,
    within: Option<Agents>,
}

/// The agents of the devices that a reader may see, in the text that tables have.
pub(crate) type Agents = Arc<BTreeSet<String>>;

#[derive(Debug)]
struct Shared {
    elevations: TableReader,
    usage: TableReader,
    devices: TableReader,
    runtime: Arc<RuntimeEnv>,
    limits: QueryLimits,
    turns: Arc<Semaphore>,
}

impl ReportEngine {
    /// Opens the tables under a path or URL. Tables that do not exist yet are empty.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn open(tables_uri: &str) -> Result<Self, QueryError> {
        Self::open_with(tables_uri, QueryLimits::default())
    }

    /// Opens the tables with other limits than the default ones.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn open_with(tables_uri: &str, limits: QueryLimits) -> Result<Self, QueryError> {
        let table = |name, schema| TableReader::open(tables_uri, name, schema).map_err(unreadable);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory_bytes)))
            .build_arc()
            .map_err(failed)?;
        let shared = Shared {
            elevations: table("elevations", expected::elevations())?,
            usage: table("usage", expected::usage())?,
            devices: table("devices", expected::devices())?,
            runtime,
            limits,
            turns: Arc::new(Semaphore::new(limits.concurrent)),
        };
        Ok(Self {
            shared: Arc::new(shared),
            within: None,
        })
    }

    /// The same engine for a reader who may see the devices of these agents only: no row, count or gap of another one is
    /// in any of its answers. It counts from single elevations, as daily usage does not know agents.
    #[must_use]
    pub fn within(&self, agents: impl IntoIterator<Item = String>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            within: Some(Arc::new(agents.into_iter().collect())),
        }
    }

    /// One page of a report.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run(&self, request: &ReportRequest) -> Result<ReportPage, QueryError> {
        let plan = self.plan(request)?;
        let _turn = self.turn().await?;
        let limit = self.shared.limits.page_time;
        let page = async {
            match self.page(&plan, request).await {
                // The table was replaced or tidied under the query: read what is there now, once.
                Err(QueryError::Gone { .. }) if plan.cursor.is_none() && plan.as_of.is_none() => {
                    self.forget().await;
                    self.page(&plan, request).await
                }
                answer => answer,
            }
        };
        tokio::time::timeout(limit, page)
            .await
            .unwrap_or(Err(QueryError::TimedOut {
                limit_s: limit.as_secs(),
            }))
            .map_err(|error| self.with_bounds(error))
    }

    /// Every row of a report, or `limit` of them; holds its turn until the stream is dropped.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn stream(&self, request: &ReportRequest) -> Result<ReportStream, QueryError> {
        let unbounded = ReportRequest {
            limit: None,
            ..request.clone()
        };
        let plan = self.plan(&unbounded)?;
        let turn = self.turn().await?;
        let sources = self.sources(&plan).await?;
        let session = self.session();
        let windowed = query::windowed(&plan, &sources, &session).map_err(failed)?;
        let status = self.status_of(&plan, &sources, &session, &windowed).await?;
        let rows = query::rows(&plan, windowed).map_err(failed)?;
        let page = query::page(&plan, rows, request.limit)?;
        let batches = page.execute_stream().await.map_err(failed)?;
        let schema = schema_of(&plan.columns);
        let (engine, shape) = (self.clone(), Arc::clone(&schema));
        let rows = batches.map(move |batch| {
            let _held: &OwnedSemaphorePermit = &turn;
            let batch = batch
                .map_err(failed)
                .map_err(|error| engine.with_bounds(error))?;
            reshape(&batch, &shape)
        });
        let (report, window, columns) = (plan.report, plan.window, plan.columns);
        Ok(ReportStream {
            report,
            window,
            columns,
            schema,
            status,
            rows: Box::pin(rows),
        })
    }

    /// Freshness and completeness of the tables, without a report.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn status(&self) -> Result<DataStatus, QueryError> {
        let _turn = self.turn().await?;
        let plan = self.plan(&ReportRequest::new("elevations"))?;
        let sources = self.sources(&plan).await?;
        self.data_status(&plan, &sources, &self.session()).await
    }

    fn plan(&self, request: &ReportRequest) -> Result<Plan, QueryError> {
        let plan = Plan::of(request, Timestamp::now())?;
        Ok(Plan {
            within: self.within.clone(),
            ..plan
        })
    }

    async fn page(&self, plan: &Plan, request: &ReportRequest) -> Result<ReportPage, QueryError> {
        let sources = self.sources(plan).await?;
        let session = self.session();
        let windowed = query::windowed(plan, &sources, &session).map_err(failed)?;
        let rows = query::rows(plan, windowed.clone()).map_err(failed)?;
        let total = match &plan.cursor {
            Some(cursor) => cursor.total,
            None => rows.clone().count().await.map_err(failed)? as u64,
        };
        let wanted = plan.limit + 1;
        let found = query::page(plan, rows, Some(wanted))?
            .collect()
            .await
            .map_err(failed)?;
        let needed = schema_of(&plan.needed_columns());
        let all = arrow::compute::concat_batches(&needed, &same_schema(&needed, found)?)
            .map_err(arrow_failed)?;
        let shown = all.slice(0, all.num_rows().min(plan.limit));
        let next_cursor = match all.num_rows() > plan.limit {
            true => Some(next_cursor(plan, request, &sources, &shown, total)?),
            false => None,
        };
        let mut status = self.status_of(plan, &sources, &session, &windowed).await?;
        if shown.num_rows() == 0 {
            status.empty_reason = Some(empty_reason(plan, request, &sources, &status));
        }
        Ok(ReportPage {
            report: plan.report,
            window: plan.window,
            columns: plan.columns.clone(),
            batches: vec![reshape(&shown, &schema_of(&plan.columns))?],
            total_rows: Some(total),
            next_cursor,
            status,
        })
    }

    async fn sources(&self, plan: &Plan) -> Result<Sources, QueryError> {
        let Shared {
            elevations,
            usage,
            devices,
            ..
        } = &*self.shared;
        if let Some(cursor) = &plan.cursor {
            let [first, second, third] = cursor.versions;
            return Ok(Sources {
                elevations: pinned(elevations, first).await?,
                usage: pinned(usage, second).await?,
                devices: pinned(devices, third).await?,
            });
        }
        if let Some(time) = plan.as_of {
            return Ok(Sources {
                elevations: elevations.at_time(time).await.map_err(unreadable)?,
                usage: usage.at_time(time).await.map_err(unreadable)?,
                devices: devices.at_time(time).await.map_err(unreadable)?,
            });
        }
        Ok(Sources {
            elevations: elevations.newest().await.map_err(unreadable)?,
            usage: usage.newest().await.map_err(unreadable)?,
            devices: devices.newest().await.map_err(unreadable)?,
        })
    }

    async fn status_of(
        &self,
        plan: &Plan,
        sources: &Sources,
        session: &SessionContext,
        windowed: &DataFrame,
    ) -> Result<DataStatus, QueryError> {
        let mut status = self.data_status(plan, sources, session).await?;
        if let Some(hidden) = query::hidden(plan, windowed.clone()) {
            let batches = hidden.map_err(failed)?.collect().await.map_err(failed)?;
            let counted = batches.iter().find(|batch| batch.num_rows() > 0);
            status.hidden_by_account_class = counted.map(|batch| {
                let column = batch.column(0).as_primitive::<Int64Type>();
                if column.is_null(0) {
                    0
                } else {
                    column.value(0)
                }
            });
        }
        Ok(status)
    }

    async fn data_status(
        &self,
        plan: &Plan,
        sources: &Sources,
        session: &SessionContext,
    ) -> Result<DataStatus, QueryError> {
        let table = match plan.report.source {
            Source::Elevations => &sources.elevations,
            Source::Usage => &sources.usage,
            Source::Devices => &sources.devices,
        };
        let as_of = AsOf {
            table: table.name().to_owned(),
            version: table.version(),
            committed_at: table.committed_at(),
            past: plan.as_of.is_some(),
        };
        let now = plan.as_of.unwrap_or(plan.now);
        let (mut freshness, completeness) =
            completeness::of(&sources.devices, plan, session, now).await?;
        freshness.last_commit_at = table.committed_at();
        Ok(DataStatus {
            as_of,
            freshness,
            completeness,
            empty_reason: None,
            hidden_by_account_class: None,
        })
    }

    fn session(&self) -> SessionContext {
        let mut config = SessionConfig::new().with_information_schema(false);
        config.options_mut().execution.parquet.pushdown_filters = true;
        SessionContext::new_with_config_rt(config, Arc::clone(&self.shared.runtime))
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        let limits = &self.shared.limits;
        let turn = Arc::clone(&self.shared.turns).acquire_owned();
        match tokio::time::timeout(limits.wait, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(QueryError::Busy {
                running: limits.concurrent,
            }),
        }
    }

    async fn forget(&self) {
        let Shared {
            elevations,
            usage,
            devices,
            ..
        } = &*self.shared;
        elevations.forget().await;
        usage.forget().await;
        devices.forget().await;
    }

    fn with_bounds(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::TooLarge { source, .. } => QueryError::TooLarge {
                limit_mb: (self.shared.limits.memory_bytes >> 20) as u64,
                source,
            },
            other => other,
        }
    }
}

async fn pinned(
    table: &TableReader,
    version: Option<u64>,
) -> Result<Arc<epm_tables::Snapshot>, QueryError> {
    match version {
        Some(version) => table.at_version(version).await.map_err(unreadable),
        None => Ok(table.missing()),
    }
}
