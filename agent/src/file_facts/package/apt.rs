//! From which repository a package of this version comes, as apt verified its lists: dpkg's own database does not say so
//! for packages of Debian. It must not be asked where no rule wants to know, for it reads every list.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::Path;
use std::process::Command;

use super::PackageOrigin;
use super::ask::{Answer, ask};

/// Reads lists however they are packed.
const PROGRAM: &str = "usr/lib/apt/apt-helper";
const LISTS: &str = "var/lib/apt/lists";
/// Lines at the head of a release file, before its digests.
const HEAD_LINES: usize = 40;

/// The origin that every repository with this version of the package names; none where they differ or there is none.
pub(super) fn origin(root: &Path, package: &PackageOrigin) -> io::Result<Option<String>> {
    let (program, lists) = (root.join(PROGRAM), root.join(LISTS));
    if !program.exists() || !lists.is_dir() {
        return Ok(None);
    }
    let mut found: Option<String> = None;
    for list in fs::read_dir(&lists)? {
        let list = list?.path();
        let Some((prefix, _)) = list.to_str().and_then(|list| list.split_once("_Packages")) else {
            continue;
        };
        let Some(origin) = release_origin(prefix)? else {
            continue;
        };
        if found.as_ref() == Some(&origin) {
            continue;
        }
        let mut command = Command::new(&program);
        command.arg("cat-file").arg(&list);
        let package = package.clone();
        if ask(command, move |answer| lists_package(answer, &package))? == Some(true) {
            if found.is_some() {
                return Ok(None);
            }
            found = Some(origin);
        }
    }
    Ok(found)
}

/// Whether a list of packages has this one in this version.
fn lists_package(mut list: Answer, package: &PackageOrigin) -> io::Result<bool> {
    let wanted = [
        format!("Package: {}\n", package.name),
        format!("Version: {}\n", package.version),
        format!("Architecture: {}\n", package.architecture),
    ];
    let (mut line, mut met, mut found) = (Vec::new(), 0, false);
    loop {
        line.clear();
        if list.read_until(b'\n', &mut line)? == 0 {
            return Ok(found || met == wanted.len());
        }
        if line == b"\n" {
            found |= met == wanted.len();
            met = 0;
        } else if wanted.iter().any(|wanted| wanted.as_bytes() == line) {
            met += 1;
        }
    }
}

/// The origin of the repository that the list with this name belongs to. Names of components have underscores too.
fn release_origin(list: &str) -> io::Result<Option<String>> {
    let mut prefix = list;
    while let Some((shorter, _)) = prefix.rsplit_once('_') {
        prefix = shorter;
        for end in ["_InRelease", "_Release"] {
            let release = format!("{prefix}{end}");
            match fs::File::open(&release) {
                Ok(file) => return head(io::BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}

fn head(release: io::BufReader<fs::File>) -> io::Result<Option<String>> {
    for line in release.lines().take(HEAD_LINES) {
        if let Some(origin) = line?.strip_prefix("Origin: ") {
            return Ok(Some(origin.trim().to_owned()));
        }
    }
    Ok(None)
}
