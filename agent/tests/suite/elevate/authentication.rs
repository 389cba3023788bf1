//! Proving who one is once more, through the system's own PAM, with real passwords at a terminal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use epm_proto::v1;
use serde_json::{Value, json};

use super::people::{User, is_gone};
use super::pty::Terminal;
use super::world::{Recorded, World, rule, settings, text, with};
use crate::components::{present, run};

const PASSWORD: &str = "korrekt Pferd 7";

/// How people authenticate on the device of a test: a file of its own in the system's folder.
struct Service(PathBuf);

impl Service {
    fn new(world: &mut World, lines: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Files of test programs that were killed.
        for file in fs::read_dir("/etc/pam.d").expect("it is there").flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let process = name
                .strip_prefix("epmt-")
                .and_then(|rest| rest.split_once('-'));
            if process.is_some_and(|(process, _)| is_gone(process)) {
                let _ = fs::remove_file(file.path());
            }
        }
        // In small letters, as PAM looks for them.
        let name = format!("epmt-{}-{number}", std::process::id());
        let path = Path::new("/etc/pam.d").join(&name);
        fs::write(&path, lines).expect("it can be written");
        world.option("--pam-service", name);
        Self(path)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Anna, who has a password, and a program that asks for it.
struct Asking {
    anna: User,
    _service: Service,
    world: World,
}

/// Without the pause after a wrong password, which is the system's own.
const AT_ONCE: &str = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n";

impl Asking {
    fn new(elevation_type: &str, changes: Value) -> Option<Self> {
        Self::by(elevation_type, changes, |_| AT_ONCE.to_owned())
    }

    /// The same, by the lines of a service's file.
    fn by(elevation_type: &str, changes: Value, lines: impl Fn(&World) -> String) -> Option<Self> {
        let mut world = World::new()?;
        let pam = Path::new("/etc/pam.d").is_dir().then_some(());
        present(pam.ok_or_else(|| "PAM is not installed".to_owned()))?;
        let lines = lines(&world);
        let service = Service::new(&mut world, &lines);
        let anna = User::new("");
        anna.set_password(PASSWORD);
        let tool = world.install("tool", Path::new("/bin/sh"));
        let rules = vec![with(rule("r1", elevation_type, &tool), changes)];
        world.write_policy(settings(None), rules);
        world.start();
        Some(Self {
            anna,
            _service: service,
            world,
        })
    }

    fn confirmed() -> Option<Self> {
        Self::new(
            "user_confirmed",
            json!({"validation": {"authentication": true}}),
        )
    }

    fn asks(&self, script: &str) -> Terminal {
        let tool = self.world.path("bin/tool").to_string_lossy().into_owned();
        let command = self.world.elevate(&self.anna, &[&tool, "-c", script]);
        let mut terminal = Terminal::run(&command, self.anna.uid);
        terminal.sees("authenticate");
        terminal.sees("Password: ");
        terminal
    }

    fn answers(&self, answers: &[&str]) -> (String, ExitStatus) {
        let mut terminal = self.asks("id -u");
        for (number, answer) in answers.iter().enumerate() {
            if number > 0 {
                terminal.sees("try again");
                terminal.sees("Password: ");
            }
            terminal.types(&format!("{answer}\n"));
        }
        terminal.ends()
    }

    fn last_of(&self, count: usize) -> Recorded {
        self.world.last_of(count)
    }
}

fn ran(seen: &str) -> bool {
    seen.lines().any(|line| line == "0")
}

#[test]
fn the_right_password_runs_the_program_and_is_never_shown() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    let (seen, status) = device.answers(&[PASSWORD]);
    assert!(status.success() && ran(&seen), "{seen}");
    assert!(!seen.contains("Pferd"), "{seen}");
    let recorded = device.last_of(1);
    assert!(recorded.start.validated_authentication);
    assert!(!recorded.start.validated_justification);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Elevated);
    for line in device.world.logged() {
        assert!(!line.contains("Pferd"), "{line}");
    }
    // Nothing of it is kept for the next time: there is no ticket that another terminal or process could use.
    let (seen, status) = device.answers(&["wrong", "wrong", "wrong"]);
    assert_eq!(status.code(), Some(1), "{seen}");
}

#[test]
fn a_wrong_password_may_be_corrected_and_the_third_ends_it() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    let (seen, status) = device.answers(&["wrong", PASSWORD]);
    assert!(status.success() && ran(&seen), "{seen}");
    let (seen, status) = device.answers(&["wrong", "", "Korrekt Pferd 7"]);
    assert_eq!(status.code(), Some(1), "{seen}");
    assert!(!ran(&seen) && seen.contains("nothing was run"), "{seen}");
    let recorded = device.last_of(2);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Denied);
    assert_eq!(recorded.start.reason, "authentication_failed");
    assert!(!recorded.start.validated_authentication);
}

#[test]
fn answers_of_any_length_are_only_wrong() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    // As in CVE-2019-18634; a terminal takes 4095 bytes in a line.
    for length in [511, 512, 513, 4000] {
        let mut terminal = device.asks("id -u");
        terminal.types(&format!("{}\n", "x".repeat(length)));
        terminal.sees("try again");
        terminal.sees("Password: ");
        terminal.types("\u{4}");
        let (seen, status) = terminal.ends();
        assert!(!status.success() && !ran(&seen), "{length}: {seen}");
    }
    let (seen, status) = device.answers(&[PASSWORD]);
    assert!(status.success(), "{seen}");
}

#[test]
fn giving_up_at_the_password_runs_nothing_and_leaves_the_terminal_as_it_was() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    let mut own = Terminal::run(
        device
            .anna
            .command("/bin/bash")
            .args(["--norc", "-i"])
            .current_dir("/")
            .env("TERM", "dumb")
            .env("PS1", "ready> ")
            .env("EPM_SOCKET", device.world.socket())
            .env("HISTFILE", "/dev/null"),
        device.anna.uid,
    );
    own.sees("ready> ");
    let (elevate, tool) = (
        device.world.path("bin/elevate"),
        device.world.path("bin/tool"),
    );
    own.types("before=$(stty -g)\n");
    own.sees("ready> ");
    own.types(&format!("{} {} -c id\n", elevate.display(), tool.display()));
    own.sees("Password: ");
    own.types("\u{3}");
    own.sees("ready> ");
    own.types("[ \"$before\" = \"$(stty -g)\" ] && echo same\n");
    own.sees("\nsame");
    let recorded = device.last_of(1);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Cancelled);
}

#[test]
fn both_a_reason_and_a_password_are_asked_where_a_rule_asks_for_both() {
    let both = json!({"validation": {"authentication": true, "business_justification": true}});
    let Some(device) = Asking::new("user_confirmed", both) else {
        return;
    };
    let tool = device.world.path("bin/tool").to_string_lossy().into_owned();
    let command = device.world.elevate(&device.anna, &[&tool, "-c", "id -u"]);
    let mut terminal = Terminal::run(&command, device.anna.uid);
    terminal.sees("Why do you need to run");
    terminal.types("ticket 4\n");
    terminal.sees("Password: ");
    terminal.types(&format!("{PASSWORD}\n"));
    let (seen, status) = terminal.ends();
    assert!(status.success() && ran(&seen), "{seen}");
    let recorded = device.last_of(1).start;
    assert!(recorded.validated_authentication && recorded.validated_justification);
    assert_eq!(recorded.justification, "ticket 4");
}

#[test]
fn elevated_as_current_user_a_program_has_the_users_account_and_every_right() {
    let Some(device) = Asking::new("current_user", json!({})) else {
        return;
    };
    let script = "id -u; echo home=$HOME user=$USER; grep CapEff /proc/self/status; grep CapPrm /proc/1/status";
    let mut terminal = device.asks(script);
    terminal.types(&format!("{PASSWORD}\n"));
    let (seen, status) = terminal.ends();
    assert!(status.success(), "{seen}");
    let anna = &device.anna;
    let has = |line: &str| seen.lines().any(|seen| seen == line);
    assert!(has(&anna.uid.to_string()), "{seen}");
    assert!(
        has(&format!("home=/nonexistent user={}", anna.name)),
        "{seen}"
    );
    let capabilities = seen.lines().filter_map(|line| line.split_once("CapEff:"));
    let own: Vec<_> = capabilities.map(|(_, value)| value.trim()).collect();
    let agents = run(Command::new("grep").args([
        "CapPrm",
        &format!("/proc/{}/status", device.world.agent_pid()),
    ]));
    let agents = agents.expect("it runs");
    assert_eq!(own, [agents.split_whitespace().nth(1).expect("a value")]);
    let recorded = device.last_of(1);
    assert_eq!(recorded.start.run_as(), v1::RunAs::CurrentUser);
    assert_eq!(
        recorded.start.elevation_type(),
        v1::ElevationType::CurrentUser
    );
    assert_eq!(recorded.user().target_user_id, anna.uid.to_string());
    assert!(recorded.start.validated_authentication);
}

#[test]
fn accounts_that_are_locked_expired_or_without_a_password_are_refused() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    let name = &device.anna.name;
    let mut count = 0;
    for (change, answer) in [
        (&["--lock"][..], PASSWORD),
        (&["--unlock", "--expiredate", "1"], PASSWORD),
        (&["--expiredate", "", "--password", ""], ""),
    ] {
        run(Command::new("usermod").args(change).arg(name)).expect("it can be changed");
        let (seen, status) = device.answers(&[answer; 3]);
        assert!(!status.success() && !ran(&seen), "{change:?}: {seen}");
        count += 1;
        let recorded = device.last_of(count);
        assert_eq!(recorded.start.outcome(), v1::Outcome::Denied, "{change:?}");
    }
}

#[test]
fn a_device_that_cannot_authenticate_refuses_and_says_what_is_missing() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/id"));
    let asks = json!({"validation": {"authentication": true}});
    world.write_policy(
        settings(None),
        vec![with(rule("r1", "user_confirmed", &tool), asks)],
    );
    world.option("--pam-service", "epmt-there-is-none");
    world.start();
    let output = world.ran(&anna, &[&tool.to_string_lossy(), "-u"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("there is no /etc/pam.d/epmt-there-is-none"),
        "{output:?}"
    );
    let recorded = world.last_of(1).start;
    assert_eq!(recorded.outcome(), v1::Outcome::Failed);
    assert_eq!(recorded.reason, "authentication_unavailable");
    world.kill_agent();
    // A file that names modules that are not there, and one that lets nobody in.
    for (lines, expected) in [
        (
            "auth required pam_there_is_none.so\naccount required pam_permit.so\n",
            "nothing was run",
        ),
        (
            "auth required pam_deny.so\naccount required pam_permit.so\n",
            "nothing was run",
        ),
        (
            "auth required pam_permit.so\naccount required pam_deny.so\n",
            "nothing was run",
        ),
    ] {
        let mut other = World::new().expect("root");
        let _service = Service::new(&mut other, lines);
        let tool = other.install("tool", Path::new("/usr/bin/id"));
        let asks = json!({"validation": {"authentication": true}});
        other.write_policy(
            settings(None),
            vec![with(rule("r1", "user_confirmed", &tool), asks)],
        );
        other.start();
        let output = other.ran(&anna, &[&tool.to_string_lossy(), "-u"]);
        assert!(
            text(&output.stderr).contains(expected),
            "{lines}: {output:?}"
        );
        assert!(output.stdout.is_empty());
        assert_eq!(
            other.last_of(1).start.outcome(),
            v1::Outcome::Denied,
            "{lines}"
        );
    }
}

#[test]
fn without_a_terminal_nobody_can_authenticate() {
    let Some(device) = Asking::confirmed() else {
        return;
    };
    let tool = device.world.path("bin/tool").to_string_lossy().into_owned();
    let output = device.world.ran(&device.anna, &[&tool, "-c", "id -u"]);
    assert!(
        output.stdout.is_empty() && output.status.code() == Some(1),
        "{output:?}"
    );
    assert_eq!(device.last_of(1).start.outcome(), v1::Outcome::Cancelled);
}

#[test]
fn the_file_that_install_writes_asks_for_the_password_that_the_system_knows() {
    let installed = |world: &World| {
        let root = world.path("installed");
        let shared = root.join("etc/pam.d");
        fs::create_dir_all(&shared).expect("made");
        for file in fs::read_dir("/etc/pam.d").expect("it is there").flatten() {
            let name = file.file_name();
            if name.to_string_lossy().contains("common-") || name == "system-auth" {
                fs::copy(file.path(), shared.join(name)).expect("it can be copied");
            }
        }
        let mut install = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        install
            .args(["install", "--policy", "/etc/p.yaml", "--root"])
            .arg(&root);
        run(&mut install).expect("it is installed");
        fs::read_to_string(shared.join("epm-elevate")).expect("it was written")
    };
    let by_password = json!({"validation": {"authentication": true}});
    let Some(asking) = Asking::by("user_confirmed", by_password, installed) else {
        return;
    };
    let (seen, status) = asking.answers(&["falsch", PASSWORD]);
    assert!(status.success(), "{seen}");
    assert!(seen.lines().any(|line| line.trim() == "0"), "{seen}");
    assert!(asking.last_of(1).start.validated_authentication);
}
