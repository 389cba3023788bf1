//! Programs that are not ours and that tests of several crates talk to. A test without its program says so in one line,
//! and fails where every program is required.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod broker;
mod certificates;
mod postgres;
mod sudo;

use std::io::Write as _;

pub use broker::{Broker, ForeignRecord, Secured};
pub use certificates::{Authority, Identity};
pub use postgres::Postgres;
pub use sudo::{Sudo, quiet_address};

/// Set to 1 where a missing program is a failure.
const REQUIRED: &str = "EPM_REQUIRE_COMPONENTS";

/// `found`, or one visible line where there is none.
///
/// # Panics
///
/// Where every component is required and this one is missing.
pub fn or_missing<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
        assert!(!required, "{REQUIRED}=1 and there is no {what}");
        // Written past the capture of passing tests, so that it is seen.
        let line = format!("NOT RUN: there is no {what}; scripts/test installs it\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}
