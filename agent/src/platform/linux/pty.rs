//! A terminal of a program's own: what runs elevated never holds the terminal of whoever asked, and so cannot type into
//! it.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// Both ends of a terminal.
#[derive(Debug)]
pub struct Pty {
    /// The end that a person sits at.
    pub outer: OwnedFd,
    /// The end that the program has.
    pub inner: OwnedFd,
}

impl Pty {
    /// A terminal with the settings and size of `like`, whose inner end belongs to `owner`.
    ///
    /// # Errors
    ///
    /// Where the system has no terminal left.
    pub fn like(like: &OwnedFd, owner: u32) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let outer = rustix::fs::open("/dev/ptmx", flags, Mode::empty())?;
        let unlocked: libc::c_int = 0;
        // SAFETY: this request reads one number. The other takes flags and makes a descriptor, without looking up a name
        // that could be another terminal's by then.
        let inner = unsafe {
            if libc::ioctl(outer.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) != 0 {
                return Err(io::Error::last_os_error());
            }
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            match libc::ioctl(outer.as_raw_fd(), libc::TIOCGPTPEER, flags) {
                -1 => return Err(io::Error::last_os_error()),
                descriptor => OwnedFd::from_raw_fd(descriptor),
            }
        };
        let owner = rustix::fs::Uid::from_raw(owner);
        rustix::fs::fchown(&inner, Some(owner), None)?;
        // A terminal that hung up has neither; the program then starts with what a new one has.
        if let Ok(settings) = tcgetattr(like) {
            tcsetattr(&inner, OptionalActions::Now, &settings)?;
        }
        if let Ok(size) = tcgetwinsize(like) {
            tcsetwinsize(&inner, size)?;
        }
        Ok(Self { outer, inner })
    }

    /// Makes the inner end the terminal of this session, of which the process is the leader.
    ///
    /// # Errors
    ///
    /// Where it leads none, or has a terminal.
    pub fn take_session(&self) -> io::Result<()> {
        rustix::process::ioctl_tiocsctty(&self.inner).map_err(Into::into)
    }
}
