//! Rows of an export as records: the first one names the columns. It must not know what a value means.

use std::ops::ControlFlow;

use crate::source::Readings;

use super::super::format::{Flow, Head};
use super::super::rows::{Cut, Row, Rows};
use super::columns::{Column, Columns, Record};
use super::export::Records;
use super::report::{NoReport, Report};
use super::unknown_column;

/// Makes records of rows.
#[derive(Debug)]
pub(super) struct CsvRecords<'r> {
    records: &'r mut dyn Records,
    header: Option<Header>,
    problem: Option<NoReport>,
}

#[derive(Debug)]
struct Header {
    columns: Vec<Option<Column>>,
    report: Report,
    // As written: exports that were put one behind the other repeat it.
    names: Vec<Vec<u8>>,
}

impl<'r> CsvRecords<'r> {
    pub(super) fn new(records: &'r mut dyn Records) -> Self {
        Self {
            records,
            header: None,
            problem: None,
        }
    }

    /// Takes the next row.
    pub(super) fn row(&mut self, cut: Cut<'_>, into: &mut dyn Readings) -> Flow {
        let row = match cut {
            Ok(row) => row,
            Err(why) => return into.unreadable(why),
        };
        let Some(header) = &self.header else {
            return self.begin(&row, into);
        };
        if row.fields().eq(header.names.iter().map(Vec::as_slice)) {
            return into.skipped("heading");
        }
        if row.len() != header.columns.len() {
            return into.unreadable("a row with more or fewer fields than the first one");
        }
        let mut record = Record::default();
        for (column, field) in header.columns.iter().zip(row.fields()) {
            if let Some(column) = column {
                record.set(*column, String::from_utf8_lossy(field));
            }
        }
        self.records.record(header.report, &record, into)
    }

    fn begin(&mut self, row: &Row<'_>, into: &mut dyn Readings) -> Flow {
        match header_of(row) {
            Ok(header) => {
                let unknown: Vec<&'static str> = header
                    .columns
                    .iter()
                    .zip(&header.names)
                    .filter(|(column, _)| column.is_none())
                    .map(|(_, name)| unknown_column(&String::from_utf8_lossy(name)))
                    .collect();
                self.header = Some(header);
                for reason in unknown {
                    into.skipped(reason)?;
                }
                ControlFlow::Continue(())
            }
            Err(why) => {
                self.problem = Some(why);
                ControlFlow::Break(())
            }
        }
    }

    /// The file ended, or reading was stopped.
    pub(super) fn end(self, flow: Flow) -> Result<(), NoReport> {
        match self.problem {
            Some(why) => Err(why),
            None if self.header.is_none() && flow.is_continue() => Err(NoReport::Other),
            None => Ok(()),
        }
    }
}

/// The report whose rows begin like this.
pub(super) fn report_of(head: &Head<'_>) -> Result<Report, NoReport> {
    let mut found = Err(NoReport::Other);
    let mut rows = Rows::default();
    let mut first = |cut: Cut<'_>| {
        if let Ok(row) = cut {
            found = header_of(&row).map(|header| header.report);
        }
        ControlFlow::Break(())
    };
    if rows.bytes(head.bytes(), &mut first).is_continue() {
        let _ = rows.finish(&mut first);
    }
    found
}

fn header_of(row: &Row<'_>) -> Result<Header, NoReport> {
    let names: Vec<Vec<u8>> = row.fields().map(<[u8]>::to_vec).collect();
    let columns: Vec<Option<Column>> = names
        .iter()
        .map(|name| Column::named(std::str::from_utf8(name).ok()?))
        .collect();
    let mut known = Columns::default();
    columns
        .iter()
        .flatten()
        .for_each(|column| known.add(*column));
    Ok(Header {
        report: Report::of(known, false)?,
        columns,
        names,
    })
}
