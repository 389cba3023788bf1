//! The argument allow list (domain §2.6), one test for each statement.

use epm_policy::{
    DecidingStep, Decision, Denial, ElevationType, Outcome, PolicySet, Rule, Trigger,
};

use crate::world::{Launch, rule, set_of};

const REFUSED: Outcome = Outcome::Deny(Denial::UnlistedArgument);

fn listing(arguments: &[&str]) -> Rule {
    let mut rule = rule("a", ElevationType::UserConfirmed);
    rule.allowed_arguments = Some(arguments.iter().map(|a| (*a).to_owned()).collect());
    rule
}

fn given<'s>(set: &'s PolicySet, arguments: Option<&[&'static str]>) -> Decision<'s> {
    let mut launch = Launch::new();
    launch.arguments = arguments.map(<[_]>::to_vec);
    launch.with(|request| set.decide(request))
}

#[test]
fn a_launch_without_arguments_is_permitted() {
    let set = set_of(vec![listing(&["status"])]);
    assert!(matches!(
        given(&set, Some(&[])).outcome,
        Outcome::Confirm(..)
    ));
    let nothing_listed = set_of(vec![listing(&[])]);
    assert!(matches!(
        given(&nothing_listed, Some(&[])).outcome,
        Outcome::Confirm(..)
    ));
    assert_eq!(given(&nothing_listed, Some(&["x"])).outcome, REFUSED);
}

#[test]
fn only_listed_arguments_are_permitted_in_any_order() {
    let set = set_of(vec![listing(&["-v", "status"])]);
    assert!(matches!(
        given(&set, Some(&["status", "-v"])).outcome,
        Outcome::Confirm(..)
    ));
}

#[test]
fn an_unlisted_argument_denies_and_names_the_rule() {
    let set = set_of(vec![listing(&["status"])]);
    let decision = given(&set, Some(&["status", "reset"]));
    assert_eq!(decision.outcome, REFUSED);
    assert_eq!(decision.step, DecidingStep::Arguments);
    assert_eq!(decision.winner.unwrap().rule.id.as_str(), "a");
}

#[test]
fn an_unlisted_argument_does_not_give_the_next_rule_a_try() {
    let set = set_of(vec![
        listing(&["status"]),
        rule("b", ElevationType::Automatic),
    ]);
    let decision = given(&set, Some(&["reset"]));
    assert_eq!(decision.outcome, REFUSED);
    assert_eq!(decision.losers.len(), 1);
}

#[test]
fn arguments_are_compared_exactly_and_with_their_case() {
    let set = set_of(vec![listing(&["Status"])]);
    for other in ["status", "Status ", "Stat*", "Statu", ""] {
        let mut launch = Launch::new();
        launch.arguments = Some(vec![other]);
        let outcome = launch.with(|request| set.decide(request).outcome);
        assert_eq!(outcome, REFUSED, "{other:?}");
    }
}

#[test]
fn arguments_that_nobody_recorded_are_not_known_to_be_listed() {
    let set = set_of(vec![listing(&["status"])]);
    assert_eq!(given(&set, None).outcome, REFUSED);
    let free = set_of(vec![rule("a", ElevationType::UserConfirmed)]);
    assert!(matches!(given(&free, None).outcome, Outcome::Confirm(..)));
}

#[test]
fn without_a_list_every_argument_is_permitted() {
    let set = set_of(vec![rule("a", ElevationType::UserConfirmed)]);
    assert!(matches!(
        given(&set, Some(&["anything"])).outcome,
        Outcome::Confirm(..)
    ));
}

#[test]
fn a_deny_rule_denies_whatever_its_list_says() {
    let mut deny = listing(&["status"]);
    deny.elevation_type = ElevationType::Deny;
    let set = set_of(vec![deny]);
    for arguments in [vec![], vec!["status"], vec!["reset"]] {
        let decision = given(&set, Some(&arguments));
        assert_eq!(decision.outcome, Outcome::Deny(Denial::DenyRule));
        assert_eq!(decision.step, DecidingStep::Deny);
    }
}

#[test]
fn an_automatic_rule_denies_an_unlisted_argument_on_an_ordinary_launch() {
    let mut automatic = listing(&["status"]);
    automatic.elevation_type = ElevationType::Automatic;
    let set = set_of(vec![automatic]);
    let mut launch = Launch::new();
    launch.trigger = Trigger::OrdinaryLaunch;
    launch.arguments = Some(vec!["reset"]);
    assert_eq!(launch.with(|request| set.decide(request).outcome), REFUSED);
}
