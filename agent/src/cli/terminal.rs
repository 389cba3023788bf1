//! What people read: lines on standard output and error. The only file that prints.
//!
//! A reader that went away, as `head` does, is no failure.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// One line of a command's result.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// One line beside the result.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Why a command failed.
pub fn complain(failure: &super::failure::Failure) {
    note(failure);
}

/// `text` without what moves the cursor or turns the direction of writing, which would let a file's texts fake other lines.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    let moves = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{feff}')
    };
    if !text.contains(moves) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| match moves(c) {
        true => c.escape_unicode().collect::<String>(),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(escaped).collect())
}

/// Whether a person watches standard error.
#[must_use]
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}
