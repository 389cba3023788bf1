//! What people read: lines on standard output and error. The only file that prints.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the command line's own output"
)]

use std::fmt::Display;
use std::io::Write as _;

/// One line of a command's result.
pub fn say(line: impl Display) {
    println!("{line}");
}

/// One line beside the result.
pub fn note(line: impl Display) {
    eprintln!("{line}");
}

/// Why a command failed.
pub fn complain(failure: &crate::failure::Failure) {
    eprintln!("{failure}");
}

/// Replaces the last line beside the result, on a terminal.
pub fn refresh(line: impl Display) {
    eprint!("\r\x1b[K{line}");
    // A terminal that is gone is no reason to stop.
    let _ = std::io::stderr().flush();
}
