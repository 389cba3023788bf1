//! The columns that reports expect of each table: what an absent table looks like. Does no IO.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::completeness;
use super::query::data_type;
use crate::ColumnKind;
use crate::catalogue::{ELEVATION_COLUMNS, USAGE_DIMENSIONS};

/// Columns of `elevations`.
pub(crate) fn elevations() -> SchemaRef {
    schema(
        ELEVATION_COLUMNS
            .iter()
            .map(|column| (column.name, column.kind)),
    )
}

/// Columns of `usage`.
pub(crate) fn usage() -> SchemaRef {
    let dimensions = USAGE_DIMENSIONS.iter().map(|name| match *name {
        "event_date" => ("event_date", ColumnKind::Date),
        name => (name, ColumnKind::Text),
    });
    let counts = [
        ("elevations", ColumnKind::Count),
        ("first_seen", ColumnKind::Time),
        ("last_seen", ColumnKind::Time),
    ];
    schema(dimensions.chain(counts))
}

/// Columns of `devices`.
pub(crate) fn devices() -> SchemaRef {
    let times = completeness::TIMES.map(|name| (name, ColumnKind::Time));
    let counts = completeness::COUNTS.map(|name| (name, ColumnKind::Count));
    let agent = [("agent_id", ColumnKind::Id)];
    schema(agent.into_iter().chain(times).chain(counts))
}

fn schema(columns: impl Iterator<Item = (&'static str, ColumnKind)>) -> SchemaRef {
    let field = |(name, kind)| -> Field {
        let data_type: DataType = data_type(kind);
        Field::new(name, data_type, true)
    };
    Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()))
}
