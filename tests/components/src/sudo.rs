//! The sudo of this machine under a configuration of a test's own: in a mount namespace its sudoers, and where the test
//! wants some its users, are files of the test, so that nothing of the machine changes. It needs root.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::or_missing;

const NEEDED: &str = "root with sudo and sudo_sendlog";
/// The first of the ids that users of a test have: above those that systems give out to people.
const FIRST_ID: usize = 64_100;

/// sudo with sudoers of a test's own.
#[derive(Debug)]
pub struct Sudo {
    folder: TempDir,
    /// Files of the test and the files of the machine that they stand for.
    files: Vec<(&'static str, &'static str)>,
}

impl Sudo {
    /// Who runs sudo where a test names no user: one that every system has.
    pub const CALLER: &str = "nobody";

    /// sudo with these lines of sudoers. Where there is no sudo or no root, says so in one line and gives nothing.
    ///
    /// # Panics
    ///
    /// Where a file cannot be written.
    pub fn with(sudoers: &str) -> Option<Self> {
        or_missing(is_usable().then_some(()), NEEDED)?;
        let folder = tempfile::tempdir().unwrap();
        // Other users reach what is in it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let sudo = Self {
            folder,
            files: vec![("sudoers", "/etc/sudoers")],
        };
        sudo.write("sudoers", sudoers, 0o440);
        Some(sudo)
    }

    /// The same on a machine that has `users` too, who are of no group but their own and have no password.
    ///
    /// # Panics
    ///
    /// Where a file cannot be read or written.
    pub fn with_users(sudoers: &str, users: &[&str]) -> Option<Self> {
        let mut sudo = Self::with(sudoers)?;
        let files = [
            ("passwd", "/etc/passwd"),
            ("group", "/etc/group"),
            ("shadow", "/etc/shadow"),
        ];
        for (name, machine) in files {
            let mut text = fs::read_to_string(machine).unwrap();
            for (at, user) in users.iter().enumerate() {
                let id = FIRST_ID + at;
                text.push_str(&match name {
                    "passwd" => format!("{user}:x:{id}:{id}::/nonexistent:/bin/sh\n"),
                    "group" => format!("{user}:x:{id}:\n"),
                    _ => format!("{user}:*:20000:0:99999:7:::\n"),
                });
            }
            let mode = fs::metadata(machine).unwrap().mode();
            sudo.write(name, &text, mode & 0o777);
            sudo.files.push((name, machine));
        }
        Some(sudo)
    }

    /// The test's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs a shell script as `user`, in which sudo has what the test gave it.
    pub fn command(&self, user: &str, script: &str) -> Command {
        let mut inside = String::new();
        for (name, machine) in &self.files {
            let own = self.folder.path().join(name);
            inside.push_str(&format!("mount --bind {} {machine} && ", own.display()));
        }
        inside.push_str(&format!(
            "exec setpriv --reuid={user} --regid=$(id -g {user}) --clear-groups sh -c \"$1\""
        ));
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &inside, "sh", script])
            .current_dir("/");
        command
    }

    /// Runs a script as `user` to its end.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn run_as(&self, user: &str, script: &str) -> Output {
        self.command(user, script).output().unwrap()
    }

    /// Runs a script as [`Self::CALLER`] to its end.
    pub fn run(&self, script: &str) -> Output {
        self.run_as(Self::CALLER, script)
    }

    /// Runs a script that must succeed, and returns what it printed.
    ///
    /// # Panics
    ///
    /// Where it did not succeed.
    pub fn must(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }
}

/// An address below the ports that the system gives out, so that nobody takes it while the server that has it is down.
///
/// # Panics
///
/// Where no port is free.
pub fn quiet_address() -> SocketAddr {
    // No two tests of a process get the same one.
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let mut ports = (first..32_000).map(|_| first + GIVEN.fetch_add(1, Ordering::Relaxed));
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    SocketAddr::from(([127, 0, 0, 1], free.unwrap()))
}

fn is_usable() -> bool {
    let answers = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root
        && answers("sudo", &["-V"])
        && answers("/usr/sbin/sudo_sendlog", &["-V"])
        && answers("unshare", &["--mount", "true"])
}
