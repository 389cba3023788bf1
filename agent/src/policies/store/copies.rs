//! A small content in two files, so that damage to one is no loss. What the content means is not known here.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::Finding;
use crate::disk::{Disk, replace};

const SECOND_SUFFIX: &str = "second";
const SET_ASIDE_SUFFIX: &str = "quarantine";

/// Two files with the same content.
#[derive(Debug)]
pub(super) struct Copies {
    folder: PathBuf,
    paths: [PathBuf; 2],
    most_bytes: usize,
}

impl Copies {
    pub(super) fn of(folder: &Path, name: &str, most_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            paths: [
                folder.join(name),
                folder.join(format!("{name}-{SECOND_SUFFIX}")),
            ],
            most_bytes,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The copies that are there, the first first. One that is longer than it can be is cut one byte after that: enough
    /// to see that it is damaged, whatever it holds.
    pub(super) fn read(&self, findings: &mut Vec<Finding>) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for path in &self.paths {
            match read_at_most(path, self.most_bytes + 1) {
                Ok(bytes) => found.push((path.clone(), bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => findings.push(Finding::Disk {
                    path: path.clone(),
                    source,
                }),
            }
        }
        found
    }

    /// Writes both, one after the other: at each moment one of them is whole.
    pub(super) fn write(&self, disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
        let [first, second] = &self.paths;
        replace(disk, first, bytes)?;
        replace(disk, second, bytes)
    }

    /// Writes those that differ. Where that fails, the next start tries again.
    pub(super) fn heal(&self, disk: &dyn Disk, bytes: &[u8], findings: &mut Vec<Finding>) {
        for path in &self.paths {
            let same = read_at_most(path, bytes.len() + 1).is_ok_and(|held| held == bytes);
            if !same && let Err(source) = replace(disk, path, bytes) {
                findings.push(Finding::Disk {
                    path: path.clone(),
                    source,
                });
            }
        }
    }
}

/// Keeps a damaged file for an investigation. One of each copy: the last.
pub(super) fn set_aside(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.rename(path, &path.with_extension(SET_ASIDE_SUFFIX))
}

fn read_at_most(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    File::open(path)?
        .take(bytes as u64)
        .read_to_end(&mut read)?;
    Ok(read)
}
