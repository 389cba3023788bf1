//! Writes lines for a person to standard output. It must not decide what they say.

use std::io::Write as _;

/// One line. A reader that went away is not an error of a benchmark.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
