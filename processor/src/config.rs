//! What the processor needs to know. It must not read the environment: the command line does.

use std::time::Duration;

use url::Url;

/// Where the tables are, and how long things are kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the folder that holds the tables: `file:///…`.
    pub tables: Url,
    /// How long rows and log entries are kept.
    pub retention: Retention,
    /// Least time between two commits while little arrives: a row is visible within about twice this, and a day of
    /// trickle makes no more versions than a reader copes with.
    pub commit_interval: Duration,
    /// Payload bytes that one transaction folds at most: under load a commit carries so much that its fixed cost of some
    /// 50 ms hardly counts, and memory stays bounded.
    pub transaction_bytes: usize,
    /// Time between two rounds of upkeep: retention of log and tables, removal of files that nobody needs.
    pub upkeep_interval: Duration,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Days that the event log keeps at least; `None` is [`Retention::LOG_DAYS`].
    pub log_days: Option<u32>,
    /// Days of `elevations`, by day of the event and of its arrival; `None` keeps them for ever.
    pub elevations_days: Option<u32>,
    /// Days of `usage`; `None` keeps them for ever.
    pub usage_days: Option<u32>,
    /// Days of `dead_letters`; `None` keeps them for ever.
    pub dead_letters_days: Option<u32>,
}

impl Retention {
    /// Days that the event log keeps where nothing else is said.
    pub const LOG_DAYS: u32 = 30;
}

impl Config {
    /// The usual settings for the tables under `tables`.
    #[must_use]
    pub fn new(tables: Url) -> Self {
        Self {
            tables,
            retention: Retention::default(),
            commit_interval: Duration::from_millis(250),
            transaction_bytes: 16 << 20,
            upkeep_interval: Duration::from_secs(600),
        }
    }
}
