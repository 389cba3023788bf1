//! Signals as something to read, and ending or stopping oneself as another did.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// Signals as a set.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalSet")
    }
}

impl SignalSet {
    /// These signals.
    #[must_use]
    pub fn of(signals: &[i32]) -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the first call fills the set, and the others change one that is filled. Unknown numbers are refused.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), *signal);
            }
            Self(set.assume_init())
        }
    }

    /// From now on these wait instead of doing anything; and whether they wait is readable from the descriptor.
    ///
    /// # Errors
    ///
    /// Where the kernel has no descriptor left.
    pub fn as_descriptor(&self) -> io::Result<OwnedFd> {
        mask(libc::SIG_BLOCK, self);
        // SAFETY: the set is filled, and the descriptor is new.
        unsafe {
            match libc::signalfd(-1, &self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
            }
        }
    }
}

impl SignalSet {
    /// While `work` runs, these do what they do by default.
    pub fn let_through<T>(&self, work: impl FnOnce() -> T) -> T {
        mask(libc::SIG_UNBLOCK, self);
        let done = work();
        mask(libc::SIG_BLOCK, self);
        done
    }
}

/// The signals that wait at a descriptor.
#[must_use]
pub fn waiting(descriptor: &OwnedFd) -> Vec<i32> {
    const EACH: usize = size_of::<libc::signalfd_siginfo>();
    let mut signals = Vec::new();
    let mut buffer = [0u8; EACH];
    while let Ok(EACH) = rustix::io::read(descriptor, &mut buffer) {
        // The number is the first field.
        let [a, b, c, d, ..] = buffer;
        signals.push(u32::from_ne_bytes([a, b, c, d]) as i32);
    }
    signals
}

fn mask(how: libc::c_int, set: &SignalSet) {
    // SAFETY: the set is filled, and the old one is not asked for.
    unsafe { libc::sigprocmask(how, &set.0, std::ptr::null_mut()) };
}

/// Every signal does what it does by default, and none waits: as a program expects to be started.
pub fn reset_all() {
    const LAST: i32 = 64;
    for signal in 1..=LAST {
        // The kernel's own call and form: handler, flags, restorer and mask, all of them nothing. The wrapper in libc
        // leaves out two signals that it keeps to itself, which whoever started us may have left ignored.
        let default = [0u64; 4];
        // SAFETY: reads the form from the pointer; the default action runs no code of ours. KILL and STOP are refused
        // without harm.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            );
        }
    }
    mask(libc::SIG_SETMASK, &SignalSet::of(&[]));
}

/// Stops the whole job that this process belongs to, as the terminal would, until it is continued.
pub fn stop_job(signal: i32) {
    let set = SignalSet::of(&[signal]);
    // SAFETY: the default action runs no code of ours; group 0 is this process's own.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(0, signal);
    }
    // It waits until now, and stops this process here.
    mask(libc::SIG_UNBLOCK, &set);
    mask(libc::SIG_BLOCK, &set);
}

/// Ends this process by a signal, so that whoever waits for it sees that; returns where the signal ends nobody.
pub fn end_by(signal: i32) {
    // The core, if any, is the program's.
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: plain numbers; the default action runs no code of ours.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    mask(libc::SIG_UNBLOCK, &SignalSet::of(&[signal]));
}

/// The kernel forgets children of this process when they end.
pub fn forget_children() {
    // SAFETY: ignoring runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// This process ends by itself after so many seconds, whatever it waits for then.
pub fn end_after(seconds: u32) {
    // SAFETY: numbers only; the default action of the signal runs no code of ours.
    unsafe { libc::alarm(seconds) };
}
