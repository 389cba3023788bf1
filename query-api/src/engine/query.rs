//! A checked request as a DataFusion query over snapshots. Decides nothing about the request and runs nothing.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::context::SessionContext;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::string::expr_fn::{concat_ws, lower};
use datafusion::functions_aggregate::expr_fn::{count_distinct, max, min, sum};
use datafusion::logical_expr::{Expr, cast, lit, when};
use datafusion::prelude::ident;
use epm_tables::Snapshot;

use super::plan::{Plan, Sort};
use super::window::Window;
use crate::catalogue::{self, Source};
use crate::cursor::Key;
use crate::{ColumnInfo, ColumnKind, QueryError};

/// Group key of a user: names are compared without regard to case.
const USER_KEY: &str = "user_name_key";

/// The versions of the tables that one report reads.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) elevations: Arc<Snapshot>,
    pub(crate) usage: Arc<Snapshot>,
    pub(crate) devices: Arc<Snapshot>,
}

/// The rows of the source in the window, before any filter.
pub(crate) fn windowed(
    plan: &Plan,
    sources: &Sources,
    session: &SessionContext,
) -> Result<DataFrame> {
    match plan.report.source {
        Source::Elevations => elevations(plan, plan.window, sources, session),
        Source::Usage => usage(plan, sources, session),
        Source::Devices => visible(plan, sources.devices.frame(session)?)?
            .filter(plan.window.on("last_received_at")),
    }
}

/// The rows of the report without order: filtered, and grouped where the report groups.
pub(crate) fn rows(plan: &Plan, windowed: DataFrame) -> Result<DataFrame> {
    let mut rows = windowed;
    for filter in &plan.filters {
        rows = rows.filter(filter.condition())?;
    }
    if plan.report.source != Source::Usage {
        return Ok(rows);
    }
    let mut rows = grouped(plan, rows)?;
    for filter in &plan.having {
        rows = rows.filter(filter.condition())?;
    }
    Ok(rows)
}

/// The rows after the last one of the previous page, in order, with the types of their kinds.
pub(crate) fn page(
    plan: &Plan,
    rows: DataFrame,
    limit: Option<usize>,
) -> Result<DataFrame, QueryError> {
    let keys = plan.key_columns();
    let mut rows = rows;
    if let Some(cursor) = &plan.cursor {
        rows = rows
            .filter(after(&keys, &cursor.key)?)
            .map_err(super::failed)?;
    }
    let order = keys
        .iter()
        .map(|key| ident(key.column.name).sort(!key.descending, false))
        .collect();
    rows.sort(order)
        .and_then(|sorted| match limit {
            Some(limit) => sorted.limit(0, Some(limit)),
            None => Ok(sorted),
        })
        .and_then(|limited| {
            limited.select(plan.needed_columns().iter().map(shaped).collect::<Vec<_>>())
        })
        .map_err(super::failed)
}

/// How many elevations in the window a request's `account_class` filter hides; None without such a filter.
pub(crate) fn hidden(plan: &Plan, windowed: DataFrame) -> Option<Result<DataFrame>> {
    let position = plan
        .filters
        .iter()
        .position(|filter| filter.column.name == "account_class")?;
    let counted = match plan.report.source {
        Source::Elevations => "repeat_count",
        Source::Usage => "elevations",
        Source::Devices => return None,
    };
    let mut rows = Ok(windowed);
    for (index, filter) in plan.filters.iter().enumerate() {
        let shown = filter.condition();
        let condition = if index == position {
            shown.is_not_true()
        } else {
            shown
        };
        rows = rows.and_then(|rows| rows.filter(condition));
    }
    let total = cast(sum(ident(counted)), DataType::Int64).alias("hidden");
    Some(rows.and_then(|rows| rows.aggregate(vec![], vec![total])))
}

/// The Arrow type that values of a kind have in answers.
pub(crate) fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text | ColumnKind::Word | ColumnKind::Id => DataType::Utf8,
        ColumnKind::Count | ColumnKind::Number => DataType::Int64,
        ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Date => DataType::Date32,
        ColumnKind::Flag => DataType::Boolean,
        ColumnKind::List => DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
    }
}

/// The rows that the reader may see.
pub(super) fn visible(plan: &Plan, rows: DataFrame) -> Result<DataFrame> {
    match plan.visible() {
        Some(condition) => rows.filter(condition),
        None => Ok(rows),
    }
}

/// The elevations in the window that the reader may see.
fn elevations(
    plan: &Plan,
    window: Window,
    sources: &Sources,
    session: &SessionContext,
) -> Result<DataFrame> {
    let rows = visible(plan, sources.elevations.frame(session)?)?;
    rows.filter(window.on_times())
}

/// Daily usage for whole days; the ends of a window that cuts days are counted from `elevations`, and so is all of it
/// for a reader who may see some devices only.
fn usage(plan: &Plan, sources: &Sources, session: &SessionContext) -> Result<DataFrame> {
    let (days, ends) = match plan.within {
        None => plan.window.split(),
        Some(_) => (None, vec![plan.window]),
    };
    let mut parts = Vec::new();
    if let Some(days) = days {
        let counts = ["elevations", "first_seen", "last_seen"].map(ident);
        let columns: Vec<Expr> = dimensions().chain(counts).collect();
        parts.push(
            sources
                .usage
                .frame(session)?
                .filter(days.on_days())?
                .select(columns)?,
        );
    }
    for end in ends {
        let counts = [
            cast(ident("repeat_count"), DataType::Int64).alias("elevations"),
            ident("observed_at").alias("first_seen"),
            ident("observed_at").alias("last_seen"),
        ];
        let columns: Vec<Expr> = dimensions().chain(counts).collect();
        parts.push(elevations(plan, end, sources, session)?.select(columns)?);
    }
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return sources.usage.frame(session)?.filter(lit(false));
    };
    parts.try_fold(first, DataFrame::union)
}

fn dimensions() -> impl Iterator<Item = Expr> {
    catalogue::USAGE_DIMENSIONS.iter().map(|name| match *name {
        "event_date" => ident("event_date"),
        // One type for parts from either table.
        name => cast(ident(name), DataType::Utf8View).alias(name),
    })
}

fn grouped(plan: &Plan, rows: DataFrame) -> Result<DataFrame> {
    let mut groups = Vec::new();
    let mut counts = Vec::new();
    for column in plan.needed_columns() {
        match measure(column.name) {
            Some(count) => counts.push(count.alias(column.name)),
            None if column.name == "user_name" => {
                groups.push(lower(ident("user_name")).alias(USER_KEY));
                counts.push(min(ident("user_name")).alias("user_name"));
            }
            None => groups.push(ident(column.name)),
        }
    }
    for filter in &plan.having {
        let needed = plan
            .needed_columns()
            .iter()
            .any(|column| column.name == filter.column.name);
        if let (false, Some(count)) = (needed, measure(filter.column.name)) {
            counts.push(count.alias(filter.column.name));
        }
    }
    if counts.is_empty() {
        return rows.select(groups)?.distinct();
    }
    rows.aggregate(groups, counts)
}

fn measure(name: &str) -> Option<Expr> {
    let elevated = || ident("outcome").eq(lit("elevated"));
    let managed = || ident("management").eq(lit("managed"));
    Some(match name {
        "total" => coalesce(vec![sum(ident("elevations")), lit(0_i64)]),
        "managed" => counted(elevated().and(managed())),
        "unmanaged" => counted(elevated().and(ident("management").eq(lit("unmanaged")))),
        "denied" => counted(ident("outcome").eq(lit("denied"))),
        "failed" => counted(ident("outcome").in_list(vec![lit("failed"), lit("cancelled")], false)),
        "undecided" => counted(ident("outcome").eq(lit("undecided"))),
        "users" => count_distinct(lower(ident("user_name"))),
        "devices" => count_distinct(ident("device")),
        "applications" => count_distinct(concat_ws(
            lit("\u{1f}"),
            vec![
                coalesce(vec![ident("product_name"), lit("")]),
                coalesce(vec![ident("internal_name"), ident("file_name"), lit("")]),
            ],
        )),
        "first_seen" => min(ident("first_seen")),
        "last_seen" => max(ident("last_seen")),
        _ => return None,
    })
}

fn counted(condition: Expr) -> Expr {
    let zero = lit(0_i64);
    // A case with one branch and an otherwise can always be built.
    let each = when(condition, ident("elevations"))
        .otherwise(zero.clone())
        .unwrap_or_else(|_| zero.clone());
    coalesce(vec![sum(each), zero])
}

fn shaped(column: &ColumnInfo) -> Expr {
    cast(ident(column.name), data_type(column.kind)).alias(column.name)
}

/// The condition of coming after a row, in an order where missing values come last.
fn after(keys: &[Sort], last: &[Key]) -> Result<Expr, QueryError> {
    let mut condition = lit(false);
    let mut equal = lit(true);
    for (key, value) in keys.iter().zip(last) {
        let stored = || ident(key.column.name);
        match value.value(key.column.kind)? {
            Some(value) => {
                let beyond = match key.descending {
                    true => stored().lt(lit(value.clone())),
                    false => stored().gt(lit(value.clone())),
                };
                condition = condition.or(equal.clone().and(beyond.or(stored().is_null())));
                equal = equal.and(stored().eq(lit(value)));
            }
            None => equal = equal.and(stored().is_null()),
        }
    }
    Ok(condition)
}
