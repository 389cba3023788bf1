//! `explain` and enforcement answer the same: a thousand launches are drawn, each is explained and carried out.

use std::path::PathBuf;
use std::process::Command;

use epm_proto::v1;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::people::User;
use super::world::{ADMINISTRATORS, Recorded, World, rule, settings, text, with};

/// Launches that are drawn.
const LAUNCHES: usize = 1000;
/// Launches under one set of policies.
const EACH: usize = 50;
const PROGRAMS: [&str; 4] = ["one", "two", "three", "four"];
const ARGUMENTS: [&str; 4] = ["-u", "-n", "-r", "--zero"];

struct Drawn {
    program: PathBuf,
    arguments: Vec<&'static str>,
    user: usize,
}

/// What starts `elevate` in these tests: this program.
fn parent() -> String {
    let own = std::env::current_exe().expect("this program");
    own.to_string_lossy().into_owned()
}

/// Rules in no order, the last few of them for one user only.
fn rules(world: &World, rng: &mut ChaCha8Rng) -> Vec<Value> {
    let count = rng.random_range(0..8);
    let mut rules = Vec::new();
    for number in 0..count {
        let types = [
            "automatic",
            "automatic",
            "user_confirmed",
            "support_approved",
            "deny",
        ];
        let elevation_type = types[rng.random_range(0..types.len())];
        let name = PROGRAMS[rng.random_range(0..PROGRAMS.len())];
        let program = world.path("bin").join(name);
        let mut drawn = rule(&format!("r{number}"), elevation_type, &program);
        for (chance, changes) in [
            (0.3, json!({"allowed_arguments": ["-u", "-n"]})),
            (0.2, json!({"report_only": true})),
            (0.1, json!({"conditions": {"time": {"expires_s": 1_000}}})),
            (0.1, json!({"conditions": {"parent_path": parent()}})),
            (0.1, json!({"conditions": {"parent_path": "/usr/bin/bash"}})),
        ] {
            if rng.random_bool(chance) {
                drawn = with(drawn, changes);
            }
        }
        rules.push(drawn);
    }
    rules
}

fn launches(world: &World, users: &[User], rng: &mut ChaCha8Rng) -> Vec<Drawn> {
    let mut draw = || Drawn {
        program: world
            .path("bin")
            .join(PROGRAMS[rng.random_range(0..PROGRAMS.len())]),
        arguments: {
            let count = rng.random_range(0..3);
            (0..count)
                .map(|_| ARGUMENTS[rng.random_range(0..ARGUMENTS.len())])
                .collect()
        },
        user: rng.random_range(0..users.len()),
    };
    (0..EACH).map(|_| draw()).collect()
}

fn explained(world: &World, drawn: &Drawn, users: &[User]) -> Value {
    let mut explain = Command::new(env!("CARGO_BIN_EXE_epm-agent"));
    explain
        .arg("explain")
        .arg("--policy")
        .arg(world.policy())
        .args(["--json", "--user", &users[drawn.user].name])
        .args(["--parent", &parent()])
        .arg(&drawn.program);
    if !drawn.arguments.is_empty() {
        explain.arg("--args").args(&drawn.arguments);
    }
    let output = explain.output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// What there is to agree about, in the words of a record: version of the policies, outcome, where the answer came from, the question that settled
/// it, the rule, its score, and how many rules matched.
type Answer = (
    String,
    v1::Outcome,
    v1::DecisionSource,
    String,
    String,
    u64,
    usize,
);

fn promised(explanation: &Value) -> Answer {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcome = match &*word(&explanation["outcome"]) {
        "elevate" => v1::Outcome::Elevated,
        // Nobody is there to say yes.
        "confirm" => v1::Outcome::Cancelled,
        "fail" => v1::Outcome::Failed,
        "deny" | "request_approval" | "unmanaged" | "run_unelevated" => v1::Outcome::Denied,
        other => panic!("{other}: {explanation}"),
    };
    let source = match &*word(&explanation["source"]) {
        "rule" => v1::DecisionSource::Rule,
        "default_response" => v1::DecisionSource::DefaultResponse,
        "none" => v1::DecisionSource::None,
        other => panic!("{other}: {explanation}"),
    };
    let winner = &explanation["winner"];
    let losers = explanation["losers"].as_array().map_or(0, Vec::len);
    (
        explanation["policy_version"].to_string(),
        outcome,
        source,
        word(&explanation["step"]),
        word(&winner["rule_id"]),
        winner["attribute_score"].as_u64().unwrap_or_default(),
        losers + usize::from(winner.is_object()),
    )
}

fn carried_out(recorded: &Recorded) -> Answer {
    let policy = recorded.policy();
    (
        policy.policy_version.clone(),
        recorded.start.outcome(),
        recorded.start.decision_source(),
        policy.deciding_step.clone(),
        policy.rule_id.clone(),
        policy.attribute_score.into(),
        policy.candidate_rule_ids.len(),
    )
}

#[test]
fn a_thousand_launches_end_as_explain_says() {
    let Some(mut world) = World::new() else {
        return;
    };
    let users = [User::new(""), User::new(""), User::new(ADMINISTRATORS)];
    for name in PROGRAMS {
        world.script(name, "id -u");
    }
    world.write_policy(settings(None), Vec::new());
    world.start();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut done, mut elevated) = (0, 0);
    while done < LAUNCHES {
        let defaults = [None, Some("user_confirmation"), Some("support_approval")];
        let default = defaults[rng.random_range(0..defaults.len())];
        let (common, own) = (rules(&world, &mut rng), rules(&world, &mut rng));
        world.write_policies(settings(default), common, own, &users[0]);
        world.hear_of_policies();
        let drawn = launches(&world, &users, &mut rng);
        let outputs: Vec<_> = drawn
            .iter()
            .map(|launch| {
                let program = launch.program.to_string_lossy();
                let words = [&*program]
                    .into_iter()
                    .chain(launch.arguments.iter().copied());
                world.ran(&users[launch.user], &words.collect::<Vec<_>>())
            })
            .collect();
        // A decision is recorded before it is told.
        let recorded = world.recorded();
        assert_eq!(recorded.len(), done + drawn.len());
        for ((launch, output), recorded) in drawn.iter().zip(outputs).zip(&recorded[done..]) {
            let explanation = explained(&world, launch, &users);
            assert_eq!(
                carried_out(recorded),
                promised(&explanation),
                "{explanation}"
            );
            let root = text(&output.stdout) == "0";
            assert_eq!(root, recorded.start.outcome() == v1::Outcome::Elevated);
            elevated += usize::from(root);
        }
        done += drawn.len();
    }
    let share = elevated * 100 / done;
    assert!(
        (5..95).contains(&share),
        "{elevated} of {done} were elevated"
    );
}
