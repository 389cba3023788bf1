//! A person at a terminal: sees what is written there and types.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use epm_agent::platform::linux::pty::Pty;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{Winsize, tcsetwinsize};

/// What is waited for comes at once; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program that has it.
pub(crate) struct Terminal {
    outer: File,
    seen: String,
    program: Child,
}

impl Terminal {
    /// Runs `command` in a session of its own on a new terminal of that owner.
    pub(crate) fn run(command: &Command, owner: u32) -> Self {
        let nothing = OwnedFd::from(File::open("/dev/null").expect("every system has it"));
        let pty = Pty::like(&nothing, owner).expect("a terminal");
        let stream = || Stdio::from(pty.inner.try_clone().expect("a descriptor"));
        let mut session = Command::new("setsid");
        session
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(command.get_current_dir().expect("it was given"))
            .stdin(stream())
            .stdout(stream())
            .stderr(stream());
        for (name, value) in command.get_envs() {
            session.env(name, value.expect("none is removed"));
        }
        Self {
            program: session.spawn().expect("setsid"),
            outer: File::from(pty.outer),
            seen: String::new(),
        }
    }

    /// Types.
    pub(crate) fn types(&mut self, text: &str) {
        self.outer.write_all(text.as_bytes()).expect("it takes it");
    }

    /// Makes the window another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.outer, size).expect("it has a size");
    }

    /// Waits until this is seen, and forgets all up to it; what stood before it.
    pub(crate) fn sees(&mut self, words: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some((before, after)) = self.seen.split_once(words) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.seen = after;
                return before;
            }
            assert!(self.read(end), "{words:?} is not in {:?}", self.seen);
        }
    }

    /// Reads on; false at the end or when the time is over.
    fn read(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut ready = [PollFd::from_borrowed_fd(self.outer.as_fd(), PollFlags::IN)];
        if poll(&mut ready, Some(&left)).expect("it can wait") == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.outer.read(&mut buffer) {
            // A terminal that nobody holds any more says so by an error.
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen
                    .push_str(&String::from_utf8_lossy(&buffer[..count]));
                true
            }
        }
    }

    /// All that is written until the program ends, and how it ends.
    pub(crate) fn ends(mut self) -> (String, ExitStatus) {
        let end = Instant::now() + PATIENCE;
        while self.read(end) {}
        if Instant::now() >= end {
            let _ = self.program.kill();
            panic!("it does not end: {:?}", self.seen);
        }
        let status = self.program.wait().expect("it ended");
        (self.seen, status)
    }

    /// Goes away, as a window that is closed.
    pub(crate) fn hangs_up(self) -> Child {
        self.program
    }
}
