//! The last steps before a program runs: takes on exactly the rights, limits and descriptors that it shall have, and
//! becomes the file that was judged. It must not look up the program by name: the descriptor is the program.

use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::caller::Inherited;

/// Descriptors from here on are closed in the program.
const FIRST_OTHER: u32 = 3;
/// Where an interpreter finds its script: the first descriptor after the streams.
const SCRIPT: i32 = 3;
/// Descriptors that are still needed lie from here on, so that no stream and no script takes their number.
pub const HIGH: i32 = 16;
/// Runs a script that does not say what runs it, as every shell would run it.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// With which rights a program runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Keeps every capability although the user id is not 0.
    pub capabilities: bool,
}

/// A program that is about to run.
#[derive(Debug)]
pub struct Start<'a> {
    /// The file.
    pub program: &'a OwnedFd,
    /// Its first bytes say that an interpreter runs it.
    pub script: bool,
    /// Standard input, output and error.
    pub streams: [BorrowedFd<'a>; 3],
    /// Working folder.
    pub folder: &'a OwnedFd,
    /// Name and arguments.
    pub arguments: &'a [Vec<u8>],
    /// `NAME=value`.
    pub environment: &'a [Vec<u8>],
    /// Rights.
    pub identity: &'a Identity,
    /// What comes from whoever asked.
    pub inherited: &'a Inherited,
    /// File mode creation mask.
    pub umask: u32,
    /// Where whoever is asked about everything that it starts waits for the questions; none where nobody is asked.
    pub confined: Option<BorrowedFd<'a>>,
}

/// Becomes the program. Returns only where that failed.
pub fn become_program(start: &Start<'_>) -> io::Error {
    match prepare(start) {
        Ok(prepared) => execute(start.script, &prepared),
        Err(error) => error,
    }
}

struct Prepared {
    program: OwnedFd,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

fn prepare(start: &Start<'_>) -> io::Result<Prepared> {
    let texts = |all: &[Vec<u8>]| -> io::Result<Vec<CString>> {
        let each = all.iter().map(|text| CString::new(text.clone()));
        each.collect::<Result<_, _>>()
            .map_err(|_| io::ErrorKind::InvalidInput.into())
    };
    let (arguments, environment) = (texts(start.arguments)?, texts(start.environment)?);
    belong(start.inherited);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(start.umask));
    rustix::process::fchdir(start.folder)?;
    take_limits(start.inherited)?;
    // What this process does with signals is not what a program expects.
    super::signals::reset_all();
    let program = take_descriptors(start)?;
    take_identity(start.identity)?;
    if let Some(asked) = start.confined {
        hand_over(asked, &super::seccomp::confine()?)?;
    }
    Ok(Prepared {
        program,
        arguments,
        environment,
    })
}

/// Belongs to what the asking process belongs to. None of it gives rights, so that what the system does not have is left.
fn belong(inherited: &Inherited) {
    let write = |path: &Path, value: String| {
        let _ = std::fs::write(path, value);
    };
    write(
        Path::new("/proc/self/oom_score_adj"),
        inherited.oom_score.to_string(),
    );
    if inherited.login_uid != u32::MAX {
        write(
            Path::new("/proc/self/loginuid"),
            inherited.login_uid.to_string(),
        );
    }
    if let Some(folder) = &inherited.cgroup {
        write(&folder.join("cgroup.procs"), "0".to_owned());
    }
}

fn take_limits(inherited: &Inherited) -> io::Result<()> {
    for (kind, (soft, hard)) in inherited.limits.iter().enumerate() {
        // As with sudo: what root's programs have in memory is not left in a folder of whoever asked.
        let (soft, hard) = match kind as u32 {
            libc::RLIMIT_CORE => (0, 0),
            _ => (*soft, *hard),
        };
        let limit = libc::rlimit64 {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: reads one limit from the pointer; the old one is not asked for.
        let set = check(unsafe { libc::prlimit64(0, kind as _, &limit, std::ptr::null_mut()) });
        match set {
            // A confined root cannot raise a limit: the program then has the agent's, which is lower.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
            other => other?,
        }
    }
    // SAFETY: numbers only.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, inherited.nice) })
}

/// The three streams, the script where there is one, and nothing else.
fn take_descriptors(start: &Start<'_>) -> io::Result<OwnedFd> {
    let high = |descriptor: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(descriptor, HIGH).map_err(io::Error::from)
    };
    let [input, output, error] = start.streams;
    let streams = [high(input)?, high(output)?, high(error)?];
    let program = high(start.program.as_fd())?;
    for (number, stream) in streams.iter().enumerate() {
        // SAFETY: numbers only. What had the number is one of ours that is not used any more, or the program's own.
        check(unsafe { libc::dup2(stream.as_raw_fd(), number as i32) })?;
    }
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: numbers only; the descriptors stay open until the program starts.
    check(unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER, u32::MAX, flags) } as i32)?;
    Ok(program)
}

/// Sends a descriptor to whoever holds the other end.
fn hand_over(to: BorrowedFd<'_>, descriptor: &OwnedFd) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptor = [descriptor.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptor)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // An empty message, as both ends frame them.
    let nothing = [io::IoSlice::new(&[0; 4])];
    rustix::net::sendmsg(to, &nothing, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Groups first, user last: after that the right to change groups is gone.
fn take_identity(identity: &Identity) -> io::Result<()> {
    let Identity {
        uid, gid, groups, ..
    } = identity;
    if identity.capabilities {
        // SAFETY: numbers only.
        check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
    }
    // SAFETY: the pointer is to as many numbers as is said; this process has one thread.
    unsafe {
        check(libc::setgroups(groups.len(), groups.as_ptr()))?;
        check(libc::setresgid(*gid, *gid, *gid))?;
        check(libc::setresuid(*uid, *uid, *uid))?;
    }
    if identity.capabilities {
        raise_capabilities()?;
    }
    Ok(())
}

/// All that this process is permitted, also for the program that it becomes.
fn raise_capabilities() -> io::Result<()> {
    use rustix::thread::{capabilities, configure_capability_in_ambient_set, set_capabilities};
    let mut sets = capabilities(None)?;
    sets.effective = sets.permitted;
    sets.inheritable = sets.permitted;
    set_capabilities(None, sets)?;
    for capability in sets.permitted.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

fn execute(script: bool, prepared: &Prepared) -> io::Error {
    let Prepared {
        program,
        arguments,
        environment,
    } = prepared;
    let mut interpreted = script;
    if !script {
        let error = execute_descriptor(program.as_raw_fd(), arguments, environment);
        match error.raw_os_error() {
            // An administrator told the kernel what runs this format (binfmt_misc), and the kernel does not start what
            // could not open the file by then. The same error for want of something else comes again.
            Some(libc::ENOENT) => interpreted = true,
            Some(libc::ENOEXEC) => {}
            _ => return error,
        }
    }
    // SAFETY: numbers only. The interpreter opens the file by this number, so it stays open.
    if let Err(error) = check(unsafe { libc::dup2(program.as_raw_fd(), SCRIPT) }) {
        return error;
    }
    if interpreted {
        return execute_descriptor(SCRIPT, arguments, environment);
    }
    // No format that the kernel knows: a script without a first line, which every shell runs itself.
    let itself = [CString::from(SHELL), CString::from(c"/dev/fd/3")];
    let rest = arguments.iter().skip(1).cloned();
    let arguments: Vec<CString> = itself.into_iter().chain(rest).collect();
    match std::fs::File::open(OsStr::from_bytes(SHELL.to_bytes())) {
        Ok(shell) => execute_descriptor(shell.as_raw_fd(), &arguments, environment),
        Err(error) => error,
    }
}

fn execute_descriptor(
    descriptor: i32,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let pointers = |texts: &[CString]| {
        let each = texts.iter().map(|text| text.as_ptr());
        each.chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end with a null pointer, and their texts live in the callers' vectors. On success nothing of this
    // process is left.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            descriptor,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

fn check(answer: i32) -> io::Result<()> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
