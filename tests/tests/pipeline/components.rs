//! Programs that are not ours and that only tests of the whole pipeline need.

use std::path::PathBuf;
use std::process::Command;

use epm_test_components::or_missing;

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
