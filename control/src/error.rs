//! What can go wrong with the store, by what the caller should do about it.

use crate::event::{Sequence, StreamId, Version};

/// What a caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Try again: it passes by itself.
    Retry,
    /// Tell whoever asked: the same command will never work.
    Refuse,
    /// Stop and tell an operator: the store, or this program, is not what it should be.
    Stop,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody changed the thing since the caller read it. Over HTTP this is 412.
    #[error("{stream} has version {actual}, not {expected}: read it again and decide anew")]
    Conflict {
        /// What was to be changed.
        stream: StreamId,
        /// What the caller had read.
        expected: Version,
        /// What there is.
        actual: Version,
    },
    /// More than one append may hold.
    #[error("{what} is {found}, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        found: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The address names no store that this program knows.
    #[error(
        "{0:?} is no address of a control store: write sqlite:///path/control.db or postgres://user@host/database"
    )]
    Address(String),
    /// The file cannot be made or opened.
    #[error("the control store's file {path} cannot be opened")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
    /// A newer program has changed the tables.
    #[error(
        "the control store has schema {found}, this program knows {known}: start the newer program, or restore the backup from before its first start"
    )]
    NewerSchema {
        /// What the store says.
        found: i64,
        /// What this program can read.
        known: i64,
    },
    /// An event that this program cannot read: damaged, or written by a newer program.
    #[error("event {} ({name}) of {stream} cannot be read: {why}", .sequence.0)]
    Unreadable {
        /// Where.
        sequence: Sequence,
        /// What it is about.
        stream: StreamId,
        /// What it is called.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A follower has seen more than there is: the store was restored from a backup.
    #[error("events up to {} were seen, the store ends at {}: it was restored from a backup, so let the follower begin anew", .seen.0, .head.0)]
    Behind {
        /// The last that the follower saw.
        seen: Sequence,
        /// The last that there is.
        head: Sequence,
    },
    /// A row that no event could have: the database was changed by hand, or is damaged.
    #[error("the control store is damaged: {0}; `verify` names the first broken place")]
    Damaged(String),
    /// The database does not answer, or refuses. After a commit that was cut off it is not known whether the events are
    /// there: the same append, tried again, then says so with a conflict.
    #[error("the control store's database: {doing}")]
    Database {
        /// What it was asked for.
        doing: &'static str,
        /// Its words.
        #[source]
        cause: sqlx::Error,
    },
}

impl StoreError {
    /// What the caller should do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Conflict { .. } | Self::TooLarge { .. } => Advice::Refuse,
            Self::Database { cause, .. } if passes(cause) => Advice::Retry,
            Self::Address(_)
            | Self::File { .. }
            | Self::NewerSchema { .. }
            | Self::Unreadable { .. }
            | Self::Damaged(_)
            | Self::Behind { .. }
            | Self::Database { .. } => Advice::Stop,
        }
    }

    /// Whether the database holds something at this place that is not even of the column's type.
    pub(crate) fn is_undecodable(&self) -> bool {
        matches!(
            self,
            Self::Database {
                cause: sqlx::Error::Decode(_)
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::AnyDriverError(_),
                ..
            }
        )
    }

    /// Names what was being done, for `map_err`.
    pub(crate) fn while_doing(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| Self::Database { doing, cause }
    }
}

/// Whether the database may answer the next time: it was away, busy, or chose another transaction.
fn passes(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| {
            // SQLite: busy, locked, full. PostgreSQL: connection, serialisation and deadlock, resources, lock, shutting down.
            matches!(code.as_ref(), "5" | "6" | "13" | "261" | "517")
                || ["08", "40", "53", "55P", "57P"]
                    .iter()
                    .any(|class| code.starts_with(class) && code.len() == 5)
        }),
        _ => false,
    }
}
