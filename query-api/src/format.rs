//! The forms in which a report can be taken away, and the encoder of each. Knows nothing of HTTP or terminals.

mod cell;
mod csv;
mod json;
mod metadata;
mod table;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::{ColumnInfo, QueryError, ReportStream};

pub use cell::{neutralised, text_of};
pub(crate) use json::kind_name;
pub use json::{meta, rows};
pub use metadata::pairs as metadata_pairs;
pub use table::{Width, table};

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One object with rows, columns, freshness and completeness; a page at a time.
    Json,
    /// RFC 4180, safe to open in a spreadsheet.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet with zstd.
    Parquet,
    /// The streaming form of Arrow IPC.
    Arrow,
    /// Aligned text for people; a page at a time.
    Table,
}

impl Format {
    /// Every format, the default first.
    pub const ALL: [Self; 6] = [
        Self::Json,
        Self::Csv,
        Self::Ndjson,
        Self::Parquet,
        Self::Arrow,
        Self::Table,
    ];

    /// As written in `format=`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Table => "table",
        }
    }

    /// The format of that name.
    ///
    /// # Errors
    /// [`QueryError::BadParameter`] with the names there are.
    pub fn parse(name: &str) -> Result<Self, QueryError> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| QueryError::BadParameter {
                field: "format".to_owned(),
                detail: format!("{name:?} is no format"),
                remedy: format!("Choose one of {}.", Self::ALL.map(Self::name).join(", ")),
            })
    }

    /// The media type of the whole.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Table => "text/plain; charset=utf-8",
        }
    }
}

/// Turns batches of a report into the bytes of a file, piece by piece.
#[derive(Debug)]
pub struct Encoder {
    columns: Vec<ColumnInfo>,
    sink: Sink,
    written: Written,
}

enum Sink {
    Csv,
    Ndjson,
    Parquet(Box<ArrowWriter<Written>>),
    Arrow(Box<StreamWriter<Written>>),
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Csv => "Csv",
            Self::Ndjson => "Ndjson",
            Self::Parquet(_) => "Parquet",
            Self::Arrow(_) => "Arrow",
        })
    }
}

impl Encoder {
    /// An encoder for the rows of a stream; None for the formats that are made of whole pages.
    ///
    /// # Errors
    /// When the format cannot hold the columns.
    pub fn new(format: Format, stream: &ReportStream) -> Result<Option<Self>, QueryError> {
        let written = Written::default();
        let schema = with_metadata(stream);
        let sink = match format {
            Format::Json | Format::Table => return Ok(None),
            Format::Csv => {
                csv::header(&stream.columns, &mut written.clone());
                Sink::Csv
            }
            Format::Ndjson => Sink::Ndjson,
            Format::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::default());
                // Rows are held until a group is full: 64 Ki rows of 1 kB bound a download's memory.
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_row_count(Some(64 * 1024))
                    .build();
                Sink::Parquet(Box::new(
                    ArrowWriter::try_new(written.clone(), schema, Some(properties))
                        .map_err(unencodable)?,
                ))
            }
            Format::Arrow => Sink::Arrow(Box::new(
                StreamWriter::try_new(written.clone(), &schema).map_err(unencodable)?,
            )),
        };
        Ok(Some(Self {
            columns: stream.columns.clone(),
            sink,
            written,
        }))
    }

    /// The bytes that a batch adds; may be empty.
    ///
    /// # Errors
    /// When the batch has other columns than the stream.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, QueryError> {
        match &mut self.sink {
            Sink::Csv => csv::rows(&self.columns, batch, &mut self.written)?,
            Sink::Ndjson => json::lines(batch, &mut self.written)?,
            Sink::Parquet(writer) => writer.write(batch).map_err(unencodable)?,
            Sink::Arrow(writer) => writer.write(batch).map_err(unencodable)?,
        }
        Ok(self.written.take())
    }

    /// The bytes that end the file.
    ///
    /// # Errors
    /// When the file cannot be closed.
    pub fn finish(mut self) -> Result<Bytes, QueryError> {
        match self.sink {
            Sink::Csv | Sink::Ndjson => {}
            Sink::Parquet(writer) => {
                writer.close().map_err(unencodable)?;
            }
            Sink::Arrow(mut writer) => writer.finish().map_err(unencodable)?,
        }
        Ok(self.written.take())
    }
}

/// What an encoder has written and nobody has taken yet.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn with_metadata(stream: &ReportStream) -> SchemaRef {
    let pairs = metadata::pairs(stream.report, stream.window, &stream.status);
    let metadata = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Arc::new(Schema::new_with_metadata(
        stream.schema.fields().clone(),
        metadata,
    ))
}

fn unencodable(error: impl std::error::Error + Send + Sync + 'static) -> QueryError {
    QueryError::Tables(Box::new(error))
}
