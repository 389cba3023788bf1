//! From a name to a file, by a way that nobody but root can change: every folder on it, and every link that is followed, is
//! root's alone. What is found so is still there when the kernel goes the same way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};
use rustix::io::Errno;

/// Links that the kernel follows in one path.
const MAX_LINKS: usize = 40;
/// Others than the owner may write.
const WRITABLE: u32 = 0o022;

/// A file, and whether its way is root's alone.
#[derive(Debug)]
pub struct Found {
    /// The file, not opened for reading.
    pub file: OwnedFd,
    /// Nobody but root can change the file or the way to it.
    pub fixed: bool,
}

/// Only owners may remove or rename what is in the folder.
const STICKY: u32 = 0o1000;

/// Whether only root can change what this is of.
fn is_roots(of: &Stat) -> bool {
    of.st_uid == 0 && of.st_mode & WRITABLE == 0
}

/// Whether only root can put something else in the place of `entry` in this folder.
fn keeps(folder: &Stat, entry: &Stat) -> bool {
    let guarded = folder.st_uid == 0 && folder.st_mode & STICKY != 0 && entry.st_uid == 0;
    is_roots(folder) || guarded
}

/// Goes from `base`, or from `root` where the path begins there.
///
/// # Errors
///
/// Those of the system, as the kernel would answer: in particular where there is no such file.
pub fn find(root: &OwnedFd, base: OwnedFd, path: &Path) -> io::Result<Found> {
    let mut left: VecDeque<Step> = steps(path);
    if left.is_empty() {
        return Err(Errno::NOENT.into());
    }
    let (mut at, mut fixed, mut links) = (base, true, 0);
    while let Some(step) = left.pop_front() {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let next = match &step {
            Step::Root => {
                at = root.try_clone()?;
                continue;
            }
            Step::Up => openat(&at, "..", flags | OFlags::DIRECTORY, Mode::empty())?,
            Step::Down(name) => openat(&at, name, flags, Mode::empty())?,
        };
        let of = fstat(&next)?;
        fixed &= matches!(step, Step::Up) || keeps(&fstat(&at)?, &of);
        match FileType::from_raw_mode(of.st_mode) {
            FileType::Symlink => {
                links += 1;
                // Links of the kernel's own lead where they please, for each process elsewhere.
                if links > MAX_LINKS || is_kernels(&next)? {
                    return Err(Errno::LOOP.into());
                }
                let to = readlinkat(&next, "", Vec::new())?.into_bytes();
                for step in steps(Path::new(&OsString::from_vec(to))).into_iter().rev() {
                    left.push_front(step);
                }
            }
            FileType::Directory => at = next,
            _ if left.is_empty() => {
                fixed &= is_roots(&of);
                return Ok(Found { file: next, fixed });
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Err(Errno::ACCESS.into())
}

enum Step {
    Root,
    Up,
    Down(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    let steps = path.components().filter_map(|part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    });
    let mut steps: VecDeque<_> = steps.collect();
    // What ends with a slash is a folder, and no program.
    if path.as_os_str().as_bytes().ends_with(b"/") {
        steps.push_back(Step::Down(OsString::from(".")));
    }
    steps
}

fn is_kernels(file: impl AsFd) -> io::Result<bool> {
    const PROC: u64 = 0x9fa0;
    Ok(rustix::fs::fstatfs(file)?.f_type as u64 & 0xffff_ffff == PROC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn folder(path: &Path) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).expect("a folder")
    }

    fn look(base: &Path, path: &str) -> io::Result<Found> {
        find(&folder(Path::new("/")), folder(base), Path::new(path))
    }

    fn id(file: &OwnedFd) -> (u64, u64) {
        let of = fstat(file).expect("it is open");
        (of.st_dev, of.st_ino)
    }

    #[test]
    fn the_way_to_a_program_of_the_system_is_fixed_through_links_too() {
        let there = look(Path::new("/"), "/bin/sh").expect("every system has one");
        assert!(there.fixed);
        let by_links = look(Path::new("/usr"), "bin/../bin/./sh").expect("the same");
        assert!(by_links.fixed);
        assert_eq!(id(&there.file), id(&by_links.file));
    }

    #[test]
    fn a_way_through_a_folder_that_others_may_write_is_not_fixed() {
        let own = tempfile::tempdir().expect("a folder");
        let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(own.path(), open).expect("it is ours");
        symlink("/bin/sh", own.path().join("link")).expect("a link");
        let found = look(own.path(), "link").expect("it leads there");
        assert!(!found.fixed, "the link could be turned");
        let sticky: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        fs::set_permissions(own.path(), sticky).expect("it is ours");
        if rustix::process::geteuid().is_root() {
            let kept = look(own.path(), "link").expect("it leads there");
            assert!(kept.fixed, "only its owner can take a link of root's away");
            let link = own.path().join("link");
            std::os::unix::fs::lchown(link, Some(1000), None).expect("it is ours");
            assert!(!look(own.path(), "link").expect("it leads there").fixed);
        }
        let direct = look(Path::new("/"), "/bin/sh").expect("it is there");
        assert_eq!(id(&found.file), id(&direct.file));
    }

    #[test]
    fn what_is_not_there_or_no_program_is_told_as_the_kernel_tells_it() {
        let of = |path: &str| {
            look(Path::new("/"), path)
                .expect_err("nothing")
                .raw_os_error()
        };
        assert_eq!(of("/no/such/file"), Some(libc::ENOENT));
        assert_eq!(of(""), Some(libc::ENOENT));
        assert_eq!(of("/bin/sh/x"), Some(libc::ENOTDIR));
        assert_eq!(of("/bin/sh/"), Some(libc::ENOTDIR));
        assert_eq!(of("/usr"), Some(libc::EACCES));
        assert_eq!(of("/proc/self/exe"), Some(libc::ELOOP));
        let own = tempfile::tempdir().expect("a folder");
        symlink("loop", own.path().join("loop")).expect("a link");
        let looped = look(own.path(), "loop").expect_err("endless");
        assert_eq!(looped.raw_os_error(), Some(libc::ELOOP));
    }
}
