//! What an elevated program may start: by rules of its own, nothing, or everything.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::Path;

use epm_proto::v1;
use serde_json::{Value, json};

use super::people::User;
use super::pty::Terminal;
use super::world::{Recorded, World, rule, settings, text, with};

/// A device on which Anna may run a shell that is confined so, and its children by these rules.
struct Confined {
    anna: User,
    world: World,
}

impl Confined {
    fn new(behaviour: &str, rules: impl Fn(&World) -> Vec<Value>) -> Option<Self> {
        let mut world = World::new()?;
        let shell = world.install("sh", Path::new("/bin/sh"));
        let mut all = rules(&world);
        all.push(with(
            rule("shell", "automatic", &shell),
            json!({"child_behaviour": behaviour}),
        ));
        world.write_policy(settings(None), all);
        world.start();
        Some(Self {
            anna: User::new(""),
            world,
        })
    }

    fn says(&self, script: &str) -> String {
        let sh = self.world.path("bin/sh").to_string_lossy().into_owned();
        let output = self.world.ran(&self.anna, &[&sh, "-c", script]);
        text(&output.stdout)
    }

    /// The records of what it started, once it has ended.
    fn children(&self) -> Vec<Recorded> {
        self.world.journal_until_empty();
        let mut recorded = self.world.recorded();
        let is_child = |one: &Recorded| one.process().process_type() == v1::ProcessType::Child;
        recorded.retain(is_child);
        recorded
    }
}

fn id() -> Value {
    rule("id", "automatic", Path::new("/usr/bin/id"))
}

#[test]
fn under_require_rule_a_child_runs_by_a_rule_of_its_own_and_no_other_way() {
    let Some(device) = Confined::new("require_rule", |_| vec![id()]) else {
        return;
    };
    let said = device.says("id -u; whoami; echo code=$?; /usr/bin/id -u; env id -u; echo code=$?");
    assert_eq!(said, "0\ncode=126\n0\ncode=126");
    let children = device.children();
    let of = |name: &str| -> Vec<&Recorded> {
        children
            .iter()
            .filter(|one| one.file().file_name == name)
            .collect()
    };
    let (ran, refused) = (of("id"), of("whoami"));
    assert_eq!(ran.len(), 2, "{children:#?}");
    assert!(
        !refused.is_empty() && !of("env").is_empty(),
        "{children:#?}"
    );
    for one in &ran {
        assert_eq!(one.start.outcome(), v1::Outcome::Elevated);
        assert_eq!(one.policy().rule_id, "id");
        assert_eq!(one.file().arguments, "-u");
        assert_eq!(one.user().user_id, device.anna.uid.to_string());
        assert_eq!(
            one.process().parent_path,
            device.world.path("bin/sh").to_string_lossy()
        );
    }
    assert_eq!(refused[0].start.outcome(), v1::Outcome::Denied);
    assert_eq!(refused[0].start.reason, "no_rule");
}

#[test]
fn require_rule_is_what_a_rule_without_a_word_about_children_means() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let shell = world.install("sh", Path::new("/bin/sh"));
    let mut plain = rule("shell", "automatic", &shell);
    plain
        .as_object_mut()
        .expect("an object")
        .remove("child_behaviour");
    world.write_policy(settings(None), vec![plain]);
    world.start();
    let output = world.ran(
        &anna,
        &[
            &shell.to_string_lossy(),
            "-c",
            "echo $$; whoami; echo code=$?",
        ],
    );
    assert!(text(&output.stdout).ends_with("code=126"), "{output:?}");
}

#[test]
fn under_deny_all_nothing_is_started_whatever_rules_say() {
    let Some(device) = Confined::new("deny_all", |_| vec![id()]) else {
        return;
    };
    assert_eq!(
        device.says("id -u; echo code=$?; (exec id -u); echo code=$?"),
        "code=126\ncode=126"
    );
    let children = device.children();
    assert!(
        children
            .iter()
            .all(|one| one.start.outcome() == v1::Outcome::Denied)
    );
    assert_eq!(children[0].start.reason, "child_denied_elevation");
}

#[test]
fn under_allow_all_everything_is_started_deny_rules_included() {
    let deny = |_: &World| vec![rule("no", "deny", Path::new("/usr/bin/id"))];
    let Some(device) = Confined::new("allow_all", deny) else {
        return;
    };
    assert_eq!(device.says("id -u; whoami"), "0\nroot");
}

#[test]
fn a_childs_own_rule_says_what_its_children_may() {
    let free = |world: &World| {
        let free = world.script("free", "whoami; id -u");
        let tight = world.script("tight", "whoami; echo code=$?");
        vec![
            rule("free", "automatic", &free),
            with(
                rule("tight", "automatic", &tight),
                json!({"child_behaviour": "deny_all"}),
            ),
            rule("whoami", "automatic", Path::new("/usr/bin/whoami")),
        ]
    };
    let Some(device) = Confined::new("require_rule", free) else {
        return;
    };
    let (free, tight) = (
        device.world.path("bin/free"),
        device.world.path("bin/tight"),
    );
    let script = format!(
        "{}; {}; whoami; id -u; echo code=$?",
        free.display(),
        tight.display()
    );
    assert_eq!(device.says(&script), "root\n0\ncode=126\nroot\ncode=126");
}

#[test]
fn a_process_whose_parents_ended_may_start_no_more_than_the_least_of_them() {
    let rules = |world: &World| {
        let orphan = "(while read -r id name state parent rest </proc/self/stat && [ $parent = $$ ]; do :; done; \
                      whoami; echo code=$?) &";
        let tight = world.script("tight", orphan);
        vec![
            with(
                rule("tight", "automatic", &tight),
                json!({"child_behaviour": "deny_all"}),
            ),
            rule("whoami", "automatic", Path::new("/usr/bin/whoami")),
        ]
    };
    let Some(device) = Confined::new("require_rule", rules) else {
        return;
    };
    let script = format!(
        "echo \"$({})\"; whoami",
        device.world.path("bin/tight").display()
    );
    assert_eq!(device.says(&script), "code=126\nroot");
}

#[test]
fn deny_rules_argument_lists_and_rules_that_ask_hold_for_children() {
    let rules = |world: &World| {
        let listed = world.install("listed", Path::new("/usr/bin/id"));
        let denied = world.install("denied", Path::new("/usr/bin/id"));
        let asking = world.install("asking", Path::new("/usr/bin/id"));
        vec![
            with(
                rule("listed", "automatic", &listed),
                json!({"allowed_arguments": ["-u"]}),
            ),
            rule("denied", "deny", &denied),
            rule("also", "automatic", &denied),
            rule("asking", "user_confirmed", &asking),
        ]
    };
    let Some(device) = Confined::new("require_rule", rules) else {
        return;
    };
    let bin = device.world.path("bin");
    let script = format!(
        "cd {}; ./listed -u; ./listed -g; echo $?; ./denied -u; echo $?; ./asking -u; echo $?",
        bin.display()
    );
    assert_eq!(device.says(&script), "0\n126\n126\n126");
    let reasons: Vec<_> = device
        .children()
        .iter()
        .map(|one| one.start.reason.clone())
        .collect();
    assert_eq!(
        reasons,
        [
            "",
            "unlisted_argument",
            "deny_rule",
            "child_cannot_be_confirmed"
        ]
    );
}

#[test]
fn a_child_that_a_user_could_change_is_not_started_though_a_rule_knows_it() {
    let rules = |world: &World| {
        let own = world.open_folder().join("own");
        fs::write(&own, "#!/bin/sh\necho own\n").expect("it can be written");
        fs::set_permissions(&own, Permissions::from_mode(0o755)).expect("it is ours");
        let mut anywhere = id();
        anywhere["detection"]
            .as_object_mut()
            .expect("an object")
            .remove("file_path");
        vec![rule("own", "automatic", &own), anywhere]
    };
    let Some(device) = Confined::new("require_rule", rules) else {
        return;
    };
    let open = device.world.open_folder();
    symlink("/usr/bin/id", open.join("link")).expect("a link");
    for users in ["own", "link"] {
        lchown(open.join(users), Some(device.anna.uid), None).expect("it is ours");
    }
    let script = format!(
        "cd {0}; ./own; echo $?; ./link -u; echo $?; {0}/link -u; echo $?; /usr/bin/id -u",
        open.display()
    );
    assert_eq!(device.says(&script), "126\n126\n126\n0");
    let children = device.children();
    let refused = children
        .iter()
        .filter(|one| one.start.outcome() == v1::Outcome::Denied);
    assert!(refused.clone().count() >= 2);
    for one in refused {
        assert_eq!(one.start.reason, "file_changeable");
    }
}

#[test]
fn programs_that_are_not_there_are_not_found_as_ever() {
    let Some(device) = Confined::new("require_rule", |_| vec![id()]) else {
        return;
    };
    let said = device
        .says("no-such-program; echo $?; PATH=/nonexistent:/usr/bin id -u; /usr/bin/; echo $?");
    assert_eq!(said, "127\n0\n126");
}

#[test]
fn a_shell_that_a_program_offers_is_no_way_out() {
    let rules = |world: &World| {
        let pager = world.script(
            "pager",
            "echo 'type ! for a shell'; read line; exec /bin/bash -i",
        );
        vec![with(
            rule("pager", "automatic", &pager),
            json!({"child_behaviour": "require_rule"}),
        )]
    };
    let Some(device) = Confined::new("require_rule", rules) else {
        return;
    };
    let pager = device
        .world
        .path("bin/pager")
        .to_string_lossy()
        .into_owned();
    let command = device.world.elevate(&device.anna, &[&pager]);
    let mut person = Terminal::run(&command, device.anna.uid);
    person.sees("for a shell");
    person.types("!\n");
    let (seen, status) = person.ends();
    assert_eq!(status.code(), Some(126), "{seen}");
    assert!(seen.contains("Permission denied"), "{seen}");
}

#[test]
fn without_the_agent_nothing_more_is_started_and_what_runs_goes_on() {
    let Some(mut device) = Confined::new("require_rule", |_| vec![id()]) else {
        return;
    };
    let sh = device.world.path("bin/sh").to_string_lossy().into_owned();
    let script = "id -u; read line; id -u; echo code=$?; echo end";
    let command = device.world.elevate(&device.anna, &[&sh, "-c", script]);
    let mut person = Terminal::run(&command, device.anna.uid);
    person.sees("0\r\n");
    device.world.kill_agent();
    person.types("\n");
    let (seen, status) = person.ends();
    assert!(
        status.success() && seen.contains("code=126\r\nend"),
        "{seen}"
    );
    device.world.start();
    device.world.journal_until_empty();
    let first = device.world.recorded().remove(0);
    assert_eq!(first.exit.and_then(|exit| exit.result_code), Some(0));
}

#[test]
fn what_is_refused_again_and_again_is_recorded_twice_with_its_count() {
    let Some(device) = Confined::new("require_rule", |_| Vec::new()) else {
        return;
    };
    let said =
        device.says("n=0; while [ $n -lt 500 ]; do whoami; n=$((n+1)); done 2>/dev/null; echo $n");
    assert_eq!(said, "500");
    let counts: Vec<_> = device
        .children()
        .iter()
        .map(|one| one.start.repeat_count)
        .collect();
    // A shell tries every folder of its PATH where the file is, and several may be one.
    let (tries, rest) = (
        counts.iter().sum::<u32>() / 500,
        counts.iter().sum::<u32>() % 500,
    );
    assert!(counts.len() == 2 && tries > 0 && rest == 0, "{counts:?}");
}

#[test]
fn processes_beside_each_other_are_each_asked_about() {
    let Some(device) = Confined::new("require_rule", |_| vec![id()]) else {
        return;
    };
    let script =
        "for n in 1 2 3 4 5 6 7 8; do (id -u; whoami; exec id -u) & done 2>/dev/null; wait";
    let said = device.says(script);
    assert_eq!(
        said.lines().filter(|line| *line == "0").count(),
        16,
        "{said}"
    );
    let elevated = device.children();
    let elevated = elevated
        .iter()
        .filter(|one| one.start.outcome() == v1::Outcome::Elevated);
    assert_eq!(elevated.count(), 16);
}
