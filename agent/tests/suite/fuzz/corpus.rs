//! Where fuzzing begins: whole, valid inputs of each format. A seed belongs to the format that recognises it, so that a
//! new format needs no more than a file in `agent/tests/seeds`.

use std::fs;
use std::path::{Path, PathBuf};

use epm_agent::sources::FORMATS;
use epm_agent::sources::format::{Format, Head};

use super::event_log;
use crate::reference;
use crate::tenant::zip_of;

/// Largest reference file that is taken as a seed.
const LARGEST_BYTES: u64 = 2 << 20;
/// Reference files of one format: enough for its shapes.
const REFERENCE_FILES: usize = 24;

/// The seeds that stand in the project, with their names.
pub(crate) fn own() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    let mut seeds = Vec::new();
    for path in files_below(&folder) {
        let name = path.file_name().expect("a file has a name");
        let bytes = fs::read(&path).expect("a seed is readable");
        seeds.push((name.to_string_lossy().into_owned(), bytes));
    }
    for (name, bytes) in seeds.clone() {
        if name.starts_with("intune-elevations") {
            seeds.push((format!("{name}.zip"), zip_of(&name, &bytes)));
        }
    }
    seeds.push((
        "a log with a template".to_owned(),
        event_log::with_template(),
    ));
    seeds.push(("a log without templates".to_owned(), event_log::plain()));
    seeds
}

/// The format of a file that begins like `bytes`.
pub(crate) fn format_of(bytes: &[u8]) -> Option<&'static Format> {
    let head = Head::new(&bytes[..bytes.len().min(epm_agent::import::HEAD_BYTES)]);
    FORMATS
        .iter()
        .copied()
        .find(|format| (format.recognises)(&head))
}

/// Our own seeds of `format`.
pub(crate) fn own_of(format: &Format) -> Vec<Vec<u8>> {
    own()
        .into_iter()
        .filter(|(_, bytes)| format_of(bytes) == Some(format))
        .map(|(_, bytes)| bytes)
        .collect()
}

/// All seeds of `format`: our own, and reference files where there are some.
pub(crate) fn of(format: &Format) -> Vec<Vec<u8>> {
    let mut seeds = own_of(format);
    let Some(folder) = reference::folder() else {
        return seeds;
    };
    let is_small =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() <= LARGEST_BYTES);
    let files = files_below(&folder).into_iter().filter(is_small);
    let theirs = files
        .filter_map(|path| fs::read(path).ok())
        .filter(|bytes| format_of(bytes) == Some(format));
    seeds.extend(theirs.take(REFERENCE_FILES));
    seeds
}

// In the order of their names, so that a number makes the same input everywhere.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let below = paths.into_iter().map(|path| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    });
    below.flatten().collect()
}
