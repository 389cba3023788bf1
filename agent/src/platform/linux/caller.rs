//! What a program inherits from whoever asked for it, read from the kernel by process id: limits, niceness, group of
//! resources, audit id; and whether the asking process sees the same files as we do.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// How many kinds of limit Linux has.
pub const LIMITS: usize = 16;

/// What is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Soft and hard limit of each kind, in the kernel's order.
    pub limits: Vec<(u64, u64)>,
    /// From -20 to 19.
    pub nice: i32,
    /// How likely the kernel kills it where memory runs out.
    pub oom_score: i32,
    /// The user that the kernel's audit counts it to; `u32::MAX` for none.
    pub login_uid: u32,
    /// Folder of its group in the unified hierarchy.
    pub cgroup: Option<PathBuf>,
}

/// Why somebody who asks cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// It went away or hides.
    #[error("cannot look at the process that asks")]
    Gone(#[from] io::Error),
    /// It has other folders under the same names, so that a path would mean another file to us.
    #[error("the process that asks is in another {0} than the agent")]
    Elsewhere(&'static str),
}

/// Whether the same names lead to the same files, users and processes there as here.
///
/// # Errors
///
/// [`CallerError`]: then not.
pub fn sees_what_we_see(pid: i32) -> Result<(), CallerError> {
    for (space, name) in [
        ("mnt", "mount namespace"),
        ("user", "user namespace"),
        ("pid", "process namespace"),
    ] {
        let id =
            |pid: &str| std::fs::metadata(format!("/proc/{pid}/ns/{space}")).map(|of| of.ino());
        if id(&pid.to_string())? != id("self")? {
            return Err(CallerError::Elsewhere(name));
        }
    }
    let root =
        |pid: &str| std::fs::metadata(format!("/proc/{pid}/root")).map(|of| (of.dev(), of.ino()));
    if root(&pid.to_string())? != root("self")? {
        return Err(CallerError::Elsewhere("root folder"));
    }
    Ok(())
}

/// Reads what the process passes on. The caller then sees to it that the process still lives.
///
/// # Errors
///
/// [`CallerError`].
pub fn inherited(pid: i32) -> Result<Inherited, CallerError> {
    sees_what_we_see(pid)?;
    let number = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok()?;
        text.trim().parse::<i64>().ok()
    };
    Ok(Inherited {
        limits: limits(pid)?,
        nice: nice(pid),
        oom_score: number("oom_score_adj").unwrap_or(0) as i32,
        login_uid: number("loginuid").map_or(u32::MAX, |uid| uid as u32),
        cgroup: cgroup(pid),
    })
}

/// The program that a process runs, and its parent's id.
#[must_use]
pub fn program_and_parent(pid: i32) -> (Option<PathBuf>, Option<i32>) {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    (program, parent.and_then(|pid| pid.trim().parse().ok()))
}

/// As the kernel lists them, in its own order. The call that reads another process's limits needs a right that a confined
/// root may not have.
fn limits(pid: i32) -> io::Result<Vec<(u64, u64)>> {
    // Names have up to 26 characters, and the two limits follow.
    const NAME: usize = 26;
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits"))?;
    let number = |word: &str| match word {
        "unlimited" => Some(u64::MAX),
        other => other.parse().ok(),
    };
    let limit = |line: &str| {
        let mut words = line.get(NAME..)?.split_whitespace();
        Some((number(words.next()?)?, number(words.next()?)?))
    };
    let found: Option<Vec<_>> = text.lines().skip(1).map(limit).collect();
    found
        .filter(|limits| limits.len() == LIMITS)
        .ok_or_else(|| io::Error::other("the kernel lists limits in another form"))
}

fn nice(pid: i32) -> i32 {
    // SAFETY: numbers only. The kernel's own call answers 20 less the niceness, so that it is never negative.
    let answer = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, pid) };
    if answer < 0 { 0 } else { 20 - answer as i32 }
}

/// Only the unified hierarchy: the older ones are left to the agent's own group.
fn cgroup(pid: i32) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let plain = !path.split('/').any(|part| part == "..");
    plain.then(|| PathBuf::from("/sys/fs/cgroup").join(path))
}
