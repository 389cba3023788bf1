//! Values of a report's page, by row and column. Formats for people; the data itself is a download away.

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use jiff::Timestamp;

use super::{figures, wording};
use crate::format::{neutralised, text_of};
use crate::{ColumnInfo, ColumnKind, ReportPage};

/// One value as it is shown.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// Classes of the style sheet.
    pub(super) class: &'static str,
    pub(super) text: String,
    /// The whole value, where the text is not.
    pub(super) title: String,
    /// How long ago, for times.
    pub(super) age: String,
    /// A pill around a word that people scan for.
    pub(super) pill: &'static str,
    pub(super) link: Option<String>,
}

/// Gives the rows of a page one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'page> {
    page: &'page ReportPage,
}

/// One row of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'page> {
    page: &'page ReportPage,
    batch: usize,
    index: usize,
}

impl<'page> Rows<'page> {
    pub(super) fn of(page: &'page ReportPage) -> Self {
        Self { page }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Row<'page>> {
        let page = self.page;
        page.batches
            .iter()
            .enumerate()
            .flat_map(move |(batch, rows)| {
                (0..rows.num_rows()).map(move |index| Row { page, batch, index })
            })
    }
}

impl<'page> Row<'page> {
    /// The value as data; None where there is none.
    pub(super) fn text(self, name: &str) -> Option<String> {
        let (column, kind) = self.column(name)?;
        (!column.is_null(self.index)).then(|| text_of(kind, column, self.index))
    }

    /// A count; 0 where there is none.
    pub(super) fn count(self, name: &str) -> i64 {
        self.column(name)
            .and_then(|(column, _)| column.as_primitive_opt::<Int64Type>())
            .filter(|counts| !counts.is_null(self.index))
            .map_or(0, |counts| counts.value(self.index))
    }

    fn time(self, name: &str) -> Option<Timestamp> {
        let (column, _) = self.column(name)?;
        let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
        let micros = (!times.is_null(self.index)).then(|| times.value(self.index))?;
        Timestamp::from_microsecond(micros).ok()
    }

    fn column(self, name: &str) -> Option<(&'page dyn Array, ColumnKind)> {
        let position = self
            .page
            .columns
            .iter()
            .position(|column| column.name == name)?;
        let column = self.page.batches[self.batch].column(position).as_ref();
        Some((column, self.page.columns[position].kind))
    }

    /// The value as it is shown.
    pub(super) fn cell(self, column: &ColumnInfo, now: Timestamp) -> Cell {
        let Some(value) = self.text(column.name) else {
            return Cell {
                class: class_of(column.kind),
                ..Cell::default()
            };
        };
        let mut cell = Cell {
            class: class_of(column.kind),
            ..Cell::default()
        };
        match column.kind {
            ColumnKind::Count => cell.text = figures::count(self.count(column.name)),
            ColumnKind::Time => {
                if let Some(time) = self.time(column.name) {
                    cell.text = figures::time(time);
                    cell.age = figures::age(time, now);
                    cell.title = value;
                }
            }
            ColumnKind::Id => {
                cell.text = figures::short_id(&neutralised(&value));
                cell.title = neutralised(&value);
            }
            ColumnKind::Word => {
                cell.text = wording::word(&value);
                cell.pill = pill(&value);
            }
            ColumnKind::Flag => cell.text = if value == "true" { "yes" } else { "no" }.to_owned(),
            ColumnKind::Text | ColumnKind::List => {
                cell.text = neutralised(&value);
                cell.title.clone_from(&cell.text);
            }
            ColumnKind::Number | ColumnKind::Date => cell.text = value,
        }
        cell
    }
}

/// Classes by what the values of a column are.
pub(super) fn class_of(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Count | ColumnKind::Number => "number",
        ColumnKind::Time => "time",
        ColumnKind::Date => "date",
        ColumnKind::Id => "id",
        ColumnKind::Word | ColumnKind::Flag => "word",
        ColumnKind::Text | ColumnKind::List => "text",
    }
}

fn pill(word: &str) -> &'static str {
    match word {
        "managed" => "managed",
        "unmanaged" => "unmanaged",
        "denied" | "failed" => "bad",
        _ => "",
    }
}
