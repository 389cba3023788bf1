//! Failures of the tables and of queries, as answers to whoever asked.

use datafusion::error::DataFusionError;
use epm_tables::ReadError;

use crate::QueryError;

pub(crate) fn failed(error: DataFusionError) -> QueryError {
    if matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) {
        return QueryError::TooLarge {
            limit_mb: 0,
            source: Box::new(error),
        };
    }
    if epm_tables::read::lacks_a_file(&error) {
        return QueryError::Gone {
            detail: "its files have been tidied away".to_owned(),
            remedy: START_AGAIN.to_owned(),
        };
    }
    QueryError::Tables(Box::new(error))
}

pub(super) fn arrow_failed(error: arrow::error::ArrowError) -> QueryError {
    QueryError::Tables(Box::new(error))
}

pub(super) fn unreadable(error: ReadError) -> QueryError {
    match error {
        ReadError::Gone { .. } => QueryError::Gone {
            detail: error.to_string(),
            remedy: START_AGAIN.to_owned(),
        },
        ReadError::Location(wrong) => QueryError::BadParameter {
            field: "tables".to_owned(),
            detail: wrong.to_string(),
            remedy: "Give a folder or the address of a store.".to_owned(),
        },
        ReadError::Storage { .. } => QueryError::Tables(Box::new(error)),
    }
}

const START_AGAIN: &str = "Start again without a cursor, or with a later as_of.";
