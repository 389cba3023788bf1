//! The columns of Intune's exports under the names that its export reports, its Graph lists and its requests have for
//! them, and one record by these columns. It must not know what a value means.

use std::borrow::Cow;

/// What an export says for a value that is not there.
const ABSENT: &str = "<Null>";

/// A column that is read. One column has several names, because reports differ in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Column {
    Id,
    DeviceId,
    DeviceName,
    EventDateTime,
    ElevationType,
    FilePath,
    User,
    UserType,
    ProductName,
    CompanyName,
    FileVersion,
    InternalName,
    FileDescription,
    FileName,
    Hash,
    Justification,
    Result,
    ProcessType,
    ParentProcessName,
    RuleId,
    PolicyId,
    PolicyName,
    IsSystemInitiated,
    MonthElevationCount,
    Status,
    ReviewerJustification,
    /// A count of a report that holds no single elevation.
    Count,
}

impl Column {
    /// How many there are.
    pub(super) const COUNT: usize = Column::Count as usize + 1;

    /// The column that is called `name`, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, column)| *column)
    }

    /// What the export itself calls it.
    pub(super) fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, column)| *column == self)
            .map_or("", |(name, _)| *name)
    }
}

/// Names of columns; the first of a column is what it is called in messages.
const NAMES: [(&str, Column); 49] = [
    ("Id", Column::Id),
    ("DeviceId", Column::DeviceId),
    ("requestedOnDeviceId", Column::DeviceId),
    ("DeviceName", Column::DeviceName),
    ("EventDateTime", Column::EventDateTime),
    ("requestCreatedDateTime", Column::EventDateTime),
    ("ElevationType", Column::ElevationType),
    ("FilePath", Column::FilePath),
    ("Upn", Column::User),
    ("UserName", Column::User),
    ("requestedByUserPrincipalName", Column::User),
    ("UserType", Column::UserType),
    ("ProductName", Column::ProductName),
    ("FileProductName", Column::ProductName),
    ("CompanyName", Column::CompanyName),
    ("Publisher", Column::CompanyName),
    ("publisherName", Column::CompanyName),
    ("FileVersion", Column::FileVersion),
    ("productVersion", Column::FileVersion),
    ("InternalName", Column::InternalName),
    ("FileInternalName", Column::InternalName),
    ("productInternalName", Column::InternalName),
    ("FileDescription", Column::FileDescription),
    ("FileName", Column::FileName),
    ("Hash", Column::Hash),
    ("HashValue", Column::Hash),
    ("fileHash", Column::Hash),
    ("Justification", Column::Justification),
    ("requestJustification", Column::Justification),
    ("Result", Column::Result),
    ("ProcessType", Column::ProcessType),
    ("ParentProcessName", Column::ParentProcessName),
    ("RuleId", Column::RuleId),
    ("PolicyId", Column::PolicyId),
    ("PolicyName", Column::PolicyName),
    ("IsSystemInitiated", Column::IsSystemInitiated),
    ("systemInitiatedElevation", Column::IsSystemInitiated),
    ("MonthElevationCount", Column::MonthElevationCount),
    ("status", Column::Status),
    ("reviewerJustification", Column::ReviewerJustification),
    ("ElevationCount", Column::Count),
    ("ManagedCount", Column::Count),
    ("UnmanagedCount", Column::Count),
    ("TotalCount", Column::Count),
    ("DailyElevationCount", Column::Count),
    ("Green", Column::Count),
    ("Yellow", Column::Count),
    ("Red", Column::Count),
    ("IsBackgroundProcess", Column::Count),
];

/// Which columns an export has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns(u32);

impl Columns {
    pub(super) fn add(&mut self, column: Column) {
        self.0 |= 1 << column as u32;
    }

    pub(super) fn has(self, column: Column) -> bool {
        self.0 & 1 << column as u32 != 0
    }

    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }
}

/// One record: the values of its columns.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    values: [Option<Cow<'a, str>>; Column::COUNT],
}

impl<'a> Record<'a> {
    /// Where a column stands under two names, the first that says something counts.
    pub(super) fn set(&mut self, column: Column, value: Cow<'a, str>) {
        if self.text(column).is_empty() {
            self.values[column as usize] = Some(value);
        }
    }

    /// Takes the values of `other` where there are none.
    pub(super) fn fill(&mut self, other: Record<'a>) {
        for (held, value) in self.values.iter_mut().zip(other.values) {
            if held.is_none() {
                *held = value;
            }
        }
    }

    /// The value, without blanks around it; empty where there is none.
    pub(super) fn text(&self, column: Column) -> &str {
        let value = self.values[column as usize].as_deref().unwrap_or_default();
        match value.trim() {
            ABSENT => "",
            value => value,
        }
    }

    /// The value as it is kept.
    pub(super) fn owned(&self, column: Column) -> String {
        self.text(column).to_owned()
    }

    /// The columns that it has, with or without a value.
    pub(super) fn columns(&self) -> Columns {
        let mut columns = Columns::default();
        for (_, column) in NAMES {
            if self.values[column as usize].is_some() {
                columns.add(column);
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_names_of_every_report_in_any_case() {
        for (name, column) in [
            ("Upn", Column::User),
            ("upn", Column::User),
            (" UserName ", Column::User),
            ("hash", Column::Hash),
            ("HashValue", Column::Hash),
            ("systemInitiatedElevation", Column::IsSystemInitiated),
            ("ISSYSTEMINITIATED", Column::IsSystemInitiated),
        ] {
            assert_eq!(Column::named(name), Some(column), "{name}");
        }
        assert_eq!(Column::named("ElevationType_loc"), None);
        assert_eq!(Column::EventDateTime.name(), "EventDateTime");
        assert_eq!(Column::User.name(), "Upn");
    }

    #[test]
    fn null_blank_and_missing_are_nothing() {
        let mut record = Record::default();
        assert_eq!(record.text(Column::RuleId), "");
        record.set(Column::RuleId, "<Null>".into());
        record.set(Column::PolicyName, " ".into());
        record.set(Column::Result, " 0 ".into());
        assert_eq!(record.text(Column::RuleId), "");
        assert_eq!(record.text(Column::PolicyName), "");
        assert_eq!(record.text(Column::Result), "0");
        assert!(record.columns().has(Column::RuleId));
        assert!(!record.columns().has(Column::Id));
        assert_eq!(record.columns().len(), 3);
    }
}
