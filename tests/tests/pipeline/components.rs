//! Programs that are not ours and that some tests need. A test without its program says so in one line, and fails
//! where every program is required.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// Set to 1 where a missing program is a failure.
const REQUIRED: &str = "EPM_REQUIRE_COMPONENTS";

/// Python with the two engines.
pub(crate) fn python() -> Option<PathBuf> {
    let python = std::env::var_os("EPM_TEST_PYTHON").map(PathBuf::from);
    let usable = python.filter(|python| {
        let imports = ["-c", "import deltalake, duckdb, pyarrow"];
        answers(python, &imports)
    });
    or_missing(
        usable,
        "Python with deltalake, pyarrow and duckdb (EPM_TEST_PYTHON)",
    )
}

/// A browser.
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("EPM_TEST_CHROMIUM").map(PathBuf::from);
    let chromium = named.unwrap_or_else(|| PathBuf::from("chromium"));
    let usable = answers(&chromium, &["--version"]).then_some(chromium);
    or_missing(usable, "chromium (EPM_TEST_CHROMIUM)")
}

fn answers(program: &PathBuf, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

fn or_missing(found: Option<PathBuf>, what: &str) -> Option<PathBuf> {
    if found.is_none() {
        let required = std::env::var_os(REQUIRED).is_some_and(|value| value == "1");
        assert!(!required, "{REQUIRED}=1 and there is no {what}");
        // Written past the capture of passing tests, so that it is seen.
        let line = format!("left out: there is no {what}; scripts/test installs it\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}
