//! Which file a program's name means. It must never follow the caller's PATH: the caller chooses that.

use std::path::{Path, PathBuf};

/// Where a name without a slash is looked for, in this order.
pub const SEARCHED_FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The file that `program` means: itself where it has a slash, else the first of that name.
#[must_use]
pub fn find(program: &Path) -> Option<PathBuf> {
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        return Some(program.to_owned());
    }
    let mut found = SEARCHED_FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(program));
    found.find(|path| path.is_file())
}
