//! Who is at the other end of a socket, as the kernel wrote it down when the connection was made. Nothing is looked up by
//! process id: a process that went away must not be taken for another, or for root (CVE-2021-3560).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Not in libc yet: descriptor of the peer's process, since Linux 6.5.
const SO_PEERPIDFD: libc::c_int = 77;
/// The kernel's own limit of groups of a process.
const MAX_GROUPS: usize = 65_536;

/// The process that made a connection.
#[derive(Debug)]
pub struct Peer {
    /// Process id, valid while [`Peer::is_alive`].
    pub pid: i32,
    /// Effective user id when the connection was made.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    process: OwnedFd,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// Where anything is not known: then nobody may be served.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let mut credentials = [0i32; 3];
        option(&socket, libc::SO_PEERCRED, &mut credentials)?;
        let [pid, uid, gid] = credentials;
        let mut groups = vec![0u32; 64];
        let count = loop {
            match option(&socket, libc::SO_PEERGROUPS, &mut groups) {
                Ok(bytes) => break bytes / size_of::<u32>(),
                Err(error)
                    if error.raw_os_error() == Some(libc::ERANGE) && groups.len() < MAX_GROUPS =>
                {
                    groups.resize(groups.len() * 4, 0);
                }
                Err(error) => return Err(error),
            }
        };
        groups.truncate(count);
        let mut process = [-1i32];
        option(&socket, SO_PEERPIDFD, &mut process)?;
        if pid <= 0 || process[0] < 0 {
            return Err(io::Error::other("the kernel does not name the peer"));
        }
        // SAFETY: the kernel just made this descriptor for us.
        let process = unsafe { OwnedFd::from_raw_fd(process[0]) };
        Ok(Self {
            pid,
            uid: uid as u32,
            gid: gid as u32,
            groups,
            process,
        })
    }

    /// Whether the process lives: what was read by its id before is then about it and no other.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut ended, Some(&now)), Ok(0))
    }
}

/// Fills `value`; how many bytes the kernel wrote.
fn option<T: Copy>(socket: &impl AsFd, name: libc::c_int, value: &mut [T]) -> io::Result<usize> {
    let mut length = size_of_val(value) as libc::socklen_t;
    // SAFETY: the pointer is to `length` bytes of plain numbers, and the kernel writes no more than that.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            value.as_mut_ptr().cast(),
            &mut length,
        )
    };
    match failed {
        0 => Ok(length as usize),
        _ => Err(io::Error::last_os_error()),
    }
}
