//! Daily counts: rows of `elevations`, or of `usage` itself, summed by every dimension. It must not know which rows are
//! new.

use std::collections::HashMap;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, SortField};
use epm_tables::schema::{USAGE_DIMENSIONS, USAGE_TABLE};
use epm_tables::write::RowsBuilder;

/// Columns of `elevations` that a count is made from.
pub(crate) fn elevation_columns() -> Vec<&'static str> {
    let counted = ["observed_at", "repeat_count"];
    USAGE_DIMENSIONS.iter().copied().chain(counted).collect()
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    elevations: i64,
    first_seen: i64,
    last_seen: i64,
}

/// The counts of one day.
pub(crate) struct UsageSum {
    converter: RowConverter,
    groups: HashMap<OwnedRow, Sum>,
}

impl UsageSum {
    pub(crate) fn new() -> Result<Self, ArrowError> {
        let fields = USAGE_DIMENSIONS
            .iter()
            .map(|_| SortField::new(DataType::Utf8))
            .collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            groups: HashMap::new(),
        })
    }

    /// Counts rows of `elevations`.
    pub(crate) fn add_elevations(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let observed = required(rows, "observed_at")?;
        let observed = observed.as_primitive::<TimestampMicrosecondType>();
        let repeats = required(rows, "repeat_count")?;
        let repeats = repeats.as_primitive::<Int32Type>();
        self.add(rows, |row| Sum {
            elevations: if repeats.is_valid(row) {
                repeats.value(row).max(1).into()
            } else {
                1
            },
            first_seen: observed.value(row),
            last_seen: observed.value(row),
        })
    }

    /// Sums rows of `usage`.
    pub(crate) fn add_usage(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        let (counts, first, last) = (
            required(rows, "elevations")?,
            required(rows, "first_seen")?,
            required(rows, "last_seen")?,
        );
        let counts = counts.as_primitive::<Int64Type>();
        let first = first.as_primitive::<TimestampMicrosecondType>();
        let last = last.as_primitive::<TimestampMicrosecondType>();
        self.add(rows, |row| Sum {
            elevations: counts.value(row),
            first_seen: first.value(row),
            last_seen: last.value(row),
        })
    }

    fn add(&mut self, rows: &RecordBatch, sum: impl Fn(usize) -> Sum) -> Result<(), ArrowError> {
        let dimensions: Vec<ArrayRef> = USAGE_DIMENSIONS
            .iter()
            .map(|name| required(rows, name).cloned())
            .collect::<Result<_, _>>()?;
        let keys = self.converter.convert_columns(&dimensions)?;
        for (row, key) in keys.iter().enumerate() {
            let new = sum(row);
            self.groups
                .entry(key.owned())
                .and_modify(|held| {
                    held.elevations = held.elevations.saturating_add(new.elevations);
                    held.first_seen = held.first_seen.min(new.first_seen);
                    held.last_seen = held.last_seen.max(new.last_seen);
                })
                .or_insert(new);
        }
        Ok(())
    }

    /// The counts as rows of `usage` for `day`.
    pub(crate) fn finish(self, day: i32) -> Result<RecordBatch, ArrowError> {
        let mut groups: Vec<(OwnedRow, Sum)> = self.groups.into_iter().collect();
        // Sorted, because neighbours that agree compress well and row groups are skipped by their bounds.
        groups.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let dimensions = self
            .converter
            .convert_rows(groups.iter().map(|(key, _)| key.row()))?;
        let mut rows = RowsBuilder::new(USAGE_TABLE);
        for (at, (_, sum)) in groups.iter().enumerate() {
            for (name, values) in USAGE_DIMENSIONS.iter().zip(&dimensions) {
                let values = values.as_string::<i32>();
                rows.optional_text(name, values.is_valid(at).then(|| values.value(at)));
            }
            rows.long("elevations", Some(sum.elevations));
            rows.time("first_seen", Some(sum.first_seen));
            rows.time("last_seen", Some(sum.last_seen));
            rows.date("event_date", Some(day));
            rows.end_row();
        }
        Ok(rows.finish())
    }
}

fn required<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    rows.column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))
}
