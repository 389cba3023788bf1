//! Programs and files from elsewhere that a test needs. Without one a test says in a visible line that it did not run;
//! where they are required it fails.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const REQUIRED: &str = "EPM_REQUIRE_COMPONENTS";

/// What was looked for, where it was found; otherwise says so.
pub(crate) fn present<T>(found: Result<T, String>) -> Option<T> {
    let missing = match found {
        Ok(found) => return Some(found),
        Err(missing) => missing,
    };
    assert_ne!(
        std::env::var(REQUIRED).as_deref(),
        Ok("1"),
        "{missing}, and {REQUIRED} is set"
    );
    // Not eprintln: the harness would keep it from whoever reads a passing run.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {missing}");
    None
}

/// Whether a program of the system is installed.
pub(crate) fn program(name: &str) -> Result<(), String> {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/usr/local/bin"];
    let found = folders
        .iter()
        .any(|folder| Path::new(folder).join(name).exists());
    found
        .then_some(())
        .ok_or_else(|| format!("{name} is not installed"))
}

/// Runs a program that has to end well; what it wrote.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
