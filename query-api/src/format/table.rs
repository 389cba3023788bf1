//! A page as aligned text: numbers to the right, long texts shortened so that a row fits its line.

use std::fmt::Write as _;

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{neutralised, text_of};
use crate::{ColumnInfo, ColumnKind, Place, ReportPage};

/// A text column is not made narrower than this; columns that then do not fit are left out and named.
const NARROWEST: usize = 8;
/// Where nobody says how wide a line is.
const WIDEST_TEXT: usize = 60;
const GAP: &str = "  ";

/// How much room a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Columns of a terminal.
    Columns(usize),
    /// As much as the texts take, each at most 60 columns.
    Free,
}

/// The page as text: a header, a rule, the rows, and what the reader must know about them.
#[must_use]
pub fn table(page: &ReportPage, width: Width) -> String {
    let (shown, left_out) = chosen(page, width);
    let mut out = String::new();
    line(
        &mut out,
        shown
            .iter()
            .map(|column| (column.info.title.to_owned(), column)),
    );
    line(
        &mut out,
        shown
            .iter()
            .map(|column| ("─".repeat(column.width), column)),
    );
    for row in 0..shown.first().map_or(0, |column| column.cells.len()) {
        line(
            &mut out,
            shown
                .iter()
                .map(|column| (column.cells[row].clone(), column)),
        );
    }
    out.push('\n');
    if !left_out.is_empty() {
        let _ = writeln!(out, "Not shown for want of room: {}.", left_out.join(", "));
    }
    out.push_str(&status_lines(page));
    out
}

struct Column {
    info: ColumnInfo,
    cells: Vec<String>,
    width: usize,
}

impl Column {
    fn right_aligned(&self) -> bool {
        matches!(self.info.kind, ColumnKind::Count | ColumnKind::Number)
    }

    fn can_shrink(&self) -> bool {
        matches!(
            self.info.kind,
            ColumnKind::Text | ColumnKind::Word | ColumnKind::Id | ColumnKind::List
        )
    }
}

/// The columns that fit, each with its width, and the titles of those that do not.
fn chosen(page: &ReportPage, width: Width) -> (Vec<Column>, Vec<&'static str>) {
    let asked_for_details = page
        .columns
        .iter()
        .all(|column| column.place != Place::Shown);
    let mut columns: Vec<Column> = page
        .columns
        .iter()
        .enumerate()
        .filter(|(_, info)| info.place != Place::Detail || asked_for_details)
        .map(|(index, info)| column(page, index, *info))
        .collect();
    let room = match width {
        Width::Columns(room) => room,
        Width::Free => {
            columns
                .iter_mut()
                .for_each(|column| column.width = column.width.min(WIDEST_TEXT));
            return (columns, Vec::new());
        }
    };
    let mut left_out = Vec::new();
    while columns.len() > 1 && least(&columns) > room {
        // The last text goes first: counts and times are what a report is read for.
        let last = columns
            .iter()
            .rposition(Column::can_shrink)
            .filter(|index| *index > 0);
        let removed = columns.remove(last.unwrap_or(columns.len() - 1));
        left_out.insert(0, removed.info.title);
    }
    while total(&columns) > room {
        let widest = columns
            .iter_mut()
            .filter(|column| column.can_shrink() && column.width > NARROWEST)
            .max_by_key(|column| column.width);
        match widest {
            Some(column) => column.width -= 1,
            None => break,
        }
    }
    (columns, left_out)
}

fn column(page: &ReportPage, index: usize, info: ColumnInfo) -> Column {
    let cells: Vec<String> = page
        .batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows()).map(move |row| shown_text(info.kind, batch.column(index), row))
        })
        .collect();
    let widest = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
    Column {
        info,
        width: widest.max(info.title.width()),
        cells,
    }
}

fn shown_text(kind: ColumnKind, column: &dyn arrow::array::Array, row: usize) -> String {
    let text = text_of(kind, column, row);
    match kind {
        ColumnKind::Count => thousands(&text),
        // To the second: people do not read microseconds.
        ColumnKind::Time => text
            .parse::<Timestamp>()
            .map_or(text, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        _ => neutralised(&text),
    }
}

fn thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0
            && (digits.len() - index).is_multiple_of(3)
            && digit.is_ascii_digit()
            && !out.ends_with('-')
        {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn total(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width).sum::<usize>()
        + GAP.len() * columns.len().saturating_sub(1)
}

fn least(columns: &[Column]) -> usize {
    let narrowest = |column: &Column| {
        if column.can_shrink() {
            column.width.min(NARROWEST)
        } else {
            column.width
        }
    };
    columns.iter().map(narrowest).sum::<usize>() + GAP.len() * columns.len().saturating_sub(1)
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = (String, &'a Column)>) {
    let start = out.len();
    for (index, (text, column)) in cells.enumerate() {
        if index > 0 {
            out.push_str(GAP);
        }
        let text = shortened(&text, column.width);
        let pad = " ".repeat(column.width.saturating_sub(text.width()));
        if column.right_aligned() {
            out.push_str(&pad);
            out.push_str(&text);
        } else {
            out.push_str(&text);
            out.push_str(&pad);
        }
    }
    out.truncate(start + out[start..].trim_end().len());
    out.push('\n');
}

/// Text cut in its middle, where a path says least, to a width.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail_width = (width - 1) / 2;
    let mut tail: Vec<char> = Vec::new();
    let mut used = 0;
    for character in text.chars().rev() {
        used += character.width().unwrap_or(0);
        if used > tail_width {
            break;
        }
        tail.push(character);
    }
    let mut head = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width - 1 - tail_width {
            break;
        }
        head.push(character);
    }
    head.push('…');
    head.extend(tail.iter().rev());
    head
}

fn status_lines(page: &ReportPage) -> String {
    let mut out = String::new();
    let rows: usize = page
        .batches
        .iter()
        .map(arrow::record_batch::RecordBatch::num_rows)
        .sum();
    let status = &page.status;
    let counted = |count: u64, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    if let Some(reason) = &status.empty_reason {
        let _ = writeln!(out, "{reason}");
    }
    let total = page.total_rows.unwrap_or(rows as u64);
    let _ = write!(out, "{rows} of {}", counted(total, "row", "rows"));
    if let Some(hidden) = status.hidden_by_account_class {
        let _ = write!(out, "; {hidden} elevations hidden by account_class");
    }
    if let Some(newest) = status.freshness.newest_event_at {
        let _ = write!(
            out,
            "; newest event {}",
            newest.strftime("%Y-%m-%d %H:%M:%S UTC")
        );
    }
    out.push('\n');
    let sum = &status.completeness;
    match sum.complete_to {
        Some(time) => {
            let _ = write!(
                out,
                "Complete to {}",
                time.strftime("%Y-%m-%d %H:%M:%S UTC")
            );
        }
        None => out.push_str("Completeness unknown"),
    }
    let devices = counted(sum.devices, "device", "devices");
    let _ = writeln!(
        out,
        "; {} of {devices} reporting, {} silent; {} missing, {} lost.",
        sum.reporting,
        sum.silent,
        counted(sum.missing_records, "record", "records"),
        sum.lost_records,
    );
    out
}

#[cfg(test)]
mod tests;
