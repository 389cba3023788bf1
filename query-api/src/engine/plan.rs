//! A request, checked: every name is a column, every value is understood. Does no IO.

use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use jiff::Timestamp;

use super::window::Window;
use super::{Agents, DEFAULT_PAGE_ROWS, MAX_PAGE_ROWS};
use crate::catalogue::{self, Place, Report, Source};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::{ColumnInfo, ColumnKind, QueryError, ReportRequest};

/// A request that can be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) report: &'static Report,
    pub(crate) window: Window,
    /// Conditions on rows of the source.
    pub(crate) filters: Vec<Filter>,
    /// Conditions on counts, after grouping.
    pub(crate) having: Vec<Filter>,
    /// What the caller gets.
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) sort: Sort,
    /// Columns that make the order of rows total, after the sort column.
    pub(crate) ties: Vec<ColumnInfo>,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) now: Timestamp,
    pub(crate) as_of: Option<Timestamp>,
    /// Whose rows the reader may see; None: everybody's.
    pub(crate) within: Option<Agents>,
}

/// Which column rows are ordered by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    pub(crate) column: ColumnInfo,
    pub(crate) descending: bool,
}

impl Plan {
    /// Checks a request that arrived at `now`.
    pub(crate) fn of(request: &ReportRequest, now: Timestamp) -> Result<Self, QueryError> {
        let report = catalogue::find(&request.report)?;
        let cursor = request
            .cursor
            .as_deref()
            .map(|text| Cursor::decode(text, request))
            .transpose()?;
        let now = cursor
            .as_ref()
            .and_then(|cursor| Timestamp::from_microsecond(cursor.now_us).ok())
            .unwrap_or(now);
        let window = Window::parse(request.since.as_deref(), request.until.as_deref(), now)?;
        let as_of = request
            .as_of
            .as_deref()
            .map(|text| crate::moment::parse("as_of", text, now))
            .transpose()?;
        let columns = columns(report, &request.columns)?;
        let ties = ties(report, &columns);
        let sort = sort(report, request.sort.as_deref(), &ties)?;
        let (having, filters) = filters(report, &request.filters, now)?
            .into_iter()
            .partition(|filter| {
                report.source == Source::Usage && catalogue::is_measure(filter.column.name)
            });
        let limit = limit(request.limit)?;
        Ok(Self {
            report,
            window,
            filters,
            having,
            columns,
            sort,
            ties,
            limit,
            cursor,
            now,
            as_of,
            within: None,
        })
    }

    /// The condition on rows of any table that have an agent; None where the reader may see all.
    pub(crate) fn visible(&self) -> Option<Expr> {
        let agents = self.within.as_ref()?;
        if agents.is_empty() {
            return Some(lit(false));
        }
        let agents = agents.iter().map(|agent| lit(agent.as_str())).collect();
        Some(ident("agent_id").in_list(agents, false))
    }

    /// The columns by which rows are ordered, the sort column first, each once.
    pub(crate) fn key_columns(&self) -> Vec<Sort> {
        let ties = self
            .ties
            .iter()
            .filter(|tie| tie.name != self.sort.column.name);
        std::iter::once(self.sort)
            .chain(ties.map(|tie| Sort {
                column: *tie,
                descending: false,
            }))
            .collect()
    }

    /// The columns a query must give: those for the caller, and those it is ordered by.
    pub(crate) fn needed_columns(&self) -> Vec<ColumnInfo> {
        let mut needed = self.columns.clone();
        for key in self.key_columns() {
            if !needed.iter().any(|column| column.name == key.column.name) {
                needed.push(key.column);
            }
        }
        needed
    }
}

fn columns(report: &'static Report, wanted: &[String]) -> Result<Vec<ColumnInfo>, QueryError> {
    if wanted.is_empty() {
        return Ok(report
            .columns
            .iter()
            .filter(|column| column.place != Place::OnRequest)
            .copied()
            .collect());
    }
    if wanted == ["*"] {
        return Ok(report.columns.to_vec());
    }
    let mut chosen: Vec<ColumnInfo> = Vec::with_capacity(wanted.len());
    for name in wanted {
        let column = column(report, "columns", name)?;
        if chosen.iter().any(|other| other.name == column.name) {
            return Err(QueryError::BadParameter {
                field: "columns".to_owned(),
                detail: format!("{name:?} is there twice"),
                remedy: "Name each column once.".to_owned(),
            });
        }
        chosen.push(column);
    }
    Ok(chosen)
}

fn ties(report: &Report, columns: &[ColumnInfo]) -> Vec<ColumnInfo> {
    let key = |name: &str| {
        let mut named = report.columns.iter().filter(|column| column.name == name);
        named.next().copied().into_iter().collect()
    };
    match report.source {
        Source::Elevations => key("event_id"),
        Source::Devices => key("agent_id"),
        Source::Usage => columns
            .iter()
            .filter(|column| !catalogue::is_measure(column.name))
            .copied()
            .collect(),
    }
}

fn sort(
    report: &'static Report,
    wanted: Option<&str>,
    groups: &[ColumnInfo],
) -> Result<Sort, QueryError> {
    let text = wanted.unwrap_or(report.default_sort);
    let (descending, name) = text
        .strip_prefix('-')
        .map_or((false, text), |name| (true, name));
    let column = column(report, "sort", name)?;
    if column.kind == ColumnKind::List {
        return Err(QueryError::BadParameter {
            field: "sort".to_owned(),
            detail: format!("{name} is a list and has no order"),
            remedy: "Sort by another column.".to_owned(),
        });
    }
    let grouped = report.source != Source::Usage
        || catalogue::is_measure(name)
        || groups.iter().any(|group| group.name == name);
    if grouped {
        return Ok(Sort { column, descending });
    }
    if wanted.is_none() {
        // The report's own order is by a column that the caller left out: order by what is there.
        let first = groups.first().copied().unwrap_or(report.columns[0]);
        return Ok(Sort {
            column: first,
            descending: false,
        });
    }
    Err(QueryError::BadParameter {
        field: "sort".to_owned(),
        detail: format!("the rows are not grouped by {name}"),
        remedy: format!("Add {name} to columns, or sort by a column that is there."),
    })
}

fn filters(
    report: &'static Report,
    wanted: &[(String, String)],
    now: Timestamp,
) -> Result<Vec<Filter>, QueryError> {
    let mut filters: Vec<Filter> = Vec::new();
    for (name, value) in wanted {
        let column = column(report, name, name)?;
        let known = filters
            .iter()
            .position(|filter| filter.column.name == column.name);
        let index = known.unwrap_or_else(|| {
            filters.push(Filter::new(column));
            filters.len() - 1
        });
        filters[index].add(value, now)?;
    }
    if let Some((name, value)) = report.fixed_filter {
        let mut fixed = Filter::new(column(report, name, name)?);
        fixed.add(value, now)?;
        filters.push(fixed);
    }
    Ok(filters)
}

fn column(report: &'static Report, field: &str, name: &str) -> Result<ColumnInfo, QueryError> {
    report
        .columns
        .iter()
        .find(|column| column.name == name)
        .copied()
        .ok_or_else(|| {
            let names: Vec<&str> = report.columns.iter().map(|column| column.name).collect();
            let (detail, remedy) = if field == name {
                let parameters = "since, until, as_of, columns, sort, limit, cursor, format";
                (
                    format!(
                        "{} has neither a parameter nor a column of that name",
                        report.name
                    ),
                    format!(
                        "Parameters: {parameters}. Columns to filter by: {}.",
                        names.join(", ")
                    ),
                )
            } else {
                (
                    format!("{} has no column {name:?}", report.name),
                    format!("Columns: {}.", names.join(", ")),
                )
            };
            QueryError::BadParameter {
                field: field.to_owned(),
                detail,
                remedy,
            }
        })
}

fn limit(wanted: Option<usize>) -> Result<usize, QueryError> {
    match wanted {
        None => Ok(DEFAULT_PAGE_ROWS),
        Some(limit) if (1..=MAX_PAGE_ROWS).contains(&limit) => Ok(limit),
        Some(limit) => Err(QueryError::BadParameter {
            field: "limit".to_owned(),
            detail: format!("{limit} rows cannot be one page"),
            remedy: format!(
                "Give 1 to {MAX_PAGE_ROWS}, and follow the cursor; csv, ndjson, parquet and arrow without a limit give everything."
            ),
        }),
    }
}
