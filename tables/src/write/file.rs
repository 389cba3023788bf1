//! Data files: rows to Parquet bytes and back, with the statistics by which readers skip files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, RecordBatch, RecordBatchOptions, RecordBatchReader as _,
    new_null_array,
};
use arrow::datatypes::{DataType, Schema, TimestampMicrosecondType};
use bytes::Bytes;
use deltalake::kernel::Add;
use jiff::civil::Date;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value, json};

use super::{DataFile, TableWriter, WriteError};

/// Rows of a row group: small enough that a reader skips most of a large file.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// The day that a partition value names, in days since 1970-01-01.
pub(crate) fn parse_day(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    Some(date.since(Date::constant(1970, 1, 1)).ok()?.get_days())
}

/// How a partition value is written.
#[must_use]
pub(crate) fn day_text(day: i32) -> String {
    let epoch = Date::constant(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(day)).map_or_else(
        |_| "__HIVE_DEFAULT_PARTITION__".to_owned(),
        |date| date.to_string(),
    )
}

impl TableWriter {
    pub(super) async fn write_file(
        &self,
        day: Option<i32>,
        rows: RecordBatch,
    ) -> Result<(DataFile, Add), WriteError> {
        let name = self.definition.name;
        let failed = |what, cause: Box<dyn std::error::Error + Send + Sync>| WriteError::Rows {
            table: name,
            what,
            cause,
        };
        let partition = self.definition.partition;
        let encoded = tokio::task::spawn_blocking(move || encode(&rows, partition))
            .await
            .map_err(|cause| failed("encoding rows", cause.into()))?
            .map_err(|cause| failed("encoding rows", cause.into()))?;
        let file_name = format!("part-{}.zstd.parquet", uuid::Uuid::now_v7());
        let path = match (partition, day) {
            (Some(column), Some(day)) => format!("{column}={}/{file_name}", day_text(day)),
            _ => file_name,
        };
        let bytes = encoded.bytes.len() as u64;
        self.table
            .object_store()
            .put(&Path::from(path.as_str()), encoded.bytes.into())
            .await
            .map_err(|cause| failed("writing a file", cause.into()))?;
        let written_at_ms = jiff::Timestamp::now().as_millisecond();
        let add = Add {
            path: path.clone(),
            partition_values: self.partition_values(day),
            size: bytes as i64,
            modification_time: written_at_ms,
            data_change: true,
            stats: Some(encoded.statistics),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        };
        let file = DataFile {
            path,
            day,
            rows: encoded.rows,
            bytes,
            written_at_ms,
        };
        Ok((file, add))
    }

    /// The rows of a file in its own order, all columns or those named, the partition column with its value.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub async fn read_file(
        &self,
        file: &DataFile,
        columns: Option<&[&str]>,
    ) -> Result<RecordBatch, WriteError> {
        let name = self.definition.name;
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| WriteError::Rows {
            table: name,
            what: "reading a file",
            cause,
        };
        let path = Path::from(file.path.as_str());
        let got = self
            .table
            .object_store()
            .get(&path)
            .await
            .map_err(|cause| failed(cause.into()))?;
        let bytes = got.bytes().await.map_err(|cause| failed(cause.into()))?;
        let schema = self.definition.schema();
        let wanted: Option<Vec<String>> =
            columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let (partition, day) = (self.definition.partition, file.day);
        tokio::task::spawn_blocking(move || {
            decode(bytes, &schema, wanted.as_deref(), partition, day)
        })
        .await
        .map_err(|cause| failed(cause.into()))?
        .map_err(failed)
    }
}

struct Encoded {
    bytes: Vec<u8>,
    rows: u64,
    statistics: String,
}

fn encode(
    rows: &RecordBatch,
    partition: Option<&str>,
) -> Result<Encoded, parquet::errors::ParquetError> {
    let statistics = statistics(rows, partition);
    let kept: Vec<usize> = (0..rows.num_columns())
        .filter(|index| Some(rows.schema().field(*index).name().as_str()) != partition)
        .collect();
    let stored = rows.project(&kept)?;
    let properties = WriterProperties::builder()
        // Level 1: higher levels gained next to nothing on rows full of ids and hashes.
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, stored.schema(), Some(properties))?;
    writer.write(&stored)?;
    writer.close()?;
    Ok(Encoded {
        bytes,
        rows: rows.num_rows() as u64,
        statistics,
    })
}

/// Delta's statistics: how many rows, and the least and greatest of each time, by which windows skip files. Times are
/// kept in milliseconds there, so bounds are widened to whole ones.
fn statistics(rows: &RecordBatch, partition: Option<&str>) -> String {
    let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (field, values) in rows.schema().fields().iter().zip(rows.columns()) {
        if Some(field.name().as_str()) == partition {
            continue;
        }
        if matches!(field.data_type(), DataType::Timestamp(..)) {
            let times = values.as_primitive::<TimestampMicrosecondType>();
            nulls.insert(field.name().clone(), json!(values.null_count()));
            if let (Some(min), Some(max)) = (arrow::compute::min(times), arrow::compute::max(times))
            {
                least.insert(field.name().clone(), millisecond(min.div_euclid(1000)));
                greatest.insert(field.name().clone(), millisecond(max.div_euclid(1000) + 1));
            }
        }
    }
    json!({"numRecords": rows.num_rows(), "minValues": least, "maxValues": greatest, "nullCount": nulls}).to_string()
}

fn millisecond(since_epoch: i64) -> Value {
    jiff::Timestamp::from_millisecond(since_epoch)
        .map_or(Value::Null, |time| json!(format!("{time:.3}")))
}

fn decode(
    bytes: Bytes,
    schema: &Arc<Schema>,
    wanted: Option<&[String]>,
    partition: Option<&str>,
    day: Option<i32>,
) -> Result<RecordBatch, Box<dyn std::error::Error + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let is_wanted =
        |name: &str| wanted.is_none_or(|wanted| wanted.iter().any(|column| column == name));
    let leaves: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_wanted(field.name()))
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), leaves);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(ROW_GROUP_ROWS)
        .build()?;
    let stored = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let stored = arrow::compute::concat_batches(&stored, &batches)?;
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for field in schema
        .fields()
        .iter()
        .filter(|field| is_wanted(field.name()))
    {
        fields.push(Arc::clone(field));
        if Some(field.name().as_str()) == partition {
            arrays.push(Arc::new(Date32Array::from(vec![day; stored.num_rows()])));
        } else {
            arrays.push(match stored.column_by_name(field.name()) {
                Some(held) => arrow::compute::cast(held, field.data_type())?,
                // The file is older than the column.
                None => new_null_array(field.data_type(), stored.num_rows()),
            });
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(stored.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        arrays,
        &options,
    )?)
}
