//! What SAP's Privileges on macOS reports: people who became administrators for a while, and who gave it back. It sends
//! objects to a webhook, lines to a syslog server, and writes the same words into the unified log.
//!
//! Becoming an administrator is the elevation, and the end of it its exit. Becoming one failed is a denial. What somebody
//! did as an administrator is not in these records.

mod change;
mod line;
mod message;
mod object;

use super::format::{Format, Head, Reading};
use super::lines::Lines;
use super::objects::{Objects, first_object};

/// Objects: those of the webhook, and the unified log as `log show --style ndjson` prints it.
pub static JSON: Format = Format {
    name: "SAP Privileges as JSON",
    recognises: |head| first_object(head).is_some_and(|object| object::is_one(&object)),
    reading: Reading::Pieces(|| Box::new(Objects::new(object::PrivilegesObjects::default()))),
};

/// Lines: those of a syslog server, of `log show`, and of the program's own history.
pub static TEXT: Format = Format {
    name: "SAP Privileges as text",
    recognises: is_all_privileges,
    reading: Reading::Pieces(|| Box::new(Lines::new(line::PrivilegesLines::default()))),
};

/// Why an entry of a log that is about something else is skipped.
const OTHER_ENTRY: &str = "other_entry";

/// Why giving rights back that nobody is known to have taken is skipped.
const NOTHING_TO_GIVE_BACK: &str = "nothing_to_give_back";

/// A log of many programs is for the reader of system logs; here every line is Privileges' own.
fn is_all_privileges(head: &Head<'_>) -> bool {
    let mut lines = head.lines().filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some() && lines.all(message::is_in)
}

#[cfg(test)]
mod tests;
