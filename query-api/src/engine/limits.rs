//! What queries may cost. Does nothing.

use std::time::Duration;

/// What queries may cost, all together.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Queries that run at the same time; more wait.
    pub concurrent: usize,
    /// How long a query waits for its turn.
    pub wait: Duration,
    /// How long a page may take.
    pub page_time: Duration,
    /// Memory of all queries together, in bytes; sorts and groups beyond it go to temporary files.
    pub memory_bytes: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            // Two for each core of the smallest machine we run on, so that one long download leaves room.
            concurrent: 8,
            wait: Duration::from_secs(5),
            page_time: Duration::from_secs(30),
            // A tenth of a machine with 4 GB, which is the smallest that a server is planned for.
            memory_bytes: 400 * 1024 * 1024,
        }
    }
}
