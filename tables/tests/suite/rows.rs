//! Rows of `dead_letters` to write, and what a reader sees of them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Int64Type};
use datafusion::execution::context::SessionContext;
use epm_tables::schema::DEAD_LETTERS_TABLE;
use epm_tables::{Snapshot, TableReader, TableWriter};
use url::Url;

/// 2026-01-05.
pub(crate) const MONDAY: i32 = 20_458;
const DAY_US: i64 = 86_400_000_000;

/// A folder of tables, and both halves of one of them.
pub(crate) struct Tables {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: Url,
    pub(crate) reader: TableReader,
}

impl Tables {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = folder.path().to_str().expect("a path in UTF-8").to_owned();
        let reader = TableReader::open(
            &address,
            DEAD_LETTERS_TABLE.name,
            DEAD_LETTERS_TABLE.schema(),
        )
        .expect("a reader");
        let url = epm_tables::read::tables_url(&address).expect("an address");
        Self {
            folder,
            url,
            reader,
        }
    }

    pub(crate) async fn writer(&self) -> TableWriter {
        TableWriter::open(&self.url, DEAD_LETTERS_TABLE)
            .await
            .expect("the table opens")
    }

    /// Day and offset of every row that a reader sees now, in order.
    pub(crate) async fn seen(&self) -> Vec<(i32, i64)> {
        let snapshot = self.reader.newest().await.expect("the newest version");
        pairs(&rows_of(&snapshot).await)
    }
}

/// All rows of a version.
pub(crate) async fn rows_of(snapshot: &Snapshot) -> RecordBatch {
    let session = SessionContext::new();
    let frame = snapshot.frame(&session).expect("the rows as a frame");
    let batches = frame.collect().await.expect("the rows");
    match batches.first() {
        Some(first) => concat_batches(&first.schema(), &batches).expect("one batch"),
        None => RecordBatch::new_empty(DEAD_LETTERS_TABLE.schema()),
    }
}

/// Day and offset of each row, in order.
pub(crate) fn pairs(rows: &RecordBatch) -> Vec<(i32, i64)> {
    let column = |name: &str| rows.column_by_name(name).expect("the column");
    let days = column("received_date").as_primitive::<Date32Type>();
    let offsets = column("log_offset").as_primitive::<Int64Type>();
    let mut pairs: Vec<_> = (0..rows.num_rows())
        .map(|row| (days.value(row), offsets.value(row)))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// Rows of one day with these offsets; every other column but the times is null.
pub(crate) fn rows(day: i32, offsets: std::ops::Range<i64>) -> RecordBatch {
    let offsets: Vec<i64> = offsets.collect();
    let midnight = i64::from(day) * DAY_US;
    let columns = DEAD_LETTERS_TABLE
        .columns
        .iter()
        .map(|column| -> ArrayRef {
            match column.name {
                "received_at" => {
                    let times = offsets.iter().map(|offset| midnight + offset * 1_500);
                    Arc::new(
                        TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"),
                    )
                }
                "log_offset" => Arc::new(Int64Array::from(offsets.clone())),
                "received_date" => Arc::new(Date32Array::from(vec![day; offsets.len()])),
                _ => new_null_array(&column.kind.data_type(), offsets.len()),
            }
        })
        .collect();
    RecordBatch::try_new(DEAD_LETTERS_TABLE.schema(), columns).expect("rows of the table")
}
