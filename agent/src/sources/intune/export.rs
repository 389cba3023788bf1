//! A whole export, plain or in its zip: read once for the names of people in it, and once for its records. It must not
//! know what a record means.

use std::io::{self, BufRead, BufReader, Cursor, Read, SeekFrom};
use std::ops::ControlFlow;

use crate::source::{Reading, Readings};

use super::super::TextTime;
use super::super::evtx::LogFile;
use super::super::format::{Flow, Head, LogReader as _};
use super::super::objects::Objects;
use super::super::principals::Names;
use super::super::rows::Rows;
use super::super::zipped::{self, Zipped};
use super::columns::Record;
use super::csv::CsvRecords;
use super::json::JsonRecords;
use super::report::{NoReport, Report};
use super::tell::{Learn, Tell};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes that say whether it is a zip, JSON or rows.
const HEAD_BYTES: u64 = 64 * 1024;

/// What takes the records of an export.
pub(super) trait Records: std::fmt::Debug + Send {
    /// One record of `report`.
    fn record(&mut self, report: Report, record: &Record<'_>, into: &mut dyn Readings) -> Flow;
}

/// Reads the export in `file` into `into`.
///
/// # Errors
///
/// Those of the file; where it is no export after all, or a zip that cannot be read, which counts as unreadable too.
pub(super) fn read(
    file: &mut dyn LogFile,
    time: &TextTime,
    into: &mut dyn Readings,
) -> io::Result<()> {
    let mut learn = Learn(Names::default());
    let outcome = pass(file, time, &mut learn, &mut Nobody);
    let written_us = match outcome {
        Ok(written_us) => written_us,
        Err(error) => {
            // What such a file held is not known.
            let _ = into.unreadable("an Intune export that cannot be read");
            return Err(error);
        }
    };
    let mut tell = Tell::new(learn.0.settle(), written_us.unwrap_or(time.reference_us));
    pass(file, time, &mut tell, into)?;
    Ok(())
}

/// Hands every record on to `records`; when the export was written, where it says so itself.
fn pass(
    file: &mut dyn LogFile,
    time: &TextTime,
    records: &mut dyn Records,
    into: &mut dyn Readings,
) -> io::Result<Option<i64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut plain = BufReader::with_capacity(READ_BYTES, file);
    let head = head_of(&mut plain)?;
    let is_zip = zipped::first_name(&head).is_some();
    let plain = Cursor::new(head).chain(plain);
    if !is_zip {
        records_of(plain, time, records, into)?;
        return Ok(None);
    }
    let zipped = Zipped::open(plain)?;
    let written_us = zipped.written_us();
    records_of(
        BufReader::with_capacity(READ_BYTES, zipped),
        time,
        records,
        into,
    )?;
    Ok(written_us)
}

fn records_of(
    mut source: impl BufRead,
    time: &TextTime,
    records: &mut dyn Records,
    into: &mut dyn Readings,
) -> io::Result<()> {
    let head = head_of(&mut source)?;
    let is_json = Head::new(&head).is_json();
    let mut source = Cursor::new(head).chain(source);
    if is_json {
        let mut objects = Objects::new(JsonRecords::new(records));
        let flow = each(&mut source, |bytes| objects.bytes(bytes, time, into))?;
        if flow.is_continue() {
            let _ = objects.finish(time, into);
        }
        return Ok(objects.into_reader().end(flow)?);
    }
    let (mut rows, mut reader) = (Rows::default(), CsvRecords::new(records));
    let flow = each(&mut source, |bytes| {
        rows.bytes(bytes, &mut |cut| reader.row(cut, into))
    })?;
    if flow.is_continue() {
        let _ = rows.finish(&mut |cut| reader.row(cut, into));
    }
    Ok(reader.end(flow)?)
}

/// What the shape is known by. A reading may give a byte at a time.
fn head_of(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    source.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

fn each(source: &mut impl BufRead, mut take: impl FnMut(&[u8]) -> Flow) -> io::Result<Flow> {
    loop {
        let count = match source.fill_buf() {
            Ok([]) => return Ok(ControlFlow::Continue(())),
            Ok(bytes) => {
                if take(bytes).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                bytes.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        source.consume(count);
    }
}

impl From<NoReport> for io::Error {
    fn from(why: NoReport) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

/// Takes what the first reading says, which the second says again.
#[derive(Debug)]
struct Nobody;

impl Readings for Nobody {
    fn reading(&mut self, _reading: Reading) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, _detail: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, _reason: &'static str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
