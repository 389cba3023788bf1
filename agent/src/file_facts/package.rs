//! Which package a file came with, and whether it still is as the package brought it: what Linux has instead of signed
//! programs. It must not trust anything that a user can write: the databases are root's.

mod apt;
mod ask;
mod dpkg;
mod rpm;

use std::io;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::version::Version;

/// A program that installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the programs")]
pub enum PackageManager {
    Dpkg,
    Rpm,
}

impl PackageManager {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
        }
    }
}

/// The package that a file came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageOrigin {
    /// Who says so.
    pub manager: PackageManager,
    /// Name.
    pub name: String,
    /// Version, as the package manager writes it.
    pub version: String,
    /// The processor that it is for.
    pub architecture: String,
    /// Who distributes it, where the package says so.
    pub origin: Option<String>,
    /// Whether the file is as the package brought it; none where the package has no digest of it.
    pub unchanged: Option<bool>,
}

/// What a package says about one of its files.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    package: PackageOrigin,
    digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Digest {
    Md5(String),
    Sha256(String),
}

/// The package databases of a system.
#[derive(Clone, Debug)]
pub struct Packages {
    root: PathBuf,
    repositories: bool,
}

impl Default for Packages {
    /// Those of this system.
    fn default() -> Self {
        Self::below("/")
    }
}

impl Packages {
    /// Those of the system whose root folder is `root`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            repositories: false,
        }
    }

    /// Also asks apt's lists for the origin, where the package does not say it. That takes tenths of a second, so it is
    /// for people who look at a file, and for policies with a rule that names an origin.
    #[must_use]
    pub fn with_repositories(mut self) -> Self {
        self.repositories = true;
        self
    }

    /// The package that the file at `path` came with.
    ///
    /// # Errors
    ///
    /// Where a database cannot be read.
    pub(super) fn owner(&self, path: &Path) -> io::Result<Option<Owned>> {
        let Some(path) = path.to_str() else {
            return Ok(None);
        };
        match dpkg::owner(&self.root, path)? {
            Some(mut owned) => {
                if self.repositories && owned.package.origin.is_none() {
                    owned.package.origin = apt::origin(&self.root, &owned.package)?;
                }
                Ok(Some(owned))
            }
            None => rpm::owner(&self.root, path),
        }
    }
}

/// Files that every installation writes anew, and the folder that every update does.
const DATABASES: [&str; 5] = [
    "var/lib/dpkg/status",
    "var/lib/apt/lists",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
];

impl Packages {
    /// A value that changes with every installation; none of a database that is not there.
    pub(super) fn state(&self) -> Vec<Option<Version>> {
        let states = DATABASES.iter().map(|database| {
            let metadata = std::fs::metadata(self.root.join(database));
            metadata.ok().map(|metadata| Version::new(&metadata))
        });
        states.collect()
    }
}

impl Owned {
    pub(super) fn needs_md5(&self) -> bool {
        matches!(self.digest, Some(Digest::Md5(_)))
    }

    /// The package, now that the file was read.
    pub(super) fn compared(mut self, contents: &Contents) -> PackageOrigin {
        self.package.unchanged = match &self.digest {
            Some(Digest::Md5(digest)) => contents.md5.map(|md5| hex(&md5) == *digest),
            Some(Digest::Sha256(digest)) => Some(contents.sha256.to_string() == *digest),
            None => None,
        };
        self.package
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
