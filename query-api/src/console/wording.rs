//! Words of the tables as people read them, and filters as sentences. Changes no value.

use crate::format::neutralised;
use crate::{ColumnInfo, ColumnKind};

/// A word of a closed list without its underscores.
pub(super) fn word(value: &str) -> String {
    neutralised(value).replace('_', " ")
}

/// What a filter lets through, in words: `is chrome.exe`, `has no value`.
pub(super) fn condition(column: &ColumnInfo, value: &str) -> String {
    let (negated, rest) = match value.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let not = |yes: &'static str, no: &'static str| if negated { no } else { yes };
    if rest.is_empty() {
        return not("has no value", "has a value").to_owned();
    }
    let shown = |text: &str| match column.kind {
        ColumnKind::Word => word(text),
        _ => neutralised(text),
    };
    if matches!(
        column.kind,
        ColumnKind::Count | ColumnKind::Number | ColumnKind::Time | ColumnKind::Date
    ) && rest.starts_with(['<', '>'])
    {
        return format!("{}{}", not("", "not "), neutralised(rest));
    }
    if let Some(literal) = rest.strip_prefix('=') {
        return format!("{} {}", not("is", "is not"), shown(literal));
    }
    let inner = rest.trim_matches('*');
    let contains = rest.len() == inner.len() + 2 && rest.starts_with('*') && rest.ends_with('*');
    if contains && !inner.contains('*') {
        return format!("{} {}", not("contains", "does not contain"), shown(inner));
    }
    if rest.contains('*') {
        return format!("{} {}", not("matches", "does not match"), shown(rest));
    }
    format!("{} {}", not("is", "is not"), shown(rest))
}

#[cfg(test)]
mod tests {
    use super::condition;
    use crate::catalogue;

    #[test]
    fn a_filter_reads_as_what_it_does() {
        let column = |name: &str| {
            let report = catalogue::find("elevations").expect("is there");
            report
                .columns
                .iter()
                .find(|column| column.name == name)
                .expect("is a column")
        };
        for (name, value, text) in [
            ("file_name", "chrome.exe", "is chrome.exe"),
            ("file_name", "*chrome*", "contains chrome"),
            ("file_name", "chrome*", "matches chrome*"),
            ("file_name", "!chrome.exe", "is not chrome.exe"),
            ("file_name", "", "has no value"),
            ("file_name", "!", "has a value"),
            ("file_name", "=a*b", "is a*b"),
            ("elevation_type", "user_confirmed", "is user confirmed"),
            ("repeat_count", ">=3", ">=3"),
        ] {
            assert_eq!(condition(column(name), value), text, "{name}={value}");
        }
    }
}
