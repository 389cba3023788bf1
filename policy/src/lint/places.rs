//! Which folders standard users can write to, as operating systems are delivered. It must not look at a disk: the agent
//! reports what is true on a device.

use crate::model::Platform;
use crate::paths::separator;

/// What is known about a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Writable {
    /// Only administrators write there.
    No,
    /// It depends on how it was made.
    Unknown,
    /// Users write there, or in a part of it.
    Yes,
}

/// What variables stand for on a system as it is delivered.
const WINDOWS_VARIABLES: [(&str, &str); 8] = [
    ("%systemroot%", "c:\\windows"),
    ("%windir%", "c:\\windows"),
    ("%programfiles%", "c:\\program files"),
    ("%programw6432%", "c:\\program files"),
    ("%programfiles(x86)%", "c:\\program files (x86)"),
    ("%programdata%", "c:\\programdata"),
    ("%allusersprofile%", "c:\\programdata"),
    ("%public%", "c:\\users\\public"),
];

const WINDOWS_WRITABLE: [&str; 14] = [
    "c:\\users\\",
    "c:\\programdata\\",
    "c:\\temp\\",
    "c:\\windows\\temp\\",
    "c:\\windows\\tasks\\",
    "c:\\windows\\tracing\\",
    "c:\\windows\\system32\\tasks\\",
    "c:\\windows\\system32\\spool\\drivers\\color\\",
    "%userprofile%\\",
    "%appdata%\\",
    "%localappdata%\\",
    "%temp%\\",
    "%tmp%\\",
    "%onedrive%\\",
];

const WINDOWS_PROTECTED: [&str; 3] = [
    "c:\\program files\\",
    "c:\\program files (x86)\\",
    "c:\\windows\\",
];

const LINUX_WRITABLE: [&str; 8] = [
    "/home/",
    "/tmp/",
    "/var/tmp/",
    "/dev/shm/",
    "/run/user/",
    "/media/",
    "/mnt/",
    "%home%/",
];

const LINUX_PROTECTED: [&str; 10] = [
    "/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/etc/", "/boot/", "/snap/", "/srv/",
];

/// What is known about a folder as a rule names it.
pub(crate) fn writable_by_users(platform: Platform, folder: &str) -> Writable {
    let folder = plain(platform, folder);
    let sure = folder.split(['?', '*']).next().unwrap_or_default();
    let wild = sure.len() < folder.len();
    let (writable, protected): (&[&str], &[&str]) = match platform {
        Platform::Windows => (&WINDOWS_WRITABLE, &WINDOWS_PROTECTED),
        Platform::Linux => (&LINUX_WRITABLE, &LINUX_PROTECTED),
    };
    // A folder lies in a writable one, or its wildcard reaches into one.
    let meets = |place: &&str| sure.starts_with(place) || wild && place.starts_with(sure);
    if writable.iter().any(meets) {
        Writable::Yes
    } else if protected.iter().any(|place| sure.starts_with(place)) {
        Writable::No
    } else {
        Writable::Unknown
    }
}

/// In lower case, with a separator at the end, and variables of the system replaced.
fn plain(platform: Platform, folder: &str) -> String {
    // On Linux case tells folders apart, but none that is listed has a capital, and names of variables have no case.
    let mut folder = folder.to_lowercase();
    let separator = separator(platform);
    if !folder.ends_with([separator, '*']) {
        folder.push(separator);
    }
    let known = WINDOWS_VARIABLES.iter();
    for (variable, value) in known.filter(|_| platform == Platform::Windows) {
        if let Some(rest) = folder.strip_prefix(variable) {
            return format!("{value}{rest}");
        }
    }
    folder
}
