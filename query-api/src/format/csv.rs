//! RFC 4180 that a spreadsheet can open: no cell begins a formula, no character acts. Text is otherwise as stored.

use std::io::Write as _;

use arrow::record_batch::RecordBatch;

use super::{Written, neutralised, text_of, unencodable};
use crate::{ColumnInfo, ColumnKind, QueryError};

/// What makes a spreadsheet take a cell for a formula, in half and full width.
const FORMULA_STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The first line.
pub(super) fn header(columns: &[ColumnInfo], out: &mut Written) {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    // Writing to memory cannot fail.
    let _ = write!(out, "{}\r\n", names.join(","));
}

/// One line for each row.
pub(super) fn rows(
    columns: &[ColumnInfo],
    batch: &RecordBatch,
    out: &mut Written,
) -> Result<(), QueryError> {
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            push_cell(
                column.kind,
                &text_of(column.kind, batch.column(index), row),
                &mut text,
            );
        }
        text.push_str("\r\n");
    }
    out.write_all(text.as_bytes()).map_err(unencodable)
}

fn push_cell(kind: ColumnKind, value: &str, out: &mut String) {
    let free = matches!(
        kind,
        ColumnKind::Text | ColumnKind::Word | ColumnKind::Id | ColumnKind::List
    );
    if !free {
        out.push_str(value);
        return;
    }
    let mut value = neutralised(value);
    if value.trim_start().starts_with(FORMULA_STARTS) {
        value.insert(0, '\'');
    }
    if value.contains([',', '"', '\'', ';']) || value.starts_with(' ') || value.ends_with(' ') {
        out.push('"');
        out.push_str(&value.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(&value);
    }
}

#[cfg(test)]
mod tests;
