//! The columns that reports expect of each table: what an absent table looks like. Does no IO.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::query::data_type;
use crate::ColumnKind;
use crate::catalogue::{DEVICE_COLUMNS, ELEVATION_COLUMNS, USAGE_DIMENSIONS};

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
    schema(
        DEVICE_COLUMNS
            .iter()
            .map(|column| (column.name, column.kind)),
    )
}

fn schema(columns: impl Iterator<Item = (&'static str, ColumnKind)>) -> SchemaRef {
    let field = |(name, kind)| -> Field {
        let data_type: DataType = data_type(kind);
        Field::new(name, data_type, true)
    };
    Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::super::completeness::{COUNTS, TIMES};
    use super::devices;

    #[test]
    fn completeness_is_counted_from_columns_that_every_version_of_the_table_shows() {
        for name in TIMES.iter().chain(&COUNTS) {
            assert!(devices().index_of(name).is_ok(), "{name}");
        }
    }
}
