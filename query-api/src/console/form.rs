//! The form of filters: its fields, and what a sent form means as an address.
//!
//! A browser sends every field, also those left empty; an address has only what is asked for, in the very words of
//! REST. So a form is sent to the page with `form=1`, and the page sends the browser on to the clean address.

use super::address::{Address, is_parameter};
use super::wording;
use crate::{ColumnInfo, ColumnKind, Report};

/// The field by which a sent form is told from an address.
const SENT: &str = "form";
/// Pairs that have no field of their own and must survive; each value is a whole `name=value`.
const KEPT: &str = "keep";

/// Columns that have a field, in order, where the report has them.
const FIELDS: [&str; 9] = [
    "user_name",
    "device",
    "file_name",
    "product_name",
    "publisher",
    "management",
    "elevation_type",
    "outcome",
    "account_class",
];

/// A field of the form.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) value: String,
    /// The words to choose from; empty for a field to write in.
    pub(super) options: Vec<Choice>,
    pub(super) hint: &'static str,
}

/// A word to choose.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: String,
    pub(super) chosen: bool,
}

/// The form of a page.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) fields: Vec<Field>,
    pub(super) kept: Vec<String>,
}

/// An active filter and the address without it.
#[derive(Debug)]
pub(super) struct Chip {
    pub(super) name: String,
    pub(super) condition: String,
    pub(super) without: String,
}

/// The clean address of a sent form; None for an address that is none.
pub(super) fn sent(report: &Report, path: &str, pairs: &[(String, String)]) -> Option<Address> {
    if !pairs.iter().any(|(name, _)| name == SENT) {
        return None;
    }
    let mut address = Address::new(path);
    for (name, value) in pairs {
        let trimmed = value.trim();
        if name == KEPT {
            if let Some((name, value)) = value.split_once('=') {
                address = address.and(name, value);
            }
        } else if name != SENT && !trimmed.is_empty() {
            let column = column(report, name);
            address = address.and(name, &written(column, trimmed));
        }
    }
    Some(address)
}

/// What people mean when they write part of a name: anything that contains it.
fn written(column: Option<&ColumnInfo>, value: &str) -> String {
    let plain = !value.starts_with(['=', '!']) && !value.contains('*');
    match column {
        Some(column) if column.kind == ColumnKind::Text && plain => format!("*{value}*"),
        _ => value.to_owned(),
    }
}

/// The form that stands for an address.
pub(super) fn of(report: &Report, address: &Address) -> Form {
    let mut shown = Vec::new();
    let mut fields = vec![
        time_field("since", "From", address, &mut shown),
        time_field("until", "To, not included", address, &mut shown),
    ];
    for name in FIELDS {
        let fixed = report.fixed_filter.is_some_and(|(fixed, _)| fixed == name);
        if let (Some(column), false) = (column(report, name), fixed) {
            fields.push(column_field(column, address, &mut shown));
        }
    }
    let kept = address
        .pairs()
        .iter()
        .enumerate()
        .filter(|(index, (name, _))| !shown.contains(index) && name != "cursor")
        .map(|(_, (name, value))| format!("{name}={value}"))
        .collect();
    Form { fields, kept }
}

fn time_field(
    name: &'static str,
    title: &'static str,
    address: &Address,
    shown: &mut Vec<usize>,
) -> Field {
    Field {
        name,
        title,
        value: only_value(name, None, address, shown),
        options: Vec::new(),
        hint: "2026-11-23 or 30d",
    }
}

fn column_field(column: &ColumnInfo, address: &Address, shown: &mut Vec<usize>) -> Field {
    let value = only_value(column.name, Some(column), address, shown);
    let words = words(column.name);
    let mut options = Vec::new();
    if !words.is_empty() {
        options.push(Choice {
            value: String::new(),
            title: "Any".to_owned(),
            chosen: value.is_empty(),
        });
        let other =
            (!value.is_empty() && !words.contains(&value.as_str())).then_some(value.as_str());
        options.extend(words.iter().copied().chain(other).map(|word| Choice {
            value: word.to_owned(),
            title: match words.contains(&word) {
                true => wording::word(word),
                false => wording::condition(column, word),
            },
            chosen: word == value,
        }));
    }
    Field {
        name: column.name,
        title: column.title,
        value,
        options,
        hint: "part of it, or =all of it",
    }
}

/// The value of a name that is there once; one that is there several times, or asks for no value, has no field.
fn only_value(
    name: &str,
    column: Option<&ColumnInfo>,
    address: &Address,
    shown: &mut Vec<usize>,
) -> String {
    let mut found = address
        .pairs()
        .iter()
        .enumerate()
        .filter(|(_, (other, _))| other == name);
    match (found.next(), found.next()) {
        (Some((index, (_, value))), None) if !value.is_empty() => {
            shown.push(index);
            // An address says a plain name and means exactly it; in the field that would mean a part of it.
            let text = column.is_some_and(|column| column.kind == ColumnKind::Text);
            match text && !value.starts_with(['=', '!']) && !value.contains('*') {
                true => format!("={value}"),
                false => value.clone(),
            }
        }
        _ => String::new(),
    }
}

/// The words of a closed list, as the tables have them.
fn words(column: &str) -> &'static [&'static str] {
    match column {
        "management" => &["managed", "unmanaged"],
        "outcome" => &["elevated", "denied", "cancelled", "failed", "undecided"],
        "elevation_type" => &[
            "automatic",
            "user_confirmed",
            "current_user",
            "support_approved",
            "deny",
            "unmanaged",
            "undetermined",
        ],
        "account_class" => &["person", "service"],
        _ => &[],
    }
}

/// The active filters of an address, each with the address that it leaves behind.
pub(super) fn chips(report: &Report, address: &Address) -> Vec<Chip> {
    let pairs = address.pairs().iter().enumerate();
    pairs
        .filter(|(_, (name, _))| {
            !is_parameter(name) || matches!(name.as_str(), "since" | "until" | "as_of" | "columns")
        })
        .map(|(index, (name, value))| {
            let (name, condition) = match column(report, name) {
                Some(column) => (column.title.to_owned(), wording::condition(column, value)),
                None => {
                    let title = match name.as_str() {
                        "since" => "From",
                        "until" => "To",
                        "as_of" => "As of",
                        "columns" => "Columns",
                        other => other,
                    };
                    (title.to_owned(), crate::format::neutralised(value))
                }
            };
            Chip {
                name,
                condition,
                without: address
                    .clone()
                    .without_pair(index)
                    .without("cursor")
                    .to_string(),
            }
        })
        .collect()
}

fn column(report: &Report, name: &str) -> Option<&'static ColumnInfo> {
    report.columns.iter().find(|column| column.name == name)
}
