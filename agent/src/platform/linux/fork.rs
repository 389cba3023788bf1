//! Splitting a process in two. Only for processes with one thread: in the copy of any other, a lock may stay locked.

use std::io;

use rustix::process::Pid;

/// The new process's id, or `None` in the new process.
///
/// # Errors
///
/// Where there is more than one thread, or no room for a process.
pub fn fork() -> io::Result<Option<Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other(
            "a process with several threads cannot be split",
        ));
    }
    // SAFETY: this process has one thread, so nothing that the copy needs can be held by a thread that it does not have.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Pid::from_raw(pid)),
    }
}
