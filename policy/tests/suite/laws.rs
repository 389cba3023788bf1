//! Laws that hold for every policy and every launch, tried on a million by chance.

use std::collections::BTreeMap;
use std::sync::Mutex;

use epm_policy::lint::{Check, lint};
use epm_policy::precedence::{Standing, Target};
use epm_policy::{
    DecidingStep, Decision, ElevationType, LossReason, MissReason, Outcome, Place, Platform,
    Policies, PolicySet, RuleAttribute, RuleId, TieBreak, Trigger, reference,
};

use crate::dice::Dice;
use crate::draw;
use crate::world::Launch;

/// Sets of policies for each law.
const COMPARED: u64 = 40_000;
const DENIED: u64 = 8_000;
const REMOVED: u64 = 8_000;
const LINTED: u64 = 8_000;
/// Launches for each set.
const LAUNCHES: usize = 20;

#[test]
fn more_than_a_million_pairs_are_tried() {
    assert!((COMPARED + DENIED + REMOVED) * LAUNCHES as u64 >= 1_000_000);
}

/// Runs `case` for each seed, on all processors.
fn for_each_seed(seeds: u64, case: impl Fn(u64) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let case = &case;
            scope.spawn(move || {
                for seed in (first as u64..seeds).step_by(threads) {
                    case(seed);
                }
            });
        }
    });
}

/// What occurred, and how often.
#[derive(Debug, Default)]
struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn note(&mut self, launch: &Launch, decision: &Decision<'_>) {
        self.count(format!("step {}", decision.step));
        self.count(format!("source {}", decision.source));
        self.count(format!("outcome {}", outcome_word(&decision.outcome)));
        self.count(format!("platform {:?}", launch.platform));
        if let Some(tie) = decision.tie_break {
            self.count(format!("tie {tie}"));
        }
        for loser in &decision.losers {
            self.count(format!("loss {}", loser.reason));
        }
        for near in &decision.near_misses.rules {
            self.count(format!("near {} {}", near.attribute, near.reason));
        }
        if decision.monitored.is_some() {
            self.count("monitored");
        }
        if decision.losers.len() > 2 {
            self.count("three candidates");
        }
    }

    fn add(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    fn require(&self, what: &str, least: u64) {
        let count = self.0.get(what).copied().unwrap_or(0);
        assert!(
            count >= least,
            "{what}: only {count} of {least}; all: {:#?}",
            self.0
        );
    }
}

fn outcome_word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Elevate(_) => "elevate".to_owned(),
        Outcome::Confirm(..) => "confirm".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The fast evaluator's answer where it equals the slow one's; else what differs.
fn compare<'s>(set: &'s PolicySet, launch: &Launch) -> Result<Decision<'s>, String> {
    launch.with(|request| {
        let fast = set.decide(request);
        let mut slow = reference::decide(set.policies(), request);
        let all = std::mem::take(&mut slow.near_misses.rules);
        let shown = &fast.near_misses.rules;
        let near_agree = match fast.near_misses.more {
            false => *shown == all,
            true => shown.iter().all(|near| all.contains(near)),
        };
        let mut without = fast.clone();
        without.near_misses = slow.near_misses.clone();
        if without == slow && near_agree {
            return Ok(fast);
        }
        Err(format!("fast {fast:#?}\nslow {slow:#?}\nnear {all:#?}"))
    })
}

/// The policies with as few rules as still disagree.
fn shrink(mut policies: Policies, launch: &Launch) -> Policies {
    let mut again = true;
    while again {
        again = false;
        for policy in 0..policies.rules.len() {
            for rule in 0..policies.rules[policy].rules.len() {
                let mut fewer = policies.clone();
                fewer.rules[policy].rules.remove(rule);
                fewer.rules.retain(|policy| !policy.rules.is_empty());
                let set = PolicySet::new(fewer.clone()).unwrap();
                if compare(&set, launch).is_err() {
                    policies = fewer;
                    again = true;
                    break;
                }
            }
            if again {
                break;
            }
        }
    }
    policies
}

#[test]
fn the_fast_evaluator_answers_as_the_slow_one_and_every_step_occurs() {
    let coverage = Mutex::new(Coverage::default());
    for_each_seed(COMPARED, |seed| {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        let set = PolicySet::new(policies.clone()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let mut seen = Coverage::default();
        for _ in 0..LAUNCHES {
            let launch = draw::launch(dice, &policies);
            match compare(&set, &launch) {
                Ok(decision) => seen.note(&launch, &decision),
                Err(difference) => {
                    let least = shrink(policies, &launch);
                    panic!("seed {seed}: {difference}\n{launch:#?}\n{least:#?}");
                }
            }
        }
        coverage.lock().unwrap().add(seen);
    });
    let coverage = coverage.into_inner().unwrap();
    for step in DecidingStep::ALL {
        coverage.require(&format!("step {step}"), 1_000);
    }
    for reason in LossReason::ALL {
        coverage.require(&format!("loss {reason}"), 1_000);
    }
    for tie in TieBreak::ALL {
        coverage.require(&format!("tie {tie}"), 1_000);
    }
    for attribute in RuleAttribute::ALL {
        coverage.require(&format!("near {attribute} {}", MissReason::Different), 300);
    }
    for outcome in ["elevate", "confirm", "RequestApproval"] {
        coverage.require(&format!("outcome {outcome}"), 5_000);
    }
    for other in [
        "monitored",
        "three candidates",
        "platform Linux",
        "source approval",
    ] {
        coverage.require(other, 500);
    }
}

#[test]
fn the_evaluators_agree_on_large_sets_where_the_search_for_near_misses_is_cut() {
    let cut = Mutex::new(0_u64);
    for_each_seed(40, |seed| {
        let dice = &mut Dice::new(seed + 1_000_000);
        let policies = draw::policies_of(dice, 60, 30);
        let set = PolicySet::new(policies.clone()).unwrap();
        for _ in 0..100 {
            let launch = draw::launch(dice, &policies);
            let decision = compare(&set, &launch).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            *cut.lock().unwrap() += u64::from(decision.near_misses.more);
        }
    });
    assert!(cut.into_inner().unwrap() > 1_000);
}

/// How a set answers a launch, as far as acting on it goes.
fn outcome(set: &PolicySet, launch: &Launch) -> Outcome {
    launch.with(|request| set.decide(request).outcome)
}

/// Whether a rule matched.
fn matched(set: &PolicySet, launch: &Launch, id: &RuleId) -> bool {
    launch.with(|request| {
        let decision = set.decide(request);
        let losers = decision.losers.iter().map(|loser| loser.candidate);
        decision
            .winner
            .into_iter()
            .chain(losers)
            .any(|c| c.rule.id == *id)
    })
}

#[test]
fn adding_a_deny_rule_never_lets_more_through() {
    let stricter = Mutex::new(0_u64);
    for_each_seed(DENIED, |seed| {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        let mut more = policies.clone();
        let policy = dice.below(more.rules.len());
        let mut deny = draw::rule(dice, more.rules[policy].platform, "deny".to_owned());
        deny.elevation_type = ElevationType::Deny;
        deny.validation = epm_policy::Validation::NONE;
        more.rules[policy].rules.push(deny);
        let before = PolicySet::new(policies).unwrap();
        let after = PolicySet::new(more.clone()).unwrap();
        for _ in 0..LAUNCHES {
            let launch = draw::launch(dice, &more);
            let (was, is) = (outcome(&before, &launch), outcome(&after, &launch));
            if was == is {
                continue;
            }
            assert!(
                is.permissiveness() == 0,
                "seed {seed}: {was:?} became {is:?}\n{launch:#?}"
            );
            assert!(
                matched(&after, &launch, &"deny".into()),
                "seed {seed}: {launch:#?}"
            );
            *stricter.lock().unwrap() += 1;
        }
    });
    assert!(stricter.into_inner().unwrap() > 1_000);
}

#[test]
fn removing_a_rule_changes_nothing_for_launches_that_it_does_not_match() {
    let unmatched = Mutex::new([0_u64; 2]);
    for_each_seed(REMOVED, |seed| {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        let mut fewer = policies.clone();
        let policy = dice.below(fewer.rules.len());
        let rule = dice.below(fewer.rules[policy].rules.len());
        let removed = fewer.rules[policy].rules.remove(rule);
        fewer.rules.retain(|policy| !policy.rules.is_empty());
        let before = PolicySet::new(policies.clone()).unwrap();
        let after = PolicySet::new(fewer).unwrap();
        for _ in 0..LAUNCHES {
            let launch = draw::launch(dice, &policies);
            let known = matched(&before, &launch, &removed.id);
            unmatched.lock().unwrap()[usize::from(known)] += 1;
            if !known {
                let (was, is) = (outcome(&before, &launch), outcome(&after, &launch));
                assert_eq!(was, is, "seed {seed}: {launch:#?}");
            }
        }
    });
    let [unmatched, matched] = unmatched.into_inner().unwrap();
    assert!(
        unmatched > 50_000 && matched > 10_000,
        "{unmatched} {matched}"
    );
}

#[test]
fn a_rule_that_lint_calls_shadowed_or_contradicted_never_wins() {
    let found = Mutex::new([0_u64; 2]);
    for_each_seed(LINTED, |seed| {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        let never = lint(&policies, 0).into_iter().filter_map(|finding| {
            let beaten = matches!(finding.check, Check::Shadowed | Check::Contradiction);
            let Place::Rule { id, .. } = finding.place else {
                return None;
            };
            beaten.then_some(id)
        });
        let never: Vec<String> = never.collect();
        let set = PolicySet::new(policies.clone()).unwrap();
        let mut matches = 0;
        for _ in 0..LAUNCHES {
            let launch = draw::launch(dice, &policies);
            let decision = launch.with(|request| set.decide(request));
            let named = |c: &epm_policy::Candidate<'_>| never.contains(&c.rule.id.to_string());
            assert!(
                !decision.winner.is_some_and(|w| named(&w)),
                "seed {seed}: {decision:#?}"
            );
            let losers = decision.losers.iter();
            matches += losers.filter(|loser| named(&loser.candidate)).count();
        }
        let mut found = found.lock().unwrap();
        found[0] += never.len() as u64;
        found[1] += matches as u64;
    });
    let [found, matched] = found.into_inner().unwrap();
    assert!(found > 1_000 && matched > 2_000, "{found} {matched}");
}

const TYPES: [ElevationType; 5] = [
    ElevationType::UserConfirmed,
    ElevationType::CurrentUser,
    ElevationType::SupportApproved,
    ElevationType::Automatic,
    ElevationType::Deny,
];

/// Every standing that differs in a question of precedence.
fn standings(ids: &[RuleId]) -> Vec<Standing<'_>> {
    let mut all = Vec::new();
    for id in ids {
        for target in [Target::User, Target::Device] {
            for hash in [true, false] {
                for attributes in [0, 1, 7] {
                    for elevation_type in TYPES {
                        all.push(Standing {
                            target,
                            hash,
                            attributes,
                            elevation_type,
                            id,
                        });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn of_two_rules_exactly_one_wins_and_the_order_is_transitive() {
    let ids: [RuleId; 3] = ["a".into(), "b".into(), "c".into()];
    let all = standings(&ids);
    for one in &all {
        for other in &all {
            let (order, step) = one.against(other);
            let (turned, same_step) = other.against(one);
            assert_eq!(order, turned.reverse());
            assert_eq!(step, same_step);
            assert_eq!(order.is_eq(), one == other, "{one:?} {other:?}");
        }
    }
    // An order that a list of places explains is transitive.
    let mut sorted = all.clone();
    sorted.sort_by(|one, other| one.against(other).0);
    for (place, one) in sorted.iter().enumerate() {
        for other in &sorted[place + 1..] {
            assert!(one.against(other).0.is_lt(), "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_launch_that_nobody_drew_by_rule_is_decided_too() {
    let dice = &mut Dice::new(7);
    let policies = draw::policies(dice);
    let set = PolicySet::new(policies).unwrap();
    for path in [
        "",
        "\\",
        "C:",
        "C:\\",
        "/",
        "%",
        "\u{0}",
        "é",
        "C:\\é",
        "\\\\?\\C:\\a.exe",
    ] {
        for platform in [Platform::Windows, Platform::Linux] {
            let mut launch = Launch::new();
            launch.platform = platform;
            launch.path = path.to_owned();
            launch.trigger = Trigger::RunWithElevatedAccess;
            let _ = compare(&set, &launch).unwrap();
        }
    }
}
