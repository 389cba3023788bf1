//! Tricks with files: which one is judged, which one runs, and what can be learnt of others.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Child, Command};

use epm_proto::v1;

use super::super::people::User;
use super::super::world::{World, copy, rule, settings, text};
use super::{can_speak, client, is_refused, is_root};
use crate::components::run;

/// Tries of a race: the window is wide, since a file is read several times.
const TRIES: usize = 60;

/// A process of the test that is ended with it.
struct Attacker(Child);

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file system that is taken away again.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).output();
    }
}

fn attack(user: &User, script: &str) -> Attacker {
    let mut command = user.command("/bin/sh");
    Attacker(command.args(["-c", script]).spawn().expect("it runs"))
}

#[test]
fn a_link_that_is_turned_while_it_is_judged_never_runs_another_file() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let good = world.script("good", "echo good");
    world.write_policy(settings(None), vec![rule("good", "automatic", &good)]);
    world.start();
    let open = world.open_folder();
    let (evil, link) = (open.join("evil"), open.join("link"));
    fs::write(&evil, "#!/bin/sh\necho evil\n").expect("it can be written");
    fs::set_permissions(&evil, Permissions::from_mode(0o755)).expect("it is ours");
    let turning = format!(
        "cd {}; while :; do ln -s {} a; mv -T a link; ln -s {} b; mv -T b link; done",
        open.display(),
        good.display(),
        evil.display()
    );
    symlink(&good, &link).expect("a link");
    chown_link(&link, &anna);
    let _attacker = attack(&anna, &turning);
    let mut ran = 0;
    for _ in 0..TRIES {
        let output = world.ran(&anna, &[&link.to_string_lossy()]);
        let good = output.status.success() && text(&output.stdout) == "good";
        assert!(good || is_refused(&output), "{output:?}");
        ran += usize::from(good);
    }
    assert!(ran > 0, "both ends of the link were met");
    let recorded = world.recorded();
    let elevated = recorded
        .iter()
        .filter(|one| one.start.outcome() == v1::Outcome::Elevated);
    assert_eq!(elevated.count(), ran);
}

fn chown_link(link: &Path, user: &User) {
    std::os::unix::fs::lchown(link, Some(user.uid), Some(user.gid)).expect("it is ours");
}

#[test]
fn a_users_file_that_changes_while_it_is_judged_never_runs_changed() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let own = world.open_folder().join("own");
    let good = "#!/bin/sh\necho good\n";
    fs::write(&own, good).expect("it can be written");
    fs::set_permissions(&own, Permissions::from_mode(0o755)).expect("it is ours");
    chown(&own, Some(anna.uid), None).expect("it is ours");
    world.write_policy(settings(None), vec![rule("own", "automatic", &own)]);
    world.start();
    let evil = good.replace("good", "evil");
    // In place: the same file, the same size, at any moment.
    let changing = format!(
        "exec 9<>{0}; while :; do printf '{1}' > /proc/self/fd/9; printf '{2}' > /proc/self/fd/9; done",
        own.display(),
        evil.replace('\n', "\\n"),
        good.replace('\n', "\\n")
    );
    let _attacker = attack(&anna, &changing);
    let mut ran = 0;
    for _ in 0..TRIES {
        let output = world.ran(&anna, &[&own.to_string_lossy()]);
        assert!(!text(&output.stdout).contains("evil"), "{output:?}");
        ran += usize::from(text(&output.stdout) == "good");
    }
    let recorded = world.recorded();
    let elevated = recorded
        .iter()
        .filter(|one| one.start.outcome() == v1::Outcome::Elevated);
    assert_eq!(elevated.count(), ran);
}

#[test]
fn no_other_form_of_a_path_passes_a_deny_rule_by() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/id"));
    world.write_policy(
        settings(Some("user_confirmation")),
        vec![rule("no", "deny", &tool)],
    );
    world.start();
    let bin = tool
        .parent()
        .expect("a folder")
        .to_string_lossy()
        .into_owned();
    let link = world.open_folder().join("link");
    symlink(&tool, &link).expect("a link");
    symlink(&bin, world.open_folder().join("folder")).expect("a link");
    let forms = [
        format!("{bin}/./tool"),
        format!("{bin}//tool"),
        format!("{bin}/../bin/tool"),
        format!("/proc/self/root{bin}/tool"),
        link.to_string_lossy().into_owned(),
        world
            .open_folder()
            .join("folder/tool")
            .to_string_lossy()
            .into_owned(),
    ];
    for form in &forms {
        let output = world.ran(&anna, &["--reason", "x", form]);
        assert!(is_refused(&output), "{form}: {output:?}");
    }
    for recorded in world.recorded() {
        assert_eq!(recorded.policy().rule_id, "no");
        assert_eq!(
            recorded.file().path,
            tool.to_string_lossy(),
            "one file has one path"
        );
    }
    assert_eq!(world.recorded().len(), forms.len());
}

#[test]
fn a_program_that_goes_by_its_name_is_told_where_it_is_and_not_what_a_user_calls_it() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/bin/sh"));
    world.write_policy(settings(None), vec![rule("tool", "automatic", &tool)]);
    world.start();
    let called = world.open_folder().join("passwd");
    symlink(&tool, &called).expect("a link");
    let output = world.ran(&anna, &[&called.to_string_lossy(), "-c", "echo $0"]);
    assert_eq!(text(&output.stdout), tool.to_string_lossy());
}

#[test]
fn nothing_is_told_of_files_that_a_user_cannot_reach() {
    let Some(world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    let closed = world.path("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("it is ours");
    fs::copy("/usr/bin/id", closed.join("there")).expect("it can be copied");
    let say = |name: &str| {
        let output = world.ran(&anna, &[&closed.join(name).to_string_lossy()]);
        assert!(is_refused(&output), "{output:?}");
        text(&output.stderr).replace(name, "NAME")
    };
    assert_eq!(say("there"), say("not-there"));
    assert!(world.recorded().is_empty());
}

#[test]
fn a_file_system_that_forbids_running_forbids_it_here_too() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let place = world.path("mounted");
    fs::create_dir(&place).expect("a folder");
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "noexec,mode=1777", "none"])
        .arg(&place);
    run(&mut mount).expect("a file system");
    let _mounted = Mounted(&place);
    let own = place.join("own");
    copy(Path::new("/usr/bin/id"), &own);
    chown(&own, Some(anna.uid), None).expect("it is ours");
    world.write_policy(settings(None), vec![rule("own", "automatic", &own)]);
    world.start();
    let output = world.ran(&anna, &[&own.to_string_lossy(), "-u"]);
    assert!(is_refused(&output), "{output:?}");
    assert!(
        text(&output.stderr).contains("nothing may be run"),
        "{output:?}"
    );
}

#[test]
fn whoever_has_other_folders_under_the_same_names_is_not_served() {
    let Some(mut world) = World::new() else {
        return;
    };
    if can_speak().is_none() {
        return;
    }
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/id"));
    world.write_policy(settings(None), vec![rule("tool", "automatic", &tool)]);
    world.start();
    let elevate = world.path("bin/elevate");
    // Every user may make namespaces of its own where the system lets it, and mount over any file there. `elevate` then
    // does not know who root is, so that another program asks.
    let script = format!(
        "c = connect(); send(c, ask(['{}', '-u']), given()); sys.stderr.write(str(everything(c))); sys.exit(1)",
        tool.display()
    );
    let client = client(&world, &anna, &script);
    let mut inside = anna.command("unshare");
    inside
        .args(["--user", "--mount", "--map-current-user"])
        .args(
            client
                .get_args()
                .skip_while(|word| *word != "/usr/bin/python3"),
        );
    // Root can make them everywhere.
    let mut outside = Command::new("unshare");
    let user = anna.command(&elevate.to_string_lossy());
    outside
        .args(["--mount", "--"])
        .arg(user.get_program())
        .args(user.get_args())
        .arg(&tool);
    // A folder that is another root to it (as in CVE-2025-32463).
    let root = world.path("root");
    for folder in ["bin", "lib", "lib64"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let needed = run(Command::new("ldd").arg(&elevate)).expect("ldd");
    for library in needed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let to = root.join(&library[1..]);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        copy(Path::new(library), &to);
    }
    copy(&elevate, &root.join("bin/elevate"));
    fs::hard_link(world.socket(), root.join("socket")).expect("one socket under two names");
    let mut below = Command::new("chroot");
    below
        .arg(format!("--userspec={}:{}", anna.uid, anna.gid))
        .arg(&root)
        .args(["/bin/elevate", "/bin/elevate"]);
    let each = [
        (inside, world.socket(), "namespace"),
        (outside, world.socket(), "mount namespace"),
        (below, "/socket".into(), "root folder"),
    ];
    for (mut command, socket, words) in each {
        command.env("EPM_SOCKET", socket).current_dir("/");
        let output = command.output().expect("it runs");
        let said = text(&output.stderr);
        let forbidden = said.contains("unshare failed");
        assert!(
            forbidden || is_refused(&output) && said.contains(words),
            "{output:?}"
        );
    }
    assert!(is_root(&world.ran(&anna, &[&tool.to_string_lossy(), "-u"])));
}

#[test]
fn policies_that_others_than_root_can_change_are_not_used() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    world.write_policy(settings(None), Vec::new());
    let refused = |world: &World, words: &str| {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
        agent
            .args(["run", "--sudo-log-server", "off"])
            .arg("--policy")
            .arg(world.policy())
            .arg("--state")
            .arg(world.state())
            .arg("--socket")
            .arg(world.socket());
        let output = agent.output().expect("it ends");
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(words), "{output:?}");
    };
    chown(world.policy(), Some(anna.uid), None).expect("it is ours");
    refused(&world, "can be changed by others than root");
    chown(world.policy(), Some(0), None).expect("it is ours");
    fs::set_permissions(world.policy(), Permissions::from_mode(0o666)).expect("it is ours");
    refused(&world, "can be changed by others than root");
    fs::set_permissions(world.policy(), Permissions::from_mode(0o644)).expect("it is ours");
    fs::set_permissions(world.path(""), Permissions::from_mode(0o777)).expect("it is ours");
    refused(&world, "can be changed by others than root");
    fs::set_permissions(world.path(""), Permissions::from_mode(0o755)).expect("it is ours");
    world.start();
}

#[test]
fn older_and_broken_policies_leave_the_last_good_ones_in_force() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let tool = world.install("tool", Path::new("/usr/bin/id"));
    let deny = vec![rule("no", "deny", &tool)];
    let allow = vec![rule("yes", "automatic", &tool)];
    world.write_policy(settings(None), allow);
    let older = fs::read_to_string(world.policy()).expect("it can be read");
    world.write_policy(settings(None), deny);
    world.start();
    world.status_until("running", "policies of version 2");
    for text in [&*older, "{", "", "version: 99"] {
        world.write_policy_file(text);
        world.hear("the policies stay as they are");
        let output = world.ran(&anna, &[&tool.to_string_lossy(), "-u"]);
        assert!(is_refused(&output), "{output:?}");
    }
    fs::remove_file(world.policy()).expect("it is there");
    world.hear("the policies stay as they are");
    assert!(is_refused(
        &world.ran(&anna, &[&tool.to_string_lossy(), "-u"])
    ));
    world.status_until("failing", "policies stay at version 2");
    for recorded in world.recorded() {
        assert_eq!(recorded.policy().rule_id, "no");
        assert_eq!(recorded.policy().policy_version, "2");
    }
}

#[test]
fn what_the_agent_keeps_is_closed_to_users() {
    let Some(world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    let anna = User::new("");
    for path in ["elevations", "spool", "agent-id"] {
        let path = world.state().join(path);
        let look = anna.command("ls").arg(&path).output().expect("it runs");
        let touch = anna
            .command("touch")
            .arg(path.join("x"))
            .output()
            .expect("it runs");
        assert!(!touch.status.success(), "{}", path.display());
        assert!(
            !look.status.success() || !path.exists(),
            "{}",
            path.display()
        );
    }
    for change in ["rm -f", "mv -t /tmp"] {
        let script = format!("{change} {}", world.socket().display());
        let output = anna.command("/bin/sh").args(["-c", &script]).output();
        assert!(!output.expect("it runs").status.success(), "{change}");
    }
    let mode = fs::metadata(world.socket())
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o666, "who asks, the kernel says");
}
