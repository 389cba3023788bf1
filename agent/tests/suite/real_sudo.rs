//! The sudo of this machine under a configuration of ours: in a mount namespace of its own its sudoers is a file of the
//! test, so that nothing of the machine changes. It needs root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::components::present;

const MISSING: &str = "root and sudo with sudo_sendlog are needed; scripts/test installs sudo";
/// Who runs sudo: a user that every system has.
pub(crate) const CALLER: &str = "nobody";

/// sudo with sudoers of a test's own.
pub(crate) struct Sudo {
    folder: tempfile::TempDir,
}

impl Sudo {
    /// sudo with these lines of sudoers. Where there is no sudo or no root, says so in one line and gives nothing.
    pub(crate) fn with(sudoers: &str) -> Option<Self> {
        let usable = is_usable().then_some(());
        present(usable.ok_or_else(|| MISSING.to_owned()))?;
        let folder = tempfile::tempdir().expect("a folder");
        // Other users reach what is in it.
        let open = fs::set_permissions(folder.path(), Permissions::from_mode(0o755));
        open.expect("the folder can be opened");
        let path = folder.path().join("sudoers");
        fs::write(&path, sudoers).expect("it can be written");
        fs::set_permissions(&path, Permissions::from_mode(0o440)).expect("sudo's mode");
        Some(Self { folder })
    }

    /// The test's own folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a shell script as `nobody`, in which sudo has the test's sudoers.
    pub(crate) fn run(&self, script: &str) -> Output {
        let sudoers = self.folder.path().join("sudoers");
        let inside = format!(
            "mount --bind {} /etc/sudoers && exec setpriv --reuid={CALLER} --regid=nogroup --clear-groups sh -c \"$1\"",
            sudoers.display()
        );
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &inside, "sh", script])
            .current_dir("/")
            .output()
            .expect("unshare runs")
    }

    /// Runs a script that must succeed.
    pub(crate) fn must(&self, script: &str) -> String {
        let output = self.run(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn is_usable() -> bool {
    let answers = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    rustix::process::geteuid().is_root()
        && answers("sudo", &["-V"])
        && answers("/usr/sbin/sudo_sendlog", &["-V"])
        && answers("unshare", &["--mount", "true"])
}
