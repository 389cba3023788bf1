//! Why a report could not be answered. Says whether the caller can mend it, must wait, or the tables are at fault.

/// A report that could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The catalogue has no such report.
    #[error("there is no report named {name:?}")]
    UnknownReport {
        /// What was asked for.
        name: String,
        /// Every name that would have been understood.
        known: Vec<&'static str>,
    },
    /// A parameter cannot be understood.
    #[error("{field}: {detail}")]
    BadParameter {
        /// The parameter as the caller named it.
        field: String,
        /// What is wrong with it.
        detail: String,
        /// What to write instead.
        remedy: String,
    },
    /// The version that a cursor or `as_of` names has been removed by retention.
    #[error("the version of the tables that was asked for is no longer kept: {detail}")]
    Gone {
        /// Which version of which table.
        detail: String,
        /// What to do instead.
        remedy: String,
    },
    /// Every place for a concurrent query was taken for too long.
    #[error("{running} queries are running, which is the limit")]
    Busy {
        /// The bound on concurrent queries.
        running: usize,
    },
    /// The query took longer than its limit.
    #[error("the query took longer than {limit_s} s")]
    TimedOut {
        /// The bound, in seconds.
        limit_s: u64,
    },
    /// The query needed more memory than its limit.
    #[error("the query needs more memory than the {limit_mb} MB it may use")]
    TooLarge {
        /// The bound, in megabytes.
        limit_mb: u64,
        /// The refusal of the memory pool.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables cannot be read.
    #[error("the tables cannot be read")]
    Tables(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl QueryError {
    /// What the caller can do about it, as one sentence.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownReport { known, .. } => format!("Ask for one of: {}.", known.join(", ")),
            Self::BadParameter { remedy, .. } | Self::Gone { remedy, .. } => remedy.clone(),
            Self::Busy { .. } => "Try again in a few seconds.".into(),
            Self::TimedOut { .. } | Self::TooLarge { .. } => {
                "Ask for a shorter window with since and until, or add filters.".into()
            }
            Self::Tables(_) => {
                "The server's log has the cause; `epm verify` checks the tables.".into()
            }
        }
    }
}
