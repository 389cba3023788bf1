//! Which of several records of one observation speaks for it. It must not look at anything but the record.

use std::cmp::Reverse;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int32Type;
use epm_proto::view::ElevationView;
use epm_tables::write::{Cell, Cells};

use super::elevation::repeats;
use super::index::{Key, parse_key};
use super::members::at;

/// Columns that an export may leave out, and that no exit changes: those of a record that knows more say more.
const FACTS: [&str; 8] = [
    "user_id",
    "sha256",
    "file_version",
    "company_name",
    "justification",
    "rule_id",
    "policy_name",
    "parent_path",
];

/// What [`Rank`] is read from, beside the event id.
pub(crate) const COLUMNS: [&str; 10] = [
    "upn",
    "repeat_count",
    FACTS[0],
    FACTS[1],
    FACTS[2],
    FACTS[3],
    FACTS[4],
    FACTS[5],
    FACTS[6],
    FACTS[7],
];

/// Of the records of one observation the one of the least rank speaks: one that knows whose it is comes before one that
/// does not, then the one that counts most, then the one that knows most, then the one with the least event id. So a
/// fuller export completes an earlier one, whichever arrives first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    is_without_principal: bool,
    repeats: Reverse<i32>,
    facts: Reverse<usize>,
    event_id: Key,
}

impl Rank {
    /// The rank of a record of `elevation`.
    pub(crate) fn of_record(elevation: &ElevationView<'_>, event_id: Key) -> Self {
        let (file, policy) = (&elevation.file, &elevation.policy);
        let texts = [
            elevation.user.user_id,
            file.file_version,
            file.company_name,
            elevation.justification,
            policy.rule_id,
            policy.policy_name,
            elevation.process.parent_path,
        ];
        let known = texts.iter().filter(|text| !text.is_empty()).count();
        Self {
            is_without_principal: elevation.user.upn.is_empty(),
            repeats: Reverse(repeats(elevation)),
            facts: Reverse(known + usize::from(!file.sha256.is_empty())),
            event_id,
        }
    }

    /// The rank of a record as its row says it.
    pub(crate) fn of_row(row: &Cells) -> Option<Self> {
        let is_known = |name: &&str| !row[at(name)].is_null();
        let repeats = match row[at("repeat_count")] {
            Cell::Int(repeats) => repeats,
            _ => 1,
        };
        Some(Self {
            is_without_principal: !is_known(&"upn"),
            repeats: Reverse(repeats),
            facts: Reverse(FACTS.iter().filter(|name| is_known(name)).count()),
            event_id: row[at("event_id")].text().and_then(parse_key)?,
        })
    }

    /// The rank of the record at `row` of `rows`.
    pub(crate) fn of_stored(rows: &RecordBatch, row: usize, event_id: Key) -> Self {
        let is_known = |name: &&str| {
            let column = rows.column_by_name(name);
            column.is_some_and(|column| column.is_valid(row))
        };
        let repeats = rows
            .column_by_name("repeat_count")
            .and_then(|repeats| repeats.as_primitive_opt::<Int32Type>())
            .filter(|repeats| repeats.is_valid(row))
            .map_or(1, |repeats| repeats.value(row));
        Self {
            is_without_principal: !is_known(&"upn"),
            repeats: Reverse(repeats),
            facts: Reverse(FACTS.iter().filter(|name| is_known(name)).count()),
            event_id,
        }
    }
}
