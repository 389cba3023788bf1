//! Event logs of Santa on macOS, as text and as JSON: programs that ran as root on behalf of a person.
//!
//! Santa records every program that starts. A process of root that no person started is the system's own and is passed
//! over; who started one is followed from parent to child. `sudo` and `su` themselves are the way to root, and what they
//! start is the elevation.

mod execution;
mod json;
mod lineage;
mod text;

use super::format::{Format, Reading};
use super::lines::Lines;
use super::objects::{Objects, first_object};

/// Santa's log file.
pub static TEXT: Format = Format {
    name: "a Santa log",
    recognises: |head| text::is_log(head.bytes()),
    reading: Reading::Pieces(|| Box::new(Lines::new(text::SantaLines::default()))),
};

/// Santa's log of JSON, an event a line.
pub static JSON: Format = Format {
    name: "a Santa log of JSON",
    recognises: |head| first_object(head).is_some_and(|object| json::is_event(&object)),
    reading: Reading::Pieces(|| Box::new(Objects::new(json::SantaObjects::default()))),
};

/// Why an event that starts no program is skipped.
const OTHER_ACTION: &str = "other_action";

/// Why a process of root that no person is behind is skipped.
const NO_PERSON: &str = "no_person";

#[cfg(test)]
mod tests;
