//! What dpkg's database says about a file. Read as it lies on the disk: the program would take longer to start than the
//! lists take to read. It must not write there.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{Digest, Owned, PackageManager, PackageOrigin};

const DATABASE: &str = "var/lib/dpkg";
/// Bytes of one package's list of files: kernel headers have two million.
const MAX_LIST_BYTES: u64 = 64 << 20;
/// Bytes of a line of the status file.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// Folders that moved below `usr`; lists may still name the old place.
const MERGED: [&str; 6] = ["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"];

/// A name under which the database may know the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    path: String,
    /// The only package that has this name, or the only one that has not.
    of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Any,
    Only(String),
    AllBut(String),
}

/// The package that owns `path`.
pub(super) fn owner(root: &Path, path: &str) -> io::Result<Option<Owned>> {
    let database = root.join(DATABASE);
    let lists = match fs::read_dir(database.join("info")) {
        Ok(lists) => lists,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let names = names(path, &text(&database.join("diversions"))?);
    let mut bytes = Vec::new();
    for list in lists {
        let list = list?.path();
        let Some(package) = list.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(package) = package.strip_suffix(".list") else {
            continue;
        };
        bytes.clear();
        let file = fs::File::open(&list)?;
        file.take(MAX_LIST_BYTES).read_to_end(&mut bytes)?;
        let short = package.split(':').next().unwrap_or(package);
        let named = names
            .iter()
            .find(|name| name.is_of(short) && has(&bytes, &name.path));
        if let Some(name) = named {
            return owned(&database, package, &name.path).map(Some);
        }
    }
    Ok(None)
}

impl Name {
    fn is_of(&self, package: &str) -> bool {
        match &self.of {
            Of::Any => true,
            Of::Only(only) => only == package,
            Of::AllBut(other) => other != package,
        }
    }
}

/// `path`, where it was before `usr` was merged, and what diversions make of both.
fn names(path: &str, diversions: &str) -> Vec<Name> {
    let mut paths = vec![path.to_owned()];
    let merged = |path: &str| MERGED.iter().any(|folder| path.starts_with(folder));
    match path.strip_prefix("/usr") {
        Some(old) if merged(old) => paths.push(old.to_owned()),
        None if merged(path) => paths.push(format!("/usr{path}")),
        _ => {}
    }
    let lines: Vec<&str> = diversions.lines().collect();
    let mut names = Vec::new();
    for path in paths {
        let mut of = Of::Any;
        for diversion in lines.chunks_exact(3) {
            let (from, to, by) = (diversion[0], diversion[1], diversion[2]);
            // A colon stands for the administrator, whose file belongs to no package.
            if from == path {
                of = Of::Only(by.to_owned());
            } else if to == path {
                names.push(Name {
                    path: from.to_owned(),
                    of: Of::AllBut(by.to_owned()),
                });
            }
        }
        names.push(Name { path, of });
    }
    names
}

fn has(list: &[u8], path: &str) -> bool {
    let path = path.as_bytes();
    list.split(|byte| *byte == b'\n').any(|line| line == path)
}

/// `package` may end in an architecture after a colon.
fn owned(database: &Path, package: &str, path: &str) -> io::Result<Owned> {
    let sums = text(&database.join(format!("info/{package}.md5sums")))?;
    let name = path.strip_prefix('/').unwrap_or(path);
    let mut sums = sums.lines().filter_map(|line| line.split_once("  "));
    let sum = sums
        .find(|(_, file)| *file == name)
        .map(|(sum, _)| sum.to_owned());
    let (name, architecture) = package.split_once(':').unwrap_or((package, ""));
    let entry = status(&database.join("status"), name, architecture, path)?;
    let sum = sum.or(entry.configuration_sum);
    Ok(Owned {
        package: PackageOrigin {
            manager: PackageManager::Dpkg,
            name: name.to_owned(),
            version: entry.version,
            architecture: entry.architecture,
            origin: entry.origin,
            unchanged: None,
        },
        digest: sum.map(|sum| Digest::Md5(sum.to_ascii_lowercase())),
    })
}

/// What the status file says about one package.
#[derive(Debug, Default)]
struct Entry {
    version: String,
    architecture: String,
    origin: Option<String>,
    /// The digest of the file, where it is for configuration.
    configuration_sum: Option<String>,
}

fn status(file: &Path, package: &str, architecture: &str, path: &str) -> io::Result<Entry> {
    let mut reader = match fs::File::open(file) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entry::default()),
        Err(error) => return Err(error),
    };
    let mut line = String::new();
    let (mut entry, mut is_it) = (Entry::default(), false);
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_line(&mut line)?;
        let text = line.trim_end_matches('\n');
        if read == 0 || text.is_empty() {
            let here = architecture.is_empty() || architecture == entry.architecture;
            if (is_it && here) || read == 0 {
                return Ok(entry);
            }
            (entry, is_it) = (Entry::default(), false);
        } else if let Some(file) = text.strip_prefix(' ') {
            let mut words = file.split(' ');
            if words.next() == Some(path) {
                entry.configuration_sum = words.next().map(str::to_owned);
            }
        } else if let Some((key, value)) = text.split_once(": ") {
            match key {
                "Package" => is_it = value == package,
                "Version" => value.clone_into(&mut entry.version),
                "Architecture" => value.clone_into(&mut entry.architecture),
                "Origin" => entry.origin = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

/// A text file of the database; empty where there is none.
fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match fs::File::open(path) {
        Ok(file) => file.take(MAX_LIST_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str, of: Of) -> Name {
        Name {
            path: path.to_owned(),
            of,
        }
    }

    #[test]
    fn a_path_is_looked_for_where_it_was_before_usr_was_merged() {
        let both = vec![name("/usr/bin/ls", Of::Any), name("/bin/ls", Of::Any)];
        assert_eq!(names("/usr/bin/ls", ""), both);
        assert_eq!(
            names("/usr/local/bin/ls", ""),
            [name("/usr/local/bin/ls", Of::Any)]
        );
    }

    #[test]
    fn a_diverted_file_belongs_to_whom_it_belonged_before() {
        let diversions = "/usr/share/a\n/usr/share/a.old\nnewcomer\n";
        let newcomer = || "newcomer".to_owned();
        assert_eq!(
            names("/usr/share/a", diversions),
            [name("/usr/share/a", Of::Only(newcomer()))]
        );
        let moved = [
            name("/usr/share/a", Of::AllBut(newcomer())),
            name("/usr/share/a.old", Of::Any),
        ];
        assert_eq!(names("/usr/share/a.old", diversions), moved);
    }
}
