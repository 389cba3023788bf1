//! What each kind of rule does to a real user, and that the record says what happened.

use std::path::Path;
use std::process::Output;

use epm_proto::v1;
use serde_json::{Value, json};

use super::people::User;
use super::pty::Terminal;
use super::world::{ADMINISTRATORS, Recorded, World, contents, rule, text, with};

const ID: &str = "/usr/bin/id";

/// What `elevate id -u` said: the user that it ran as, where it ran.
fn ran_as(output: &Output) -> Option<String> {
    output.status.success().then(|| text(&output.stdout))
}

fn refused(output: &Output, words: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("elevate: ") && said.contains(words),
        "{said}"
    );
    assert_eq!(text(&output.stdout), "", "nothing ran");
}

fn exit_code(recorded: &Recorded) -> Option<i64> {
    recorded.exit.as_ref().and_then(|exit| exit.result_code)
}

/// One program, one rule.
fn one(elevation_type: &str, changes: Value) -> Option<World> {
    World::with(None, |world| {
        let program = world.install("tool", Path::new(ID));
        vec![with(rule("r1", elevation_type, &program), changes.clone())]
    })
}

fn tool(world: &World) -> String {
    world.path("bin/tool").to_string_lossy().into_owned()
}

#[test]
fn an_automatic_rule_runs_the_program_as_root_without_a_question_and_says_so() {
    let Some(world) = one("automatic", json!({})) else {
        return;
    };
    let anna = User::new("");
    let output = world.ran(&anna, &[&tool(&world), "-u"]);
    assert_eq!(ran_as(&output).as_deref(), Some("0"), "{output:?}");
    let recorded = world.last_of(1);
    let start = &recorded.start;
    assert_eq!(start.outcome(), v1::Outcome::Elevated);
    assert_eq!(start.management(), v1::Management::Managed);
    assert_eq!(start.decision_source(), v1::DecisionSource::Rule);
    assert_eq!(start.elevation_type(), v1::ElevationType::Automatic);
    assert_eq!(start.run_as(), v1::RunAs::Root);
    assert_eq!(start.account_class(), v1::AccountClass::Person);
    assert_eq!(start.sensor(), v1::SensorKind::Broker);
    let user = recorded.user();
    assert_eq!(
        (&user.user_name_raw, &user.user_id),
        (&anna.name, &anna.uid.to_string())
    );
    assert_eq!(
        (&*user.target_user_name, &*user.target_user_id),
        ("root", "0")
    );
    assert_eq!(user.is_local_admin, Some(false));
    let file = recorded.file();
    assert_eq!((&*file.path, &*file.file_name), (&*tool(&world), "tool"));
    assert_eq!(file.arguments, "-u");
    let expected = super::world::hash(&world.path("bin/tool"));
    let found: String = file
        .sha256
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(found, expected, "the file that ran");
    let policy = recorded.policy();
    assert_eq!((&*policy.rule_id, &*policy.policy_id), ("r1", "policy 0"));
    assert_eq!(
        (&*policy.policy_version, &*policy.rule_name),
        ("1", "rule r1")
    );
    assert_eq!(recorded.process().working_directory, "/");
    assert_eq!(exit_code(&recorded), Some(0));
}

#[test]
fn a_confirmed_rule_asks_at_the_terminal_and_runs_only_on_yes() {
    let Some(world) = one("user_confirmed", json!({})) else {
        return;
    };
    let anna = User::new("");
    let ask = || Terminal::run(&world.elevate(&anna, &[&tool(&world), "-u"]), anna.uid);
    let mut yes = ask();
    yes.sees("as administrator? [y/N] ");
    yes.types("y\n");
    let (seen, status) = yes.ends();
    assert!(
        status.success() && seen.lines().any(|line| line == "0"),
        "{seen}"
    );
    let recorded = world.last_of(1);
    assert_eq!(
        recorded.start.elevation_type(),
        v1::ElevationType::UserConfirmed
    );
    assert!(!recorded.start.validated_justification && recorded.start.justification.is_empty());
    assert_ne!(
        recorded.process().terminal,
        "",
        "a person asked at a terminal"
    );
    for answer in ["n\n", "\n", "yess\n", "\u{4}"] {
        let mut no = ask();
        no.sees("[y/N] ");
        no.types(answer);
        let (seen, status) = no.ends();
        assert_eq!(status.code(), Some(1), "{seen}");
        assert!(seen.contains("cancelled; nothing was run"), "{seen}");
    }
    let recorded = world.last_of(5);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Cancelled);
    assert_eq!(recorded.start.reason, "cancelled");
}

#[test]
fn without_a_terminal_nobody_confirms() {
    let Some(world) = one("user_confirmed", json!({})) else {
        return;
    };
    let output = world.ran(&User::new(""), &[&tool(&world), "-u"]);
    refused(&output, "cancelled");
    assert_eq!(world.last_of(1).start.outcome(), v1::Outcome::Cancelled);
}

#[test]
fn a_rule_that_asks_for_a_reason_gets_one_of_at_most_256_characters_and_records_it() {
    let needs_reason = json!({"validation": {"business_justification": true}});
    let Some(world) = one("user_confirmed", needs_reason) else {
        return;
    };
    let anna = User::new("");
    let with_reason = |reason: &str| world.ran(&anna, &["--reason", reason, &tool(&world), "-u"]);
    assert_eq!(ran_as(&with_reason("ticket 17")).as_deref(), Some("0"));
    let recorded = world.last_of(1);
    assert_eq!(recorded.start.justification, "ticket 17");
    assert!(recorded.start.validated_justification);
    // Characters, not bytes.
    assert_eq!(ran_as(&with_reason(&"ü".repeat(256))).as_deref(), Some("0"));
    refused(&with_reason(&"x".repeat(257)), "at most 256");
    assert_eq!(world.last_of(3).start.reason, "justification_too_long");
    refused(&with_reason("   "), "a reason is needed");
    assert_eq!(world.last_of(4).start.reason, "no_justification");
    let mut typed = Terminal::run(&world.elevate(&anna, &[&tool(&world), "-u"]), anna.uid);
    typed.sees("Why do you need to run");
    typed.types("to see\n");
    let (seen, status) = typed.ends();
    assert!(status.success(), "{seen}");
    assert_eq!(world.last_of(5).start.justification, "to see");
}

#[test]
fn a_deny_rule_refuses_whoever_asks_and_whatever_else_allows() {
    let world = World::with(None, |world| {
        let program = world.install("tool", Path::new(ID));
        vec![
            rule("allow", "automatic", &program),
            rule("deny", "deny", &program),
        ]
    });
    let Some(world) = world else {
        return;
    };
    let output = world.ran(&User::new(""), &[&tool(&world), "-u"]);
    refused(&output, "rule \"rule deny\" denies it");
    let recorded = world.last_of(1);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Denied);
    assert_eq!(recorded.start.elevation_type(), v1::ElevationType::Deny);
    assert_eq!(recorded.start.reason, "deny_rule");
    assert_eq!(recorded.policy().rule_id, "deny");
    assert!(
        recorded
            .policy()
            .candidate_rule_ids
            .contains(&"allow".to_owned())
    );
    assert_eq!(recorded.start.run_as(), v1::RunAs::Unspecified);
}

#[test]
fn arguments_outside_a_rules_list_are_denied_and_listed_ones_and_none_run() {
    let Some(world) = one("automatic", json!({"allowed_arguments": ["-u", "-r"]})) else {
        return;
    };
    let anna = User::new("");
    let of = |arguments: &[&str]| {
        let tool = tool(&world);
        let words: Vec<_> = [&*tool]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        world.ran(&anna, &words)
    };
    assert_eq!(ran_as(&of(&["-u"])).as_deref(), Some("0"));
    assert_eq!(ran_as(&of(&["-u", "-r"])).as_deref(), Some("0"));
    assert!(ran_as(&of(&[])).is_some_and(|said| said.starts_with("uid=0(root)")));
    for unlisted in [
        &["-g"][..],
        &["-u", "-g"],
        &["-ur"],
        &["-U"],
        &["-u", ""],
        &["-u "],
    ] {
        refused(&of(unlisted), "but not with these arguments");
    }
    let recorded = world.last_of(9);
    assert_eq!(recorded.start.reason, "unlisted_argument");
    assert_eq!(recorded.file().arguments, "'-u '");
}

#[test]
fn without_a_rule_the_default_response_answers_and_deny_is_the_default_of_it() {
    let Some(mut world) = World::with(None, |_| Vec::new()) else {
        return;
    };
    world.install("tool", Path::new(ID));
    let anna = User::new("");
    let run = |world: &World| world.ran(&anna, &[&tool(world), "-u"]);
    refused(&run(&world), "no rule lets you run");
    let denied = world.last_of(1).start;
    assert_eq!(
        denied.decision_source(),
        v1::DecisionSource::DefaultResponse
    );
    assert_eq!(
        (denied.outcome(), &*denied.reason),
        (v1::Outcome::Denied, "default_response")
    );
    world.change_policy(Some("deny_all"), Vec::new());
    refused(&run(&world), "no rule lets you run");
    world.change_policy(Some("support_approval"), Vec::new());
    refused(&run(&world), "needs the approval of your support");
    let asked = world.last_of(3).start;
    assert_eq!(asked.elevation_type(), v1::ElevationType::SupportApproved);
    assert_eq!(
        (asked.outcome(), &*asked.reason),
        (v1::Outcome::Denied, "approval_required")
    );
    world.change_policy(Some("user_confirmation"), Vec::new());
    refused(&run(&world), "cancelled");
    let cancelled = world.last_of(4).start;
    assert_eq!(
        cancelled.decision_source(),
        v1::DecisionSource::DefaultResponse
    );
    assert_eq!(cancelled.outcome(), v1::Outcome::Cancelled);
}

#[test]
fn administrators_are_not_managed_even_where_a_rule_matches() {
    let Some(world) = one("automatic", json!({})) else {
        return;
    };
    let output = world.ran(&User::new(ADMINISTRATORS), &[&tool(&world), "-u"]);
    refused(&output, "you are an administrator of this device");
    let recorded = world.last_of(1);
    assert_eq!(recorded.start.management(), v1::Management::Unmanaged);
    assert_eq!(
        recorded.start.elevation_type(),
        v1::ElevationType::Unmanaged
    );
    assert_eq!(recorded.start.reason, "local_administrator");
    assert_eq!(recorded.user().is_local_admin, Some(true));
}

#[test]
fn a_rule_that_has_expired_or_has_not_begun_elevates_nothing() {
    for window in [
        json!({"expires_s": 1_000}),
        json!({"not_before_s": 4_102_444_800_i64}),
    ] {
        let Some(world) = one("automatic", json!({"conditions": {"time": window}})) else {
            return;
        };
        refused(
            &world.ran(&User::new(""), &[&tool(&world), "-u"]),
            "no rule lets you run",
        );
        assert_eq!(world.last_of(1).policy().rule_id, "");
    }
}

#[test]
fn a_rule_that_only_reports_elevates_nothing_and_says_what_it_would_have_done() {
    let Some(world) = one("automatic", json!({"report_only": true})) else {
        return;
    };
    refused(
        &world.ran(&User::new(""), &[&tool(&world), "-u"]),
        "no rule lets you run",
    );
    let recorded = world.last_of(1);
    assert_eq!(recorded.start.outcome(), v1::Outcome::Denied);
    assert!(
        recorded.start.reason.contains("rule r1 only reports"),
        "{}",
        recorded.start.reason
    );
}

#[test]
fn a_policy_that_only_reports_keeps_all_its_rules_from_acting() {
    let Some(mut world) = World::new() else {
        return;
    };
    let program = world.install("tool", Path::new(ID));
    world.write_policy(
        super::world::settings(None),
        vec![rule("r1", "automatic", &program)],
    );
    let text_of = std::fs::read_to_string(world.policy()).expect("it can be read");
    let mut policies: Value = serde_json::from_str(&text_of).expect("it is JSON");
    policies["rules"][0]["report_only"] = json!(true);
    world.write_policy_file(&policies.to_string());
    world.start();
    let output = world.ran(&User::new(""), &[&tool(&world), "-u"]);
    refused(&output, "no rule lets you run");
    let reason = world.last_of(1).start.reason;
    assert!(reason.contains("rule r1 only reports"), "{reason}");
}

#[test]
fn settings_that_are_disabled_manage_nothing() {
    let Some(mut world) = World::new() else {
        return;
    };
    let program = world.install("tool", Path::new(ID));
    let disabled = with(super::world::settings(None), json!({"enabled": false}));
    world.write_policy(disabled, vec![rule("r1", "automatic", &program)]);
    world.start();
    let output = world.ran(&User::new(""), &[&tool(&world), "-u"]);
    refused(&output, "elevation is not managed on this device");
    // Nothing of people leaves a device that is not managed.
    assert!(world.recorded().is_empty());
}

#[test]
fn settings_that_were_just_enabled_elevate_nothing_without_its_record() {
    let Some(mut world) = World::new() else {
        return;
    };
    let program = world.install("tool", Path::new(ID));
    let disabled = with(super::world::settings(None), json!({"enabled": false}));
    world.write_policy(disabled, Vec::new());
    world.start();
    world.change_policy(None, vec![rule("r1", "automatic", &program)]);
    let output = world.ran(&User::new(""), &[&tool(&world), "-u"]);
    assert_eq!(ran_as(&output).as_deref(), Some("0"), "{output:?}");
    assert_eq!(world.last_of(1).start.outcome(), v1::Outcome::Elevated);
}

#[test]
fn a_file_with_other_bytes_than_the_rules_hash_is_not_the_rules_file() {
    let Some(world) = one("automatic", json!({})) else {
        return;
    };
    let anna = User::new("");
    let tool = tool(&world);
    assert!(ran_as(&world.ran(&anna, &[&tool, "-u"])).is_some());
    // The same name and place, and the facts of the old file were kept.
    world.script("tool", "id -u");
    refused(&world.ran(&anna, &[&tool, "-u"]), "no rule lets you run");
    world.install("tool", Path::new(ID));
    assert!(ran_as(&world.ran(&anna, &[&tool, "-u"])).is_some());
}

#[test]
fn a_rule_for_one_user_is_not_for_another() {
    let Some(mut world) = World::new() else {
        return;
    };
    let (anna, bert) = (User::new(""), User::new(""));
    let program = world.install("tool", Path::new(ID));
    let rules = vec![rule("r1", "automatic", &program)];
    world.write_policies(super::world::settings(None), Vec::new(), rules, &anna);
    world.start();
    assert!(ran_as(&world.ran(&anna, &[&tool(&world), "-u"])).is_some());
    refused(
        &world.ran(&bert, &[&tool(&world), "-u"]),
        "no rule lets you run",
    );
    assert_eq!(world.last_of(2).user().user_id, bert.uid.to_string());
}

#[test]
fn a_script_and_a_users_own_file_run_as_they_were_judged() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let script = world.script("script", "id -u; echo \"$@\"");
    let own = world.open_folder().join("own");
    std::fs::copy(ID, &own).expect("it can be copied");
    std::os::unix::fs::chown(&own, Some(anna.uid), None).expect("it is ours");
    let rules = vec![
        rule("script", "automatic", &script),
        rule("own", "automatic", &own),
    ];
    world.write_policy(super::world::settings(None), rules);
    world.start();
    let said = world.ran(&anna, &[&script.to_string_lossy(), "a b", "c"]);
    assert_eq!(text(&said.stdout), "0\na b c", "{said:?}");
    let said = world.ran(&anna, &[&own.to_string_lossy(), "-u"]);
    assert_eq!(ran_as(&said).as_deref(), Some("0"), "{said:?}");
    assert_eq!(world.last_of(2).file().path_writable_by_user, Some(true));
}

#[test]
fn a_program_that_is_not_there_is_told_and_is_no_elevation() {
    let Some(world) = one("automatic", json!({})) else {
        return;
    };
    let anna = User::new("");
    refused(&world.ran(&anna, &["no-such-program"]), "command not found");
    refused(&world.ran(&anna, &["/"]), "not a regular file");
    let closed = world.path("bin/closed");
    std::fs::write(&closed, "x").expect("it can be written");
    refused(
        &world.ran(&anna, &[&closed.to_string_lossy()]),
        "nobody may execute it",
    );
    assert!(world.recorded().is_empty());
    assert_eq!(contents(&closed), "x");
}
