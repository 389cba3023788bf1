//! The agent is killed at every step of an elevation: nothing runs without its record, and nothing that was recorded stays
//! without an end.

use std::path::PathBuf;
use std::process::Command;

use epm_proto::v1;
use serde_json::json;

use super::people::User;
use super::pty::Terminal;
use super::world::{Recorded, World, contents, rule, text, with};

/// Names the step at which the agent kills itself.
const CRASH_AT: &str = "EPM_TEST_CRASH_AT";
/// The steps, in their order.
const STEPS: [&str; 8] = [
    "asked",
    "judged",
    "answered",
    "journaled",
    "recorded",
    "ordered",
    "ended",
    "concluded",
];
/// What `epm-agent` records for a program that was allowed and did not start.
const NOT_STARTED: i64 = 126;

fn mark(world: &World) -> PathBuf {
    world.path("mark")
}

/// A program that leaves a mark, and needs no other program for it.
fn marking(children: &str) -> Option<World> {
    World::with(None, |world| {
        let script = world.script("tool", &format!("echo ran >> {}", mark(world).display()));
        let confined = json!({"child_behaviour": children});
        vec![with(rule("r1", "automatic", &script), confined)]
    })
}

/// Waits until every elevation has its end, in the journal too.
fn settled(world: &World) -> Vec<Recorded> {
    world.journal_until_empty();
    let recorded = world.recorded();
    let elevated = |one: &&Recorded| one.start.outcome() == v1::Outcome::Elevated;
    for one in recorded.iter().filter(elevated) {
        assert!(one.exit.is_some(), "{one:?}");
    }
    recorded
}

#[test]
fn killed_at_any_step_nothing_runs_without_its_record_and_no_record_stays_without_an_end() {
    for children in ["allow_all", "require_rule"] {
        if let Some(world) = marking(children) {
            killed_at_every_step(world);
        }
    }
}

fn killed_at_every_step(mut world: World) {
    let anna = User::new("");
    let tool = world.path("bin/tool").to_string_lossy().into_owned();
    let (mut ran, mut count) = (0, 0);
    world.kill_agent();
    for step in STEPS {
        world.start_with(&[(CRASH_AT, step)]);
        let output = world.ran(&anna, &[&tool]);
        assert!(!world.agent_ended().success(), "{step} was reached");
        let marks = contents(&mark(&world)).lines().count();
        let has_run = marks > ran;
        assert!(marks - ran <= 1, "{step}: it ran once");
        ran = marks;
        if has_run {
            // Before anything else writes: what was durable when it ran.
            let starts = world.recorded().len();
            assert_eq!(starts, count + 1, "{step}: it ran, so it is recorded");
        }
        world.start();
        let recorded = settled(&world);
        let expected_to_run = ["ordered", "ended", "concluded"].contains(&step);
        let expected_record = expected_to_run || ["journaled", "recorded"].contains(&step);
        assert_eq!(has_run, expected_to_run, "{step}: {output:?}");
        assert_eq!(
            output.status.success(),
            expected_to_run,
            "{step}: {output:?}"
        );
        assert_eq!(
            recorded.len(),
            count + usize::from(expected_record),
            "{step}"
        );
        if expected_record {
            count = recorded.len();
            let last = &recorded[count - 1];
            assert_eq!(last.start.outcome(), v1::Outcome::Elevated, "{step}");
            let code = last.exit.as_ref().and_then(|exit| exit.result_code);
            let expected = if expected_to_run { 0 } else { NOT_STARTED };
            assert_eq!(code, Some(expected), "{step}");
        }
        world.kill_agent();
    }
    assert_eq!((ran, count), (3, 5));
}

#[test]
fn a_program_outlives_its_agent_and_the_next_agent_records_how_it_ended() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let script = world.script(
        "tool",
        "echo ready; read line; echo \"heard $line\"; exit 7",
    );
    world.write_policy(
        super::world::settings(None),
        vec![rule("r1", "automatic", &script)],
    );
    world.start();
    let mut person = Terminal::run(
        &world.elevate(&anna, &[&script.to_string_lossy()]),
        anna.uid,
    );
    world.recorded_until("its start", |all| all.len() == 1);
    // It is recorded before it is started.
    person.sees("ready");
    world.kill_agent();
    world.start();
    person.types("you\n");
    person.sees("heard you");
    let (_, status) = person.ends();
    assert_eq!(status.code(), Some(7), "elevate does not need the agent");
    let recorded = world.last_of(1);
    let exit = recorded.exit.expect("it has ended");
    assert_eq!(exit.result_code, Some(7));
    assert!(exit.duration_ms.is_some());
}

#[test]
fn a_program_whose_watcher_is_killed_ends_as_not_seen() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let script = world.script("tool", "echo $PPID; read line");
    world.write_policy(
        super::world::settings(None),
        vec![rule("r1", "automatic", &script)],
    );
    world.start();
    let command = world.elevate(&anna, &[&script.to_string_lossy()]);
    let mut person = Terminal::run(&command, anna.uid);
    let watcher = person.sees("\n").trim().to_owned();
    let kill = Command::new("kill").args(["-9", &watcher]).output();
    assert!(kill.expect("it runs").status.success(), "{watcher}");
    let recorded = world.last_of(1);
    let exit = recorded.exit.expect("an explicit end");
    assert_eq!(
        (exit.result_code, &*exit.signal, exit.duration_ms),
        (None, "", None)
    );
    let (seen, status) = person.ends();
    assert_eq!(status.code(), Some(1), "{seen}");
    assert!(seen.contains("what ran may still run"), "{seen}");
}

#[test]
fn where_programs_cannot_be_started_any_more_every_grant_still_has_its_end() {
    let Some(world) = marking("allow_all") else {
        return;
    };
    let anna = User::new("");
    let agent = world.agent_pid().to_string();
    let find = Command::new("pgrep")
        .args(["--parent", &agent, "epm-spawner"])
        .output();
    let spawner = text(&find.expect("it runs").stdout);
    let kill = Command::new("kill").args(["-9", &spawner]).status();
    assert!(kill.expect("it runs").success(), "{spawner:?}");
    let output = world.ran(&anna, &[&world.path("bin/tool").to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("cannot start programs any more"), "{said}");
    let recorded = settled(&world);
    let codes: Vec<_> = recorded
        .iter()
        .map(|one| one.exit.as_ref()?.result_code)
        .collect();
    assert_eq!(codes, [Some(NOT_STARTED)]);
    assert_eq!(contents(&mark(&world)), "");
    world.status_until("failing", "cannot start programs any more");
}

#[test]
fn an_agent_that_is_stopped_while_a_person_answers_runs_nothing() {
    let Some(mut world) = World::new() else {
        return;
    };
    let anna = User::new("");
    let script = world.script("tool", &format!("echo ran >> {}", mark(&world).display()));
    let asks = rule("r1", "user_confirmed", &script);
    world.write_policy(super::world::settings(None), vec![asks]);
    world.start();
    let command = world.elevate(&anna, &[&script.to_string_lossy()]);
    let mut person = Terminal::run(&command, anna.uid);
    person.sees("[y/N] ");
    world.kill_agent();
    person.types("y\n");
    let (seen, status) = person.ends();
    assert_eq!(status.code(), Some(1), "{seen}");
    assert_eq!(text(contents(&mark(&world)).as_bytes()), "");
    world.start();
    assert!(settled(&world).is_empty());
}
