//! Doing something with files as a user would, on one thread of a process that is root. Where the kernel would refuse the
//! user, it refuses here; so the broker tells nobody what lies in folders that are closed to them.

use std::io;

/// Runs `work` with the file access of this user on this thread.
///
/// # Errors
///
/// Where the rights could not be taken on. `work` did not run then.
pub fn as_user<T>(uid: u32, gid: u32, groups: &[u32], work: impl FnOnce() -> T) -> io::Result<T> {
    let own = own_groups()?;
    let back = Back { groups: own };
    set_groups(groups)?;
    set_filesystem_ids(uid, gid)?;
    let done = work();
    drop(back);
    Ok(done)
}

/// Takes the thread back to root, also when `work` panics.
struct Back {
    groups: Vec<u32>,
}

impl Drop for Back {
    fn drop(&mut self) {
        // A thread that stays a user, or keeps a user's groups, would do the next user's work with the wrong rights.
        if set_filesystem_ids(0, 0).is_err() || set_groups(&self.groups).is_err() {
            std::process::abort();
        }
    }
}

fn own_groups() -> io::Result<Vec<u32>> {
    // SAFETY: with length 0 nothing is written.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).map_err(|_| io::Error::last_os_error())?];
    // SAFETY: the buffer has room for as many as is said.
    let count = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    Ok(groups)
}

/// Of this thread only: the wrapper in libc would set the groups of every thread.
fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer is to as many numbers as is said.
    let failed = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    match failed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Of this thread only, and the kernel takes away what root may do with files as long as the user id is not 0. These calls
/// do not say whether they worked, so the result is asked for.
fn set_filesystem_ids(uid: u32, gid: u32) -> io::Result<()> {
    let nobody = u32::MAX;
    // SAFETY: these calls take numbers only.
    let (group, user) = unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        (
            libc::syscall(libc::SYS_setfsgid, nobody),
            libc::syscall(libc::SYS_setfsuid, nobody),
        )
    };
    match group as u32 == gid && user as u32 == uid {
        true => Ok(()),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}
