//! The crate asks nothing of the machine: every fact, time included, is passed in. Its own tests may.

use std::path::{Path, PathBuf};

/// What a program must name to read a disk, an environment or a clock, to wait, or to talk.
const MACHINE: [&str; 12] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::io",
    "SystemTime",
    "Instant",
    "File::",
    "async fn",
    "println!",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_file_of_the_crate_names_a_disk_a_clock_or_a_network() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 40, "the sources were found");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text
            .lines()
            .take_while(|line| !line.contains("#[cfg(test)]"));
        for line in lines.filter(|line| !line.trim_start().starts_with("//")) {
            let named = MACHINE.iter().find(|word| line.contains(**word));
            assert_eq!(named, None, "{}: {line}", file.display());
        }
    }
}
