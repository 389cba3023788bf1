//! Being asked by the kernel before a confined process, or any process that comes of it, becomes another program. The
//! process cannot take the confinement off, and whatever it starts has it too.
//!
//! It must not decide: it says which process asks for what, and carries an answer.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Instruction codes of the kernel's filter language: load a word, compare, compare bits, return.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;
/// Where the number of the call and the architecture are in what a filter sees.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ALLOW: u32 = 0x7fff_0000;
const ERROR: u32 = 0x0005_0000;
/// Calls of the 32-bit form of the 64-bit architecture have this bit.
const X32: u32 = 0x4000_0000;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// The kernel's question of a confined process.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    id: u64,
    /// The thread that asks, by its number here; 0 where it lives among other processes.
    pub thread: i32,
    /// Where the path is.
    pub base: Base,
    /// Address of the path in the process's memory.
    pub path: u64,
    /// Address of its arguments.
    pub arguments: u64,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// In the working folder of the process.
    Folder,
    /// At one of its descriptors.
    Descriptor(i32),
    /// It is that descriptor.
    Itself(i32),
}

/// The kernel's questions.
#[derive(Debug)]
pub struct Questions(OwnedFd);

/// Confines this process: from now on it asks before it becomes another program. Programs for another architecture than
/// this one's cannot run, because their calls have other numbers.
///
/// # Errors
///
/// Where the kernel cannot ask: then nothing may be started.
pub fn confine() -> io::Result<OwnedFd> {
    let instruction = |code, yes, no, value| libc::sock_filter {
        code,
        jt: yes,
        jf: no,
        k: value,
    };
    let mut filter = [
        instruction(LOAD, 0, 0, ARCHITECTURE_AT),
        instruction(IF_EQUAL, 0, 4, ARCHITECTURE),
        instruction(LOAD, 0, 0, NUMBER_AT),
        instruction(IF_BITS, 2, 0, X32),
        instruction(IF_EQUAL, 2, 0, libc::SYS_execve as u32),
        instruction(IF_EQUAL, 1, 2, libc::SYS_execveat as u32),
        instruction(RETURN, 0, 0, ERROR | libc::ENOSYS as u32),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        instruction(RETURN, 0, 0, ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let with = |flags: libc::c_ulong| {
        // SAFETY: the kernel reads the filter, which is as long as is said.
        unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &program,
            )
        }
    };
    // A process that is being asked about is not woken by every signal, where the kernel knows how (since 5.19).
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let mut made = with(listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if made < 0 {
        made = with(listener);
    }
    match made {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel just made this descriptor for us.
        descriptor => Ok(unsafe { OwnedFd::from_raw_fd(descriptor as i32) }),
    }
}

impl Questions {
    /// The questions of the process that [`confine`] gave this descriptor to.
    #[must_use]
    pub fn of(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Readable where somebody asks.
    #[must_use]
    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// The next question, where the descriptor is readable; `None` where whoever asked is gone.
    ///
    /// # Errors
    ///
    /// Where nobody is left who could ask.
    pub fn next(&self) -> io::Result<Option<Question>> {
        // SAFETY: all fields are numbers, for which zero is a value, and the kernel wants them to be zero.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills the form that the request is named after.
        let failed = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &mut asked,
            )
        };
        if failed != 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => Ok(None),
                _ => Err(error),
            };
        }
        let call = asked.data;
        let number = i64::from(call.nr);
        let (base, path, arguments) = if number == libc::SYS_execveat {
            let descriptor = call.args[0] as i32;
            let itself = call.args[4] as i32 & libc::AT_EMPTY_PATH != 0;
            let base = match descriptor {
                libc::AT_FDCWD => Base::Folder,
                _ if itself => Base::Itself(descriptor),
                _ => Base::Descriptor(descriptor),
            };
            (base, call.args[1], call.args[2])
        } else {
            (Base::Folder, call.args[0], call.args[1])
        };
        Ok(Some(Question {
            id: asked.id,
            thread: asked.pid as i32,
            base,
            path,
            arguments,
        }))
    }

    /// Whether the process still waits: what was read of it by its number is then its own.
    #[must_use]
    pub fn still_waits(&self, question: &Question) -> bool {
        // SAFETY: reads one number.
        let failed = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &question.id,
            )
        };
        failed == 0
    }

    /// Lets the call go on, or fails it with this error.
    pub fn answer(&self, question: &Question, answer: Result<(), i32>) {
        // SAFETY: all fields are numbers, for which zero is a value.
        let mut response: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
        response.id = question.id;
        match answer {
            Ok(()) => response.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
            Err(error) => response.error = -error,
        }
        // SAFETY: reads the form that the request is named after. Whoever went away needs no answer.
        unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &response,
            );
        }
    }
}
