//! Users that a test makes on this device, and takes away again.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::components::run;

/// Begins the names of all test users. The process that made one follows, so that a later run can tell which were left.
const PREFIX: &str = "epmt";
/// One program at a time may change the file of users.
const LOCK: &str = "/tmp/epm-test-users.lock";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A user of this device.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// A new user, in these groups beside its own.
    pub(crate) fn new(groups: &str) -> Self {
        let _lock = locked();
        remove_those_left();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}x{number}", std::process::id());
        let mut add = Command::new("useradd");
        add.args(["--no-create-home", "--no-log-init", "--no-user-group"]);
        add.args(["--home-dir", "/nonexistent", "--shell", "/bin/sh"]);
        if !groups.is_empty() {
            add.args(["--groups", groups]);
        }
        run(add.arg(&name)).expect("a user can be made");
        let id = |what: &str| {
            let said = run(Command::new("id").args([what, &name])).expect("it is known");
            said.trim().parse().expect("a number")
        };
        Self {
            uid: id("-u"),
            gid: id("-g"),
            name,
        }
    }

    /// Gives the user a password.
    pub(crate) fn set_password(&self, password: &str) {
        use std::io::Write as _;
        let _lock = locked();
        let mut chpasswd = Command::new("chpasswd")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("chpasswd");
        let mut input = chpasswd.stdin.take().expect("piped");
        writeln!(input, "{}:{password}", self.name).expect("it reads");
        drop(input);
        assert!(chpasswd.wait().expect("it ends").success());
    }

    /// `command` as this user, with all its groups, in the same process.
    pub(crate) fn command(&self, command: &str) -> Command {
        let mut run = Command::new("setpriv");
        run.arg(format!("--reuid={}", self.uid))
            .arg(format!("--regid={}", self.gid))
            .args(["--init-groups", "--", command]);
        run
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _lock = locked();
        remove(&self.name);
    }
}

fn locked() -> File {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(LOCK)
        .expect("the lock's file");
    lock.lock().expect("the lock");
    lock
}

fn remove(name: &str) {
    // Not --remove: a test user has no home of its own. --force: what it ran may still end.
    let _ = Command::new("userdel").args(["--force", name]).output();
}

/// Users of test programs that were killed.
fn remove_those_left() {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    for name in users.lines().filter_map(|line| line.split(':').next()) {
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('x'));
        if process.is_some_and(|(process, _)| is_gone(process)) {
            remove(name);
        }
    }
}

/// Whether this is the number of a process that is no more.
pub(crate) fn is_gone(process: &str) -> bool {
    process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
}
