//! The Arrow form of answers: one type for each kind of column, whatever the table's file has.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::failure::arrow_failed;
use super::query;
use crate::{ColumnInfo, QueryError};

/// The Arrow schema of columns in an answer.
pub(crate) fn schema_of(columns: &[ColumnInfo]) -> SchemaRef {
    let field = |column: &ColumnInfo| Field::new(column.name, query::data_type(column.kind), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn same_schema(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, QueryError> {
    batches.iter().map(|batch| reshape(batch, schema)).collect()
}

/// The columns of `schema`, by name, out of a batch that has them.
pub(crate) fn reshape(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column(batch.schema().index_of(field.name())?);
            // Lists may differ in the name of their element only.
            arrow::compute::cast(column, field.data_type())
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(arrow_failed)?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(arrow_failed)
}
