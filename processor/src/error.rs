//! Why the processor stops. What the log holds is safe in every case: the fold goes on from the last commit.

use epm_event_log::LogError;
use epm_tables::write::WriteError;

/// Why the processor, a verification or a rebuild ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// The event log cannot be read.
    #[error("the event log cannot be read")]
    Log(#[from] LogError),
    /// A table cannot be written. Retried by the stage itself; final for commands.
    #[error("the tables cannot be written")]
    Tables(#[from] WriteError),
    /// The tables do not agree with one another: one was deleted or restored alone.
    #[error(
        "table {table} stands at log offset {offset} of partition {partition}, before table {later} at {later_offset}: run `epm rebuild`"
    )]
    Inconsistent {
        /// The table that is behind.
        table: &'static str,
        /// Its position.
        offset: u64,
        /// Partition of the log.
        partition: u32,
        /// A table that is committed after it.
        later: &'static str,
        /// That table's position.
        later_offset: u64,
    },
    /// A table was deleted that the log, since retention trimmed it, cannot make again while another one holds older rows.
    #[error(
        "table {table} cannot be made again, because the log begins at offset {start} of partition {partition}, and folding it anew would drop older rows of elevations: restore {table} from a backup"
    )]
    Irreplaceable {
        /// The table that is missing or behind.
        table: &'static str,
        /// Partition of the log.
        partition: u32,
        /// Where the log begins.
        start: u64,
    },
    /// A row of `devices` cannot be read.
    #[error("table devices cannot be read back ({0}): run `epm rebuild`")]
    Devices(String),
    /// Rows could not be computed.
    #[error("rows could not be computed")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Folders could not be moved.
    #[error("the tables' folder cannot be changed")]
    Folder(#[from] std::io::Error),
    /// The command works on local tables only.
    #[error("{0} is not a local folder: rebuild and verify work on local tables")]
    NotLocal(url::Url),
}
