//! The eleven points on which the sources contradict each other or are silent (domain §3.6), as we decided them.

use epm_policy::precedence::attribute_count;
use epm_policy::{
    Approval, Assignment, Certificate, CertificateType, ChildBehaviour, Conditions, DecidingStep,
    Decision, DecisionSource, DefaultResponse, Denial, EffectiveSettings, ElevationType,
    FileVersion, Grant, Outcome, PolicySet, ReportedClass, RequestState, Rule, SignatureSource,
    TieBreak, TimeWindow, Trigger, Unelevated,
};

use crate::world::{Launch, hash, policies, policy, rule, set, set_of, settings};

fn decide<'s>(set: &'s PolicySet, launch: &Launch) -> Decision<'s> {
    launch.with(|request| set.decide(request))
}

fn child(children: ChildBehaviour) -> Launch {
    Launch {
        trigger: Trigger::Child(Grant::new(ElevationType::UserConfirmed, children)),
        ..Launch::new()
    }
}

#[test]
fn decision_1_require_rule_means_a_rule_of_the_childs_own_deny_included() {
    let own = set_of(vec![rule("child", ElevationType::Automatic)]);
    let launch = child(ChildBehaviour::RequireRule);
    assert!(matches!(decide(&own, &launch).outcome, Outcome::Elevate(_)));
    let deny = set_of(vec![rule("child", ElevationType::Deny)]);
    assert_eq!(
        decide(&deny, &launch).outcome,
        Outcome::Deny(Denial::DenyRule)
    );
    // The parent's rule, which knows another file, does not speak for the child.
    let mut parents = rule("parent", ElevationType::Automatic);
    parents.detection.file_hash = Some(hash(9));
    let none = set_of(vec![parents]);
    assert_eq!(
        decide(&none, &launch).outcome,
        Outcome::RunUnelevated(Unelevated::NoRule)
    );
}

#[test]
fn decision_2_deny_all_runs_children_without_elevation_and_says_so() {
    let set = set_of(vec![rule("a", ElevationType::Automatic)]);
    let decision = decide(&set, &child(ChildBehaviour::DenyAll));
    let expected = Outcome::RunUnelevated(Unelevated::ParentDeniesChildren);
    assert_eq!(decision.outcome, expected);
    assert_eq!(decision.step, DecidingStep::ParentRule);
}

#[test]
fn decision_3_no_arguments_or_only_listed_ones() {
    let mut listed = rule("a", ElevationType::UserConfirmed);
    listed.allowed_arguments = Some(vec!["status".to_owned()]);
    let set = set_of(vec![listed]);
    for (given, permitted) in [
        (vec![], true),
        (vec!["status"], true),
        (vec!["status", "status"], true),
        (vec!["status", "reset"], false),
    ] {
        let mut launch = Launch::new();
        launch.arguments = Some(given.clone());
        let confirmed = matches!(decide(&set, &launch).outcome, Outcome::Confirm(..));
        assert_eq!(confirmed, permitted, "{given:?}");
    }
}

#[test]
fn decision_4_scope_all_sends_managed_and_unmanaged() {
    let all = EffectiveSettings::merge([settings("s")].iter());
    assert!(all.may_send(ReportedClass::Managed));
    assert!(all.may_send(ReportedClass::Unmanaged));
}

#[test]
fn decision_5_rule_and_default_response_are_told_apart() {
    let mut policies = policies(vec![policy(
        "p",
        vec![rule("a", ElevationType::UserConfirmed)],
    )]);
    policies.settings[0].default_response = Some(DefaultResponse::UserConfirmation);
    let set = PolicySet::new(policies).unwrap();
    assert_eq!(decide(&set, &Launch::new()).source, DecisionSource::Rule);
    let mut other = Launch::new();
    other.hash = Some(9);
    assert_eq!(decide(&set, &other).source, DecisionSource::DefaultResponse);
}

/// A rule with every attribute, which the launch of [`Launch::new`] has.
fn full() -> Rule {
    let mut full = rule("full", ElevationType::UserConfirmed);
    full.detection.file_path = Some("C:\\Tools".to_owned());
    full.detection.signature = SignatureSource::Uploaded {
        certificate_type: Some(CertificateType::Publisher),
        certificate: Some(Certificate {
            subject: Some("CN=Contoso".to_owned()),
            ..Certificate::default()
        }),
    };
    full.detection.minimum_version = Some(FileVersion([1, 0, 0, 0]));
    full.detection.file_description = Some("A tool".to_owned());
    full.detection.product_name = Some("Tools".to_owned());
    full.detection.internal_name = Some("tool".to_owned());
    full.allowed_arguments = Some(Vec::new());
    full
}

#[test]
fn decision_6_seven_attributes_count_and_name_hash_and_conditions_do_not() {
    assert_eq!(attribute_count(&rule("a", ElevationType::UserConfirmed)), 0);
    assert_eq!(attribute_count(&full()), 7);
    type Drop = fn(&mut Rule);
    let drops: [Drop; 7] = [
        |rule| rule.detection.file_path = None,
        |rule| rule.detection.signature = SignatureSource::NotConfigured,
        |rule| rule.detection.minimum_version = None,
        |rule| rule.detection.file_description = None,
        |rule| rule.detection.product_name = None,
        |rule| rule.detection.internal_name = None,
        |rule| rule.allowed_arguments = None,
    ];
    for drop in drops {
        let mut fewer = full();
        drop(&mut fewer);
        assert_eq!(attribute_count(&fewer), 6);
    }
    let mut conditioned = full();
    conditioned.detection.file_hash = None;
    conditioned.conditions = Conditions {
        parent_path: Some("C:\\Windows\\explorer.exe".to_owned()),
        time: Some(TimeWindow::default()),
        device_groups: vec!["laptops".into()],
    };
    assert_eq!(attribute_count(&conditioned), 7);
    let set = set_of(vec![full()]);
    assert_eq!(decide(&set, &Launch::new()).attribute_score(), Some(7));
}

#[test]
fn decision_7_two_hash_rules_go_by_attributes_then_type_then_id_and_the_tie_is_recorded() {
    let mut more = rule("z", ElevationType::SupportApproved);
    more.detection.product_name = Some("Tools".to_owned());
    let plain = |id, elevation_type| rule(id, elevation_type);
    let step = |rules| {
        let set = set_of(rules);
        let decision = decide(&set, &Launch::new());
        (
            decision.winner.unwrap().rule.id.to_string(),
            decision.step,
            decision.tie_break,
        )
    };
    let by_count = step(vec![more, plain("a", ElevationType::UserConfirmed)]);
    assert_eq!(
        by_count,
        ("z".to_owned(), DecidingStep::AttributeCount, None)
    );
    let by_type = step(vec![
        plain("a", ElevationType::SupportApproved),
        plain("z", ElevationType::UserConfirmed),
    ]);
    assert_eq!(
        by_type,
        (
            "z".to_owned(),
            DecidingStep::TypeOrder,
            Some(TieBreak::TypeOrder)
        )
    );
    let by_id = step(vec![
        plain("z", ElevationType::UserConfirmed),
        plain("a", ElevationType::UserConfirmed),
    ]);
    assert_eq!(
        by_id,
        ("a".to_owned(), DecidingStep::RuleId, Some(TieBreak::RuleId))
    );
}

#[test]
fn decision_8_deny_wins_across_user_and_device_targeting() {
    let mut for_user = policy("user", vec![rule("a", ElevationType::Automatic)]);
    for_user.assignment = Assignment::all_users();
    let for_device = policy("device", vec![rule("b", ElevationType::Deny)]);
    let set = set(vec![for_user, for_device]);
    let decision = decide(&set, &Launch::new());
    assert_eq!(decision.outcome, Outcome::Deny(Denial::DenyRule));
    assert_eq!(decision.winner.unwrap().rule.id.as_str(), "b");
}

#[test]
fn decision_9_a_request_has_six_states_and_six_moves() {
    let mut moves = Vec::new();
    for from in RequestState::ALL {
        for to in RequestState::ALL {
            if from.may_become(to) {
                moves.push((from, to));
            }
        }
    }
    let expected = [
        (RequestState::Pending, RequestState::Approved),
        (RequestState::Pending, RequestState::Denied),
        (RequestState::Pending, RequestState::Expired),
        (RequestState::Approved, RequestState::Expired),
        (RequestState::Approved, RequestState::Revoked),
        (RequestState::Approved, RequestState::Completed),
    ];
    assert_eq!(moves, expected);
}

#[test]
fn decision_10_a_revoked_approval_no_longer_elevates() {
    let set = set_of(vec![rule("a", ElevationType::SupportApproved)]);
    let mut launch = Launch::new();
    let now = launch.moment.unwrap().unix_s;
    let approval = Approval::for_a_day("ann".into(), "laptop".into(), hash(1), now);
    launch.approvals = vec![approval];
    assert!(matches!(decide(&set, &launch).outcome, Outcome::Elevate(_)));
    assert!(RequestState::Approved.may_become(RequestState::Revoked));
    launch.approvals[0].state = RequestState::Revoked;
    assert_eq!(decide(&set, &launch).outcome, Outcome::RequestApproval);
}

/// The event's own id is minted by the agent; what the engine sees of ids are those of policies and rules.
#[test]
fn decision_11_ids_are_opaque_texts_of_any_form() {
    for id in [
        "8c1a6f5e-2f39-4be5-b1f0-5d7c2b7c9a11",
        "4f1c0a7be2d94c6f8e3b5a7d9c1e0f2a4b6c8d0e1f3a5b7c9d1e3f5a7b9c1d3e",
        "Größe / 7",
    ] {
        let set = set_of(vec![rule(id, ElevationType::UserConfirmed)]);
        assert_eq!(
            decide(&set, &Launch::new())
                .winner
                .unwrap()
                .rule
                .id
                .as_str(),
            id
        );
    }
}
