//! Users and groups as the system knows them, through its own name service, so that users of a directory are found.

use std::ffi::{CStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// Room for the texts of one entry; a group with thousands of members needs more, and gets it.
const FIRST_ROOM: usize = 4 * 1024;
/// Where growing ends: a directory that needs more is broken.
const MOST_ROOM: usize = 4 * 1024 * 1024;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name to sign in with.
    pub name: String,
    /// Primary group.
    pub gid: u32,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

/// The user with this number; `None` where there is none.
///
/// # Errors
///
/// Where the name service fails.
pub fn account(uid: u32) -> io::Result<Option<Account>> {
    with_room(|room| {
        // SAFETY: all fields are numbers and pointers, for which zero is a value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: every pointer is to memory of this call that is as long as is said.
        let failed =
            unsafe { libc::getpwuid_r(uid, &mut entry, room.as_mut_ptr(), room.len(), &mut found) };
        if failed != 0 || found.is_null() {
            return (failed, None);
        }
        let account = Account {
            name: text(entry.pw_name).to_string_lossy().into_owned(),
            gid: entry.pw_gid,
            home: text(entry.pw_dir).into(),
            shell: text(entry.pw_shell).into(),
        };
        (0, Some(account))
    })
}

/// The name of a group; `None` where there is none.
///
/// # Errors
///
/// Where the name service fails.
pub fn group_name(gid: u32) -> io::Result<Option<String>> {
    with_room(|room| {
        // SAFETY: all fields are numbers and pointers, for which zero is a value.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        // SAFETY: every pointer is to memory of this call that is as long as is said.
        let failed =
            unsafe { libc::getgrgid_r(gid, &mut entry, room.as_mut_ptr(), room.len(), &mut found) };
        if failed != 0 || found.is_null() {
            return (failed, None);
        }
        (0, Some(text(entry.gr_name).to_string_lossy().into_owned()))
    })
}

fn with_room<T>(
    mut ask: impl FnMut(&mut [libc::c_char]) -> (i32, Option<T>),
) -> io::Result<Option<T>> {
    let mut room = vec![0; FIRST_ROOM];
    loop {
        match ask(&mut room) {
            (0, found) => return Ok(found),
            (libc::ERANGE, _) if room.len() < MOST_ROOM => room.resize(room.len() * 4, 0),
            // What the manual lists for "there is none".
            (libc::ENOENT | libc::ESRCH, _) => return Ok(None),
            (error, _) => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

fn text(pointer: *const libc::c_char) -> OsString {
    if pointer.is_null() {
        return OsString::new();
    }
    // SAFETY: the name service filled the entry, whose texts end with NUL and live in the room that is still borrowed.
    let text = unsafe { CStr::from_ptr(pointer) };
    OsString::from_vec(text.to_bytes().to_vec())
}
