//! The five elevation types, their defaults and what they grant (domain §2.1 to §2.3), one test for each statement.

use epm_policy::{
    ChildBehaviour, Decision, DecisionSource, Denial, Detection, ElevationType, Grant, Outcome,
    PolicySet, Rule, RulesPolicy, RunAs, SignatureSource, Trigger, Validation,
};

use crate::world::{Launch, rule, set_of};

fn decide<'s>(set: &'s PolicySet, launch: &Launch) -> Decision<'s> {
    launch.with(|request| set.decide(request))
}

#[test]
fn a_new_policy_has_one_blank_rule_of_type_user_confirmed() {
    let blank = RulesPolicy::blank();
    assert_eq!(blank.rules.len(), 1);
    assert_eq!(blank.rules[0].elevation_type, ElevationType::UserConfirmed);
}

#[test]
fn a_blank_rule_has_the_products_defaults() {
    let blank = Rule::default();
    assert_eq!(blank.validation, Validation::NONE);
    assert_eq!(blank.child_behaviour, ChildBehaviour::RequireRule);
    assert_eq!(blank.allowed_arguments, None);
    let Detection {
        file_path,
        signature,
        file_hash,
        minimum_version,
        file_description,
        product_name,
        internal_name,
        ..
    } = blank.detection;
    let reusable = SignatureSource::Reusable {
        certificate_type: None,
        group: None,
    };
    assert_eq!(signature, reusable);
    assert_eq!((file_path, file_hash, minimum_version), (None, None, None));
    assert_eq!(
        (file_description, product_name, internal_name),
        (None, None, None)
    );
}

#[test]
fn automatic_elevates_at_every_launch_without_a_question_in_a_separate_account() {
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    for trigger in [Trigger::OrdinaryLaunch, Trigger::RunWithElevatedAccess] {
        let mut launch = Launch::new();
        launch.trigger = trigger;
        let grant = Grant {
            elevation_type: ElevationType::Automatic,
            run_as: RunAs::VirtualAccount,
            children: ChildBehaviour::RequireRule,
        };
        assert_eq!(decide(&set, &launch).outcome, Outcome::Elevate(grant));
    }
}

#[test]
fn user_confirmed_asks_for_every_validation_that_is_set() {
    for business_justification in [false, true] {
        for authentication in [false, true] {
            let validation = Validation {
                business_justification,
                authentication,
            };
            let mut confirmed = rule("a", ElevationType::UserConfirmed);
            confirmed.validation = validation;
            let set = set_of(vec![confirmed]);
            let Outcome::Confirm(grant, asked) = decide(&set, &Launch::new()).outcome else {
                panic!("not confirmed");
            };
            assert_eq!(asked, validation);
            assert_eq!(grant.run_as, RunAs::VirtualAccount);
        }
    }
}

#[test]
fn current_user_always_authenticates_and_runs_in_the_users_own_account() {
    let set = set_of(vec![rule("a", ElevationType::CurrentUser)]);
    let Outcome::Confirm(grant, asked) = decide(&set, &Launch::new()).outcome else {
        panic!("not confirmed");
    };
    assert_eq!(asked, Validation::AUTHENTICATION);
    assert_eq!(grant.run_as, RunAs::CurrentUser);
    assert_eq!(grant.elevation_type, ElevationType::CurrentUser);
}

#[test]
fn support_approved_files_a_request_without_an_approval() {
    let set = set_of(vec![rule("a", ElevationType::SupportApproved)]);
    let decision = decide(&set, &Launch::new());
    assert_eq!(decision.outcome, Outcome::RequestApproval);
    assert_eq!(decision.source, DecisionSource::Rule);
    assert!(decision.winner.is_some());
}

#[test]
fn deny_refuses_and_ignores_child_behaviour() {
    let mut deny = rule("a", ElevationType::Deny);
    deny.child_behaviour = ChildBehaviour::AllowAll;
    let set = set_of(vec![deny]);
    assert_eq!(
        decide(&set, &Launch::new()).outcome,
        Outcome::Deny(Denial::DenyRule)
    );
}
