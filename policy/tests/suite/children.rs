//! Children of elevated programs (domain §2.7), one test for each statement.

use epm_policy::{
    ChildBehaviour, DecidingStep, Decision, DecisionSource, Denial, ElevationType, Failure, Grant,
    Outcome, PolicySet, Rule, RunAs, Trigger, Unelevated, Unmanaged,
};

use crate::world::{Launch, rule, set_of};

const TYPES: [ElevationType; 4] = [
    ElevationType::UserConfirmed,
    ElevationType::CurrentUser,
    ElevationType::SupportApproved,
    ElevationType::Automatic,
];

fn child(children: ChildBehaviour) -> Launch {
    Launch {
        trigger: Trigger::Child(Grant::new(ElevationType::Automatic, children)),
        ..Launch::new()
    }
}

fn decide<'s>(set: &'s PolicySet, launch: &Launch) -> Decision<'s> {
    launch.with(|request| set.decide(request))
}

#[test]
fn require_rule_is_the_default() {
    assert_eq!(Rule::default().child_behaviour, ChildBehaviour::RequireRule);
}

#[test]
fn require_rule_judges_the_child_by_its_own_rules_of_any_type() {
    let launch = child(ChildBehaviour::RequireRule);
    for elevation_type in TYPES {
        let set = set_of(vec![rule("a", elevation_type)]);
        let decision = decide(&set, &launch);
        assert!(decision.outcome.permissiveness() > 0, "{elevation_type:?}");
        assert_eq!(decision.source, DecisionSource::Rule);
    }
    let set = set_of(vec![
        rule("a", ElevationType::Deny),
        rule("b", ElevationType::Automatic),
    ]);
    assert_eq!(
        decide(&set, &launch).outcome,
        Outcome::Deny(Denial::DenyRule)
    );
}

#[test]
fn require_rule_without_a_rule_runs_without_elevation() {
    let mut launch = child(ChildBehaviour::RequireRule);
    launch.hash = Some(9);
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    let decision = decide(&set, &launch);
    assert_eq!(decision.outcome, Outcome::RunUnelevated(Unelevated::NoRule));
    assert_eq!(decision.source, DecisionSource::None);
}

#[test]
fn require_rule_runs_a_file_that_cannot_be_elevated_without_elevation() {
    let mut launch = child(ChildBehaviour::RequireRule);
    launch.path = "C:\\Windows\\a.bat".to_owned();
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    let why = Unelevated::FileNotSupported(Failure::UnsupportedFileType);
    assert_eq!(decide(&set, &launch).outcome, Outcome::RunUnelevated(why));
}

#[test]
fn deny_all_starts_children_without_elevation_whatever_their_rules_say() {
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    let decision = decide(&set, &child(ChildBehaviour::DenyAll));
    let why = Unelevated::ParentDeniesChildren;
    assert_eq!(decision.outcome, Outcome::RunUnelevated(why));
    assert_eq!(decision.source, DecisionSource::Rule);
}

#[test]
fn allow_all_elevates_children_without_looking_at_rules_deny_included() {
    let parent = Grant {
        elevation_type: ElevationType::CurrentUser,
        run_as: RunAs::CurrentUser,
        children: ChildBehaviour::AllowAll,
    };
    let mut launch = Launch::new();
    launch.trigger = Trigger::Child(parent);
    // Not even the file's type is looked at.
    launch.path = "C:\\Windows\\a.bat".to_owned();
    let set = set_of(vec![rule("a", ElevationType::Deny)]);
    let decision = decide(&set, &launch);
    assert_eq!(decision.outcome, Outcome::Elevate(parent));
    assert_eq!(decision.step, DecidingStep::ParentRule);
    assert!(decision.losers.is_empty() && decision.near_misses.rules.is_empty());
}

#[test]
fn a_grant_carries_its_rules_behaviour_to_the_children() {
    for children in [
        ChildBehaviour::RequireRule,
        ChildBehaviour::DenyAll,
        ChildBehaviour::AllowAll,
    ] {
        let mut parent = rule("a", ElevationType::Automatic);
        parent.child_behaviour = children;
        let set = set_of(vec![parent]);
        let Outcome::Elevate(grant) = decide(&set, &Launch::new()).outcome else {
            panic!("not elevated");
        };
        assert_eq!(grant.children, children);
    }
}

#[test]
fn an_administrators_child_is_left_to_the_system() {
    let set = set_of(vec![rule("a", ElevationType::Deny)]);
    for children in [ChildBehaviour::AllowAll, ChildBehaviour::DenyAll] {
        let mut launch = child(children);
        launch.administrator = true;
        let expected = Outcome::Unmanaged(Unmanaged::LocalAdministrator);
        assert_eq!(decide(&set, &launch).outcome, expected);
    }
}
