//! What a caller asks of a report, as parsed from a query string or a command line. Does no IO.

/// One question to a report. Everything is text as the caller wrote it; the engine checks it and answers with the
/// field and the remedy where it cannot be understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportRequest {
    /// Name in the catalogue, such as `by-application`.
    pub report: String,
    /// Start of the window, inclusive: RFC 3339, a date, or an age such as `24h` or `30d`. None = from the first event.
    pub since: Option<String>,
    /// End of the window, exclusive; same forms. None = to the newest event.
    pub until: Option<String>,
    /// Read the tables as they were at this time (RFC 3339, a date, or an age). None = newest version.
    pub as_of: Option<String>,
    /// Column and value. The same column again = or; `!value` = not; `*` stands for any text.
    pub filters: Vec<(String, String)>,
    /// Columns to return, in this order. Empty = the report's default columns; `*` = all.
    /// An aggregated report groups by the dimension columns named here.
    pub columns: Vec<String>,
    /// Column to sort by, `-` in front for descending. None = the report's own order.
    pub sort: Option<String>,
    /// Rows of one page at most. None = 100; more than 10 000 is refused.
    pub limit: Option<usize>,
    /// Opaque position of the next page, from [`crate::ReportPage::next_cursor`].
    pub cursor: Option<String>,
}

impl ReportRequest {
    /// A request for the first page of a report with every default.
    #[must_use]
    pub fn new(report: impl Into<String>) -> Self {
        Self {
            report: report.into(),
            ..Self::default()
        }
    }
}
