//! The tables: their columns, and the two halves that read and write them.
//!
//! Reading and writing are different types, so that a report can never change what it reports on.

pub mod read;
pub mod schema;
pub mod write;

pub use read::{ReadError, Snapshot, TableReader};
pub use schema::{Column, Kind, Table};
pub use write::{Change, DataFile, TableWriter, WriteError};
