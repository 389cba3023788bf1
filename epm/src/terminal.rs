//! What people read: lines on standard output and error. The only file that prints.
//!
//! A reader that went away is no reason to stop a server, so what cannot be written is dropped.

use std::fmt::Display;
use std::io::Write as _;

/// One line of a command's result.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One line beside the result.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Why a command failed.
pub fn complain(failure: &crate::failure::Failure) {
    note(failure);
}

/// Replaces the last line beside the result, on a terminal.
pub fn refresh(line: impl Display) {
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
}
