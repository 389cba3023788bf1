//! The person's terminal: made transparent while the program runs in its own, and put back in every case that this
//! process lives to see.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// The terminal that controls this process.
#[derive(Debug)]
pub(super) struct Terminal {
    descriptor: OwnedFd,
    /// As it was, while it is transparent.
    before: Option<Termios>,
}

impl Terminal {
    /// The terminal of this session; none where it has none.
    pub(super) fn open() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
        let descriptor = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        Some(Self {
            descriptor,
            before: None,
        })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Whether this process is in the foreground.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.descriptor).is_ok_and(|group| group == rustix::process::getpgrp())
    }

    /// Whether what is typed goes through as it is.
    pub(super) fn is_transparent(&self) -> bool {
        self.before.is_some()
    }

    /// Everything that is typed goes through, and nothing is shown here: the program's own terminal does both.
    pub(super) fn make_transparent(&mut self) -> io::Result<()> {
        if self.before.is_some() || !self.is_ours() {
            return Ok(());
        }
        let before = tcgetattr(&self.descriptor)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&self.descriptor, OptionalActions::Drain, &raw)?;
        self.before = Some(before);
        Ok(())
    }

    /// As it was.
    pub(super) fn put_back(&mut self) {
        if let Some(before) = self.before.take() {
            let _ = tcsetattr(&self.descriptor, OptionalActions::Drain, &before);
        }
    }

    /// The program's terminal gets the size of this one.
    pub(super) fn pass_on_size(&self, to: &OwnedFd) {
        if let Ok(size) = tcgetwinsize(&self.descriptor) {
            let _ = tcsetwinsize(to, size);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.put_back();
    }
}
