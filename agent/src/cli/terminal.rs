//! What people read: lines on standard output and error. The only file that prints.
//!
//! A reader that went away, as `head` does, is no failure.

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

/// Whether a person watches standard error.
#[must_use]
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}
