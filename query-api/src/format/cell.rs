//! One value as text, for CSV and for people. Must not lose a digit or shorten a text.

use arrow::array::{Array, AsArray as _};
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};
use jiff::{Timestamp, ToSpan as _};

use crate::ColumnKind;

/// The value of a row as text; empty where there is none. Times are RFC 3339 in UTC, lists are joined with `; `.
#[must_use]
pub fn text_of(kind: ColumnKind, column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match kind {
        ColumnKind::Text | ColumnKind::Word | ColumnKind::Id => {
            column.as_string::<i32>().value(row).to_owned()
        }
        ColumnKind::Count | ColumnKind::Number => {
            column.as_primitive::<Int64Type>().value(row).to_string()
        }
        ColumnKind::Time => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            Timestamp::from_microsecond(micros)
                .map_or_else(|_| micros.to_string(), |time| time.to_string())
        }
        ColumnKind::Date => {
            let days = column.as_primitive::<Date32Type>().value(row);
            let day = jiff::civil::Date::constant(1970, 1, 1).checked_add(days.days());
            day.map_or_else(|_| days.to_string(), |day| day.to_string())
        }
        ColumnKind::Flag => column.as_boolean().value(row).to_string(),
        ColumnKind::List => {
            let texts = column.as_list::<i32>().value(row);
            let texts = texts
                .as_string::<i32>()
                .iter()
                .flatten()
                .collect::<Vec<_>>();
            texts.join("; ")
        }
    }
}

/// Text with every control character and every character that changes the direction of text written out
/// (`\u{202e}`), so that it shows as what it is and does nothing.
#[must_use]
pub fn neutralised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            out.extend(character.escape_unicode())
        } else {
            out.push(character)
        }
    }
    out
}

/// Control characters, line and paragraph separators, and the marks that steer bidirectional text or hide in it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
