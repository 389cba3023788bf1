//! Where an open file lies: its path as the kernel has it, who may change it or anything above it, and whether its bytes
//! come from another machine. Access control lists are not read: they may let more people write than is said here.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatFs, fstatfs};

const SET_UID: u32 = 0o4000;
const STICKY: u32 = 0o1000;

/// A user with every group that the user is in.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// User id.
    pub uid: u32,
    /// Group ids.
    pub gids: &'a [u32],
}

/// One part of a path, with who may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The path up to here.
    pub path: PathBuf,
    /// User id of the owner.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permissions, with set-user-id and the like.
    pub mode: u32,
}

/// A file system that an open file is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// The number by which the kernel knows its kind.
    pub magic: u64,
}

/// Where an open file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From the root folder to the file itself.
    pub parts: Vec<Part>,
    /// The file system.
    pub file_system: FileSystem,
}

impl FileSystem {
    /// File systems whose bytes another machine, or a program of some user, may change at any time.
    const FOREIGN: [(u64, &'static str); 10] = [
        (0x6969, "nfs"),
        (0x517b, "smb"),
        (0xff53_4d42, "cifs"),
        (0xfe53_4d42, "smb2"),
        (0x5346_414f, "afs"),
        (0x6b41_4653, "kafs"),
        (0x00c3_6400, "ceph"),
        (0x0102_1997, "9p"),
        (0x7375_7245, "coda"),
        // Whoever mounted it serves the bytes; most are sshfs and the like.
        (0x6573_5546, "fuse"),
    ];
    const LOCAL: [(u64, &'static str); 7] = [
        (0xef53, "ext"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x2fc1_2fc1, "zfs"),
        (0x0102_1994, "tmpfs"),
        (0x794c_7630, "overlay"),
        (0x7371_7368, "squashfs"),
    ];

    fn of(statistics: &StatFs) -> Self {
        // Kernels disagree about the sign and width of this number.
        let magic = statistics.f_type as u64 & 0xffff_ffff;
        Self { magic }
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let known = Self::FOREIGN.iter().chain(&Self::LOCAL);
        let mut known = known.filter(|(magic, _)| *magic == self.magic);
        known.next().map(|(_, name)| *name)
    }

    /// Whether its bytes come from elsewhere.
    #[must_use]
    pub fn is_network(self) -> bool {
        Self::FOREIGN.iter().any(|(magic, _)| *magic == self.magic)
    }
}

/// The path of an open file in its plainest form: absolute, without links and turns.
///
/// # Errors
///
/// Those of the system; `NotFound` where the file has no name any more, or another file has it.
pub fn path_of(file: &File, opened_as: &Path) -> io::Result<PathBuf> {
    let path = std::fs::canonicalize(opened_as)?;
    let (open, named) = (file.metadata()?, std::fs::metadata(&path)?);
    let same = (open.dev(), open.ino()) == (named.dev(), named.ino());
    same.then_some(path)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Place {
    /// Looks at every folder above `path`, which is [`path_of`] `file`.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn of(file: &File, path: &Path) -> io::Result<Self> {
        let mut parts = Vec::new();
        for folder in path.ancestors().skip(1) {
            parts.push(part(folder, &std::fs::symlink_metadata(folder)?));
        }
        parts.reverse();
        parts.push(part(path, &file.metadata()?));
        Ok(Self {
            parts,
            file_system: FileSystem::of(&fstatfs(file)?),
        })
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> Option<&Part> {
        self.parts.last()
    }

    /// The first part through which `account` could put other bytes under this path; none for what only others can
    /// change. Whoever owns something can make it writable, so an owner counts.
    #[must_use]
    pub fn changeable_by(&self, account: Account<'_>) -> Option<&Part> {
        let parts = self.parts.iter();
        let below = self.parts.iter().skip(1).map(Some).chain([None]);
        let mut pairs = parts.zip(below);
        let found = pairs.find(|(part, below)| part.lets(account, *below));
        found.map(|(part, _)| part)
    }

    /// The first part through which anybody but root could put other bytes under this path.
    #[must_use]
    pub fn changeable_by_others(&self) -> Option<&Part> {
        let below = self.parts.iter().skip(1).map(Some).chain([None]);
        let mut pairs = self.parts.iter().zip(below);
        let found = pairs.find(|(part, below)| {
            let kept = below.is_some_and(|below| part.mode & STICKY != 0 && below.uid == 0);
            !part.only_root_writes() && (part.uid != 0 || !kept)
        });
        found.map(|(part, _)| part)
    }
}

impl Part {
    fn lets(&self, account: Account<'_>, below: Option<&Self>) -> bool {
        if account.uid == 0 || account.uid == self.uid {
            return true;
        }
        let bits = match account.gids.contains(&self.gid) {
            true => self.mode & 0o020,
            false => self.mode & 0o002,
        };
        // In a sticky folder, as /tmp is, only the owner of what lies in it can replace it.
        let kept = below.is_some_and(|below| self.mode & STICKY != 0 && below.uid != account.uid);
        bits != 0 && !kept
    }

    /// Whether its permissions let nobody but root write to it.
    #[must_use]
    pub fn only_root_writes(&self) -> bool {
        let group = self.gid != 0 && self.mode & 0o020 != 0;
        self.uid == 0 && !group && self.mode & 0o002 == 0
    }

    /// Whether it runs as its owner, whoever starts it.
    #[must_use]
    pub fn is_set_uid(&self) -> bool {
        self.mode & SET_UID != 0
    }
}

fn part(path: &Path, metadata: &std::fs::Metadata) -> Part {
    Part {
        path: path.to_owned(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        mode: metadata.mode() & 0o7777,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(parts: &[(&str, u32, u32, u32)]) -> Place {
        let part = |(path, uid, gid, mode): &(&str, u32, u32, u32)| Part {
            path: PathBuf::from(path),
            uid: *uid,
            gid: *gid,
            mode: *mode,
        };
        Place {
            parts: parts.iter().map(part).collect(),
            file_system: FileSystem { magic: 0xef53 },
        }
    }

    fn by<'p>(place: &'p Place, uid: u32, gids: &[u32]) -> Option<&'p str> {
        let part = place.changeable_by(Account { uid, gids });
        part.and_then(|part| part.path.to_str())
    }

    #[test]
    fn a_file_is_as_safe_as_the_weakest_folder_above_it() {
        let parts = [
            ("/", 0, 0, 0o755),
            ("/opt", 0, 20, 0o775),
            ("/opt/a", 1000, 1000, 0o700),
        ];
        let place = place(&parts);
        assert_eq!(by(&place, 0, &[]), Some("/"), "root changes everything");
        assert_eq!(
            by(&place, 1000, &[]),
            Some("/opt/a"),
            "an owner can make it writable"
        );
        assert_eq!(by(&place, 1001, &[20]), Some("/opt"));
        assert_eq!(by(&place, 1001, &[30]), None);
    }

    #[test]
    fn a_sticky_folder_keeps_what_others_own() {
        let root = [
            ("/", 0, 0, 0o755),
            ("/tmp", 0, 0, 0o1777),
            ("/tmp/a", 0, 0, 0o755),
        ];
        assert_eq!(by(&place(&root), 1000, &[]), None);
        let plain = [
            ("/", 0, 0, 0o755),
            ("/tmp", 0, 0, 0o777),
            ("/tmp/a", 0, 0, 0o755),
        ];
        assert_eq!(by(&place(&plain), 1000, &[]), Some("/tmp"));
    }

    #[test]
    fn a_group_that_may_less_than_others_is_held_to_it() {
        let parts = [("/", 0, 0, 0o755), ("/a", 0, 50, 0o707)];
        assert_eq!(by(&place(&parts), 1000, &[50]), None);
        assert_eq!(by(&place(&parts), 1000, &[]), Some("/a"));
    }
}
