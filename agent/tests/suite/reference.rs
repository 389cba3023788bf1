//! Where the reference records are: a folder beside the workspace that is no part of it.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Names another folder that holds the reference records.
const VARIABLE: &str = "EPM_REFERENCE_DATA";

/// The folder with `truth.jsonl` in it. Where there is none, says so in one line and gives nothing.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = env::var_os(VARIABLE).map_or(beside, PathBuf::from);
    if folder.join("truth.jsonl").is_file() {
        return Some(folder);
    }
    // Not eprintln: the harness would keep it from whoever reads a passing run.
    let _ = writeln!(
        std::io::stderr(),
        "NOT RUN: no reference records at {}; {VARIABLE} names another folder",
        folder.display()
    );
    None
}

/// The rows of `truth.jsonl` that count a file with this extension.
pub(crate) fn truth(folder: &Path, extension: &str) -> Vec<Value> {
    let rows = fs::read_to_string(folder.join("truth.jsonl")).expect("the truth is readable");
    rows.lines()
        .map(|row| serde_json::from_str::<Value>(row).expect("a truth row is JSON"))
        .filter(|row| {
            row["file"]
                .as_str()
                .is_some_and(|file| file.ends_with(extension))
        })
        .collect()
}
