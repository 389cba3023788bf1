//! What a caller asks of a report, as parsed from a query string or a command line. Does no IO.

use crate::QueryError;

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
    /// Read the tables as they were at this time (same forms). None = newest version.
    pub as_of: Option<String>,
    /// Column and value. The same column again = or; `!value` = not; `*` stands for any text; `>`, `>=`, `<`, `<=` in
    /// front of a number or time; an empty value = no value; `=` in front takes the rest as it is.
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

    /// A request from the pairs of a query string. Every name that is not a parameter is a filter; the engine
    /// answers for names that are neither.
    ///
    /// # Errors
    /// [`QueryError::BadParameter`] for a parameter given twice or a limit that is no number.
    pub fn from_pairs(
        report: &str,
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, QueryError> {
        let mut request = Self::new(report);
        let mut limit = None;
        for (name, value) in pairs {
            let slot = match name.as_str() {
                "since" => &mut request.since,
                "until" => &mut request.until,
                "as_of" => &mut request.as_of,
                "sort" => &mut request.sort,
                "cursor" => &mut request.cursor,
                "limit" => &mut limit,
                "columns" => {
                    request
                        .columns
                        .extend(value.split(',').map(|name| name.trim().to_owned()));
                    continue;
                }
                _ => {
                    request.filters.push((name, value));
                    continue;
                }
            };
            if slot.is_some() {
                return Err(QueryError::BadParameter {
                    detail: "given more than once".to_owned(),
                    remedy: format!("Give {name} once."),
                    field: name,
                });
            }
            *slot = Some(value);
        }
        request.limit = limit.map(|text| parse_limit(&text)).transpose()?;
        Ok(request)
    }
}

fn parse_limit(text: &str) -> Result<usize, QueryError> {
    text.trim().parse().map_err(|_| QueryError::BadParameter {
        field: "limit".to_owned(),
        detail: format!("{text:?} is not a number of rows"),
        remedy: format!(
            "Give a whole number from 1 to {}.",
            crate::engine::MAX_PAGE_ROWS
        ),
    })
}
