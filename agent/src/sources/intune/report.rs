//! Which of Intune's exports a record is from, by its columns, and which columns it cannot do without. It must not look
//! at a value.

use super::columns::{Column, Columns};

/// An export that holds elevations, denials or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// `EpmElevationReportElevationEvent`, or the list of `privilegeManagementElevations`: an elevation each.
    Elevations,
    /// `EpmDeniedReport`: how often a file was denied to a user in a month.
    Denials,
    /// The list of `elevationRequests`: a request for support approval each.
    Requests,
}

/// Why records are of none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// Something else altogether.
    #[error("it is no export of Intune's endpoint privilege management")]
    Other,
    /// An export that was made without a column.
    #[error("it is an Intune export without the column {0}; export it with that column")]
    Lacks(&'static str),
    /// Counts of elevations, of which another report holds each.
    #[error("it is an Intune report that only counts; export EpmElevationReportElevationEvent")]
    Counts,
}

/// What tells an export of elevations from other tables: each of these names is Intune's own.
const TELLING: [Column; 2] = [Column::ElevationType, Column::IsSystemInitiated];

/// Columns that a table shares with an export before it is taken for one.
const SHARED: u32 = 3;

impl Report {
    /// The report that has these columns; `is_request` where a record is shaped as only requests are.
    pub(super) fn of(columns: Columns, is_request: bool) -> Result<Self, NoReport> {
        let report = if is_request {
            Report::Requests
        } else if columns.has(Column::MonthElevationCount) {
            Report::Denials
        } else if columns.len() < SHARED || !TELLING.iter().any(|column| columns.has(*column)) {
            return Err(NoReport::Other);
        } else if columns.has(Column::Count) {
            return Err(NoReport::Counts);
        } else {
            Report::Elevations
        };
        let lacking = report
            .mandatory()
            .iter()
            .find(|column| !columns.has(**column));
        lacking.map_or(Ok(report), |column| Err(NoReport::Lacks(column.name())))
    }

    /// What a record must say to be one: what it is known by, when it was, what ran, and on whose behalf it counts.
    pub(super) fn mandatory(self) -> &'static [Column] {
        match self {
            Report::Elevations => &[
                Column::Id,
                Column::EventDateTime,
                Column::ElevationType,
                Column::FilePath,
            ],
            Report::Denials => &[Column::User, Column::DeviceId, Column::FileName],
            Report::Requests => &[Column::Id, Column::EventDateTime, Column::Status],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Report, NoReport> {
        let mut columns = Columns::default();
        for name in names {
            if let Some(column) = Column::named(name) {
                columns.add(column);
            }
        }
        Report::of(columns, false)
    }

    #[test]
    fn a_report_is_known_by_its_columns_in_any_order_and_subset() {
        let least = ["FilePath", "ElevationType", "Id", "EventDateTime"];
        assert_eq!(of(&least), Ok(Report::Elevations));
        let denied = [
            "HashValue",
            "FileName",
            "MonthElevationCount",
            "DeviceId",
            "UserName",
        ];
        assert_eq!(of(&denied), Ok(Report::Denials));
    }

    #[test]
    fn the_column_that_is_missing_is_named() {
        for column in ["Id", "EventDateTime", "ElevationType", "FilePath"] {
            let all = [
                "Id",
                "EventDateTime",
                "ElevationType",
                "FilePath",
                "IsSystemInitiated",
            ];
            let without: Vec<&str> = all.into_iter().filter(|name| *name != column).collect();
            assert_eq!(of(&without), Err(NoReport::Lacks(column)));
        }
        let denied = ["FileName", "MonthElevationCount", "DeviceId"];
        assert_eq!(of(&denied), Err(NoReport::Lacks("Upn")));
    }

    #[test]
    fn reports_of_counts_and_other_tables_are_told_apart() {
        let by_application = [
            "CompanyName",
            "ElevationCount",
            "ElevationType",
            "FileName",
            "Hash",
        ];
        assert_eq!(of(&by_application), Err(NoReport::Counts));
        assert_eq!(
            of(&["Upn", "ManagedCount", "TotalCount"]),
            Err(NoReport::Other)
        );
        assert_eq!(
            of(&["Id", "FileName", "Hash", "Status"]),
            Err(NoReport::Other)
        );
    }
}
