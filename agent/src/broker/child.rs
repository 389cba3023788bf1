//! What a confined program starts, as the process that stands over it sees it: it finds the file as the kernel will find
//! it, asks the agent, and answers the kernel. Where the agent is gone, nothing more is started.
//!
//! It must not decide.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use super::fixed_path::{Found, find};
use super::limits::{CHILD_TIMEOUT, MAX_ARGUMENTS, MAX_MESSAGE_BYTES};
use super::wire::{self, Fields, Inbox, Reader, WireError};
use crate::platform::linux::caller::sees_what_we_see;
use crate::platform::linux::seccomp::{Base, Question, Questions};

/// Bytes of a path that the kernel takes, its end included.
const MAX_PATH_BYTES: usize = 4096;
const ASK: u8 = 1;
const ALLOWED: u8 = 1;
/// Somebody may execute it.
const EXECUTABLE: u32 = 0o111;

/// A process that comes of an elevated program wants to become a program. Its descriptor: the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildAsk {
    /// Number of the process.
    pub pid: i32,
    /// Number of the elevated program that it comes of.
    pub program: i32,
    /// Nobody but root can change the file or the way to it.
    pub fixed: bool,
    /// Name and arguments; none where they cannot be read.
    pub arguments: Option<Vec<Vec<u8>>>,
}

impl ChildAsk {
    /// The message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Fields::new(ASK)
            .number(u64::from(self.pid.unsigned_abs()))
            .number(u64::from(self.program.unsigned_abs()))
            .byte(u8::from(self.fixed))
            .byte(u8::from(self.arguments.is_some()))
            .list(self.arguments.as_deref().unwrap_or_default())
            .done()
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        if fields.byte()? != ASK {
            return Err(WireError::Value);
        }
        let (pid, program) = (fields.small()?, fields.small()?);
        let (fixed, known) = (fields.flag()?, fields.flag()?);
        let arguments = fields.list(MAX_ARGUMENTS)?;
        fields.end()?;
        if !known && !arguments.is_empty() {
            return Err(WireError::Value);
        }
        Ok(Self {
            pid,
            program,
            fixed,
            arguments: known.then_some(arguments),
        })
    }
}

/// The agent's answer.
#[must_use]
pub fn answer(allowed: bool) -> Vec<u8> {
    vec![match allowed {
        true => ALLOWED,
        false => 0,
    }]
}

/// The questions of a confined program, and the way to whoever decides.
pub(super) struct Confined<'a> {
    pub(super) program: Pid,
    pub(super) questions: Questions,
    pub(super) agent: &'a OwnedFd,
}

impl Confined<'_> {
    /// Answers the next question, where there is one.
    ///
    /// # Errors
    ///
    /// Where nobody is left who could ask.
    pub(super) fn serve(&self) -> io::Result<()> {
        let Some(question) = self.questions.next()? else {
            return Ok(());
        };
        let answer = self.judge(&question);
        self.questions.answer(&question, answer);
        Ok(())
    }

    /// The same, while the program has not begun: what this process itself became in the new process may go on.
    pub(super) fn serve_start(&self) -> io::Result<()> {
        let Some(question) = self.questions.next()? else {
            return Ok(());
        };
        let id = |path: &str| std::fs::metadata(path).map(|of| (of.dev(), of.ino())).ok();
        let asks = id(&format!("/proc/{}/exe", question.thread));
        let answer = match asks.is_some() && asks == id("/proc/self/exe") {
            true => Ok(()),
            false => self.judge(&question),
        };
        self.questions.answer(&question, answer);
        Ok(())
    }

    fn judge(&self, question: &Question) -> Result<(), i32> {
        let number = |error: io::Error| error.raw_os_error().unwrap_or(libc::EACCES);
        let pid = process_of(question.thread).ok_or(libc::EACCES)?;
        sees_what_we_see(pid).map_err(|_| libc::EACCES)?;
        let memory = File::open(format!("/proc/{}/mem", question.thread)).map_err(number)?;
        let path = text(&memory, question.path, MAX_PATH_BYTES).ok_or(libc::EFAULT)?;
        let found = self.find(pid, question, &path).map_err(number)?;
        let mode = rustix::fs::fstat(&found.file)
            .map_err(|_| libc::EACCES)?
            .st_mode;
        let regular = rustix::fs::FileType::from_raw_mode(mode).is_file();
        if !regular || mode & EXECUTABLE == 0 {
            return Err(libc::EACCES);
        }
        let ask = ChildAsk {
            pid,
            program: self.program.as_raw_pid(),
            fixed: found.fixed,
            arguments: texts(&memory, question.arguments),
        };
        // Whatever was read by number is the process's own only if it still waits.
        if !self.questions.still_waits(question) {
            return Err(libc::EACCES);
        }
        let asked = wire::send(self.agent, &ask.encode(), &[found.file.as_fd()]);
        asked.map_err(|_| libc::EACCES)?;
        let deadline = Instant::now() + CHILD_TIMEOUT;
        match Inbox::default().wait(self.agent, Some(deadline)).as_deref() {
            Ok([ALLOWED]) => Ok(()),
            _ => Err(libc::EACCES),
        }
    }

    fn find(&self, pid: i32, question: &Question, path: &[u8]) -> io::Result<Found> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let open = |name: String| rustix::fs::open(name, flags, Mode::empty());
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let itself = match question.base {
            Base::Itself(descriptor) if path.as_os_str().is_empty() => {
                Some(open(format!("/proc/{pid}/fd/{descriptor}"))?)
            }
            // Programs that start themselves once more name this.
            _ if path == Path::new("/proc/self/exe") => Some(open(format!("/proc/{pid}/exe"))?),
            _ => None,
        };
        if let Some(file) = itself {
            let of = rustix::fs::fstat(&file)?;
            let fixed = of.st_uid == 0 && of.st_mode & 0o022 == 0;
            return Ok(Found { file, fixed });
        }
        let base = match question.base {
            Base::Folder => open(format!("/proc/{pid}/cwd"))?,
            Base::Descriptor(number) | Base::Itself(number) => {
                open(format!("/proc/{pid}/fd/{number}"))?
            }
        };
        find(&open("/".to_owned())?, base, path)
    }
}

/// The process that a thread belongs to.
fn process_of(thread: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}

/// A text in a process's memory, without its end; `None` where it does not end within `most` bytes.
fn text(memory: &File, at: u64, most: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut part = [0; 256];
    while text.len() < most {
        let from = at.checked_add(text.len() as u64)?;
        // Up to the end of a page: what follows may not be there.
        let room = 4096 - (from % 4096) as usize;
        let want = part.len().min(room).min(most - text.len());
        let read = memory
            .read_at(&mut part[..want], from)
            .ok()
            .filter(|read| *read > 0)?;
        match part[..read].iter().position(|byte| *byte == 0) {
            Some(end) => {
                text.extend_from_slice(&part[..end]);
                return Some(text);
            }
            None => text.extend_from_slice(&part[..read]),
        }
    }
    None
}

/// A list of texts; `None` where it is not readable or larger than a message.
fn texts(memory: &File, at: u64) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    let mut left = MAX_MESSAGE_BYTES / 2;
    for number in 0..MAX_ARGUMENTS as u64 {
        let mut pointer = [0; 8];
        memory
            .read_exact_at(&mut pointer, at.checked_add(number * 8)?)
            .ok()?;
        match u64::from_ne_bytes(pointer) {
            0 => return Some(texts),
            pointer => {
                let text = text(memory, pointer, left)?;
                left = left.checked_sub(text.len() + 8)?;
                texts.push(text);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_back() {
        for arguments in [None, Some(vec![b"id".to_vec(), b"-u".to_vec()])] {
            let ask = ChildAsk {
                pid: 17,
                program: 16,
                fixed: true,
                arguments,
            };
            assert_eq!(ChildAsk::decode(&ask.encode()), Ok(ask));
        }
    }

    #[test]
    fn texts_are_read_from_memory_and_never_beyond_what_is_there() {
        let memory = File::open("/proc/self/mem").expect("its own");
        let held = b"some text\0".to_vec();
        let at = held.as_ptr() as u64;
        assert_eq!(text(&memory, at, 100).as_deref(), Some(&held[..9]));
        assert_eq!(text(&memory, at, 5), None, "it does not end");
        assert_eq!(text(&memory, 8, 100), None, "nothing is there");
        let pointers = [at, at + 5, 0];
        let list = texts(&memory, pointers.as_ptr() as u64).expect("it ends");
        assert_eq!(list, [b"some text".to_vec(), b"text".to_vec()]);
        let endless = [at, 8];
        assert_eq!(texts(&memory, endless.as_ptr() as u64), None);
    }
}
