//! Which rule wins (domain §3.1), one test for each statement.

use epm_policy::precedence::{ORDER, Step, Target};
use epm_policy::{
    Assignment, Audience, DecidingStep, Decision, ElevationType, LossReason, Outcome, PolicySet,
    Rule, SignatureSource, TieBreak,
};

use crate::world::{Launch, hash, policy, rule, set, set_of};

fn decide(set: &PolicySet) -> Decision<'_> {
    Launch::new().with(|request| set.decide(request))
}

fn winner<'s>(decision: &Decision<'s>) -> &'s str {
    decision.winner.expect("a rule won").rule.id.as_str()
}

/// The reasons of the losers, by id.
fn losses(decision: &Decision<'_>) -> Vec<(String, LossReason)> {
    let losers = decision.losers.iter();
    let loss = |loser: &epm_policy::Loser<'_>| (loser.candidate.rule.id.to_string(), loser.reason);
    losers.map(loss).collect()
}

/// A rule that knows the tool by the publisher's name, without a hash.
fn by_publisher(id: &str, elevation_type: ElevationType) -> Rule {
    let mut rule = rule(id, elevation_type);
    rule.detection.file_hash = None;
    rule.detection.signature = SignatureSource::Uploaded {
        certificate_type: Some(epm_policy::CertificateType::Publisher),
        certificate: Some(epm_policy::Certificate {
            subject: Some("CN=Contoso".to_owned()),
            ..Default::default()
        }),
    };
    rule
}

/// Both orders of writing give this winner and this reason for the other.
fn beats(winning: Rule, losing: Rule, step: DecidingStep, reason: LossReason) {
    for rules in [
        vec![winning.clone(), losing.clone()],
        vec![losing.clone(), winning.clone()],
    ] {
        let set = set_of(rules);
        let decision = decide(&set);
        assert_eq!(winner(&decision), winning.id.as_str());
        assert_eq!(decision.step, step);
        assert_eq!(losses(&decision), [(losing.id.to_string(), reason)]);
    }
}

#[test]
fn rules_for_one_file_from_several_policies_are_all_kept() {
    let set = set(vec![
        policy("one", vec![rule("a", ElevationType::UserConfirmed)]),
        policy("two", vec![rule("b", ElevationType::SupportApproved)]),
        policy("three", vec![rule("c", ElevationType::CurrentUser)]),
    ]);
    let decision = decide(&set);
    assert_eq!(winner(&decision), "a");
    assert_eq!(decision.losers.len(), 2);
}

#[test]
fn any_matching_deny_rule_wins_and_elevation_is_refused() {
    let mut strong = rule("a", ElevationType::UserConfirmed);
    strong.detection.file_path = Some("C:\\Tools".to_owned());
    let weak = by_publisher("b", ElevationType::Deny);
    beats(weak, strong, DecidingStep::Deny, LossReason::DenyRule);
}

#[test]
fn a_rule_for_the_user_beats_a_stronger_one_for_the_device() {
    let mut for_user = policy(
        "user",
        vec![by_publisher("b", ElevationType::SupportApproved)],
    );
    for_user.assignment = Assignment::to(Audience::User("ann".into()));
    let for_device = policy("device", vec![rule("a", ElevationType::UserConfirmed)]);
    let set = set(vec![for_device, for_user]);
    let decision = decide(&set);
    assert_eq!(winner(&decision), "b");
    assert_eq!(decision.winner.unwrap().target, Target::User);
    assert_eq!(decision.step, DecidingStep::UserTarget);
    assert_eq!(
        losses(&decision),
        [("a".to_owned(), LossReason::UserTarget)]
    );
}

#[test]
fn device_rules_cover_every_user_of_the_device_and_user_rules_follow_the_user() {
    let mut for_user = policy("user", vec![rule("u", ElevationType::UserConfirmed)]);
    for_user.assignment = Assignment::to(Audience::UserGroup("staff".into()));
    let mut for_device = policy("device", vec![rule("d", ElevationType::UserConfirmed)]);
    for_device.assignment = Assignment::to(Audience::Device("laptop".into()));
    let set = set(vec![for_user, for_device]);
    let mut launch = Launch::new();
    launch.user = Some("bob".into());
    launch.user_groups = Vec::new();
    assert_eq!(winner(&launch.with(|request| set.decide(request))), "d");
    let mut launch = Launch::new();
    launch.device = Some("elsewhere".into());
    launch.device_groups = Vec::new();
    assert_eq!(winner(&launch.with(|request| set.decide(request))), "u");
}

#[test]
fn a_policy_for_both_counts_as_deployed_to_the_user() {
    let mut both = policy("both", vec![rule("a", ElevationType::UserConfirmed)]);
    both.assignment.include.push(Audience::AllUsers);
    let set = set(vec![both]);
    assert_eq!(decide(&set).winner.unwrap().target, Target::User);
}

#[test]
fn an_excluded_group_is_not_reached() {
    let mut excluding = policy("p", vec![rule("a", ElevationType::UserConfirmed)]);
    excluding.assignment.exclude = vec![Audience::UserGroup("staff".into())];
    let set = set(vec![excluding]);
    assert_eq!(decide(&set).winner, None);
}

#[test]
fn a_rule_with_a_hash_is_the_most_specific() {
    let mut attributes = by_publisher("a", ElevationType::UserConfirmed);
    attributes.detection.file_path = Some("C:\\Tools".to_owned());
    attributes.detection.product_name = Some("Tools".to_owned());
    let hashed = rule("b", ElevationType::SupportApproved);
    beats(hashed, attributes, DecidingStep::Hash, LossReason::Hash);
}

#[test]
fn without_a_hash_the_rule_with_the_most_attributes_wins() {
    let few = by_publisher("a", ElevationType::UserConfirmed);
    let mut more = by_publisher("b", ElevationType::SupportApproved);
    more.detection.product_name = Some("Tools".to_owned());
    beats(
        more,
        few,
        DecidingStep::AttributeCount,
        LossReason::AttributeCount,
    );
}

#[test]
fn a_tie_goes_by_the_order_of_elevation_types() {
    let order = [
        ElevationType::UserConfirmed,
        ElevationType::CurrentUser,
        ElevationType::SupportApproved,
        ElevationType::Automatic,
    ];
    for (place, first) in order.iter().enumerate() {
        for second in &order[place + 1..] {
            // The id speaks for the other one.
            let (winning, losing) = (rule("z", *first), rule("a", *second));
            beats(
                winning,
                losing,
                DecidingStep::TypeOrder,
                LossReason::TypeOrder,
            );
        }
    }
}

#[test]
fn a_tie_of_everything_goes_to_the_lesser_id() {
    let (winning, losing) = (
        rule("a", ElevationType::UserConfirmed),
        rule("b", ElevationType::UserConfirmed),
    );
    beats(winning, losing, DecidingStep::RuleId, LossReason::RuleId);
}

#[test]
fn of_two_deny_rules_the_stronger_is_named() {
    let set = set_of(vec![
        by_publisher("a", ElevationType::Deny),
        rule("b", ElevationType::Deny),
    ]);
    let decision = decide(&set);
    assert_eq!(winner(&decision), "b");
    assert_eq!(decision.step, DecidingStep::Deny);
    assert_eq!(losses(&decision), [("a".to_owned(), LossReason::Hash)]);
}

#[test]
fn one_rule_alone_had_nothing_to_beat() {
    let set = set_of(vec![rule("a", ElevationType::UserConfirmed)]);
    let decision = decide(&set);
    assert_eq!(decision.step, DecidingStep::OnlyCandidate);
    assert_eq!(decision.tie_break, None);
    assert!(decision.losers.is_empty());
}

#[test]
fn the_deciding_step_is_the_one_against_the_strongest_loser() {
    let mut strongest = rule("a", ElevationType::UserConfirmed);
    strongest.detection.product_name = Some("Tools".to_owned());
    let set = set_of(vec![
        by_publisher("c", ElevationType::UserConfirmed),
        strongest,
        rule("b", ElevationType::UserConfirmed),
    ]);
    let decision = decide(&set);
    assert_eq!(decision.step, DecidingStep::AttributeCount);
    let expected = [
        ("b".to_owned(), LossReason::AttributeCount),
        ("c".to_owned(), LossReason::Hash),
    ];
    assert_eq!(losses(&decision), expected);
}

#[test]
fn every_step_has_its_reason_and_ties_are_told() {
    let ties: Vec<_> = ORDER
        .into_iter()
        .filter(|step| step.tie_break().is_some())
        .collect();
    assert_eq!(ties, [Step::TypeOrder, Step::RuleId]);
    assert_eq!(Step::TypeOrder.tie_break(), Some(TieBreak::TypeOrder));
    for step in ORDER {
        assert_eq!(
            step.deciding().word().is_empty(),
            step.loss().word().is_empty()
        );
    }
}

#[test]
fn a_decision_names_the_version_of_the_policies() {
    let mut policies =
        crate::world::policies(vec![policy("p", vec![rule("a", ElevationType::Deny)])]);
    policies.version = epm_policy::PolicyVersion(41);
    let set = PolicySet::new(policies).unwrap();
    assert_eq!(decide(&set).policy_version.0, 41);
}

#[test]
fn a_near_miss_names_the_one_attribute_that_failed() {
    let mut rotated = rule("a", ElevationType::UserConfirmed);
    rotated.detection.file_hash = Some(hash(9));
    let mut moved = rule("b", ElevationType::UserConfirmed);
    moved.detection.file_path = Some("D:\\Tools".to_owned());
    let mut newer = rule("c", ElevationType::UserConfirmed);
    newer.detection.minimum_version = Some(epm_policy::FileVersion([3, 0, 0, 0]));
    let mut renamed = rule("d", ElevationType::UserConfirmed);
    renamed.detection.file_name = "other.exe".to_owned();
    let mut far = rule("e", ElevationType::UserConfirmed);
    far.detection.file_name = "other.exe".to_owned();
    far.detection.file_hash = Some(hash(9));
    let mut other_file = by_publisher("f", ElevationType::UserConfirmed);
    other_file.detection.file_name = "other.exe".to_owned();
    let set = set_of(vec![rotated, moved, newer, renamed, far, other_file]);
    let decision = decide(&set);
    assert_eq!(
        decision.outcome,
        Outcome::Deny(epm_policy::Denial::DefaultResponse)
    );
    let near = decision.near_misses.rules.iter();
    let mut near: Vec<_> = near
        .map(|n| (n.rule.id.as_str(), n.attribute.word()))
        .collect();
    near.sort_unstable();
    let expected = [
        ("a", "file_hash"),
        ("b", "file_path"),
        ("c", "minimum_version"),
        ("d", "file_name"),
    ];
    assert_eq!(near, expected);
    assert!(!decision.near_misses.more);
}

#[test]
fn a_search_for_near_misses_that_was_cut_says_so() {
    let newer = |number: u8| {
        let mut rule = rule(&format!("r{number}"), ElevationType::UserConfirmed);
        rule.detection.file_hash = Some(hash(100 + number));
        rule.detection.minimum_version = Some(epm_policy::FileVersion([9, 0, 0, 0]));
        rule
    };
    let with_rules = |count| {
        let mut rules: Vec<Rule> = (0..count).map(newer).collect();
        let mut near = rule("z", ElevationType::UserConfirmed);
        near.detection.file_hash = Some(hash(99));
        rules.push(near);
        let set = set_of(rules);
        let near = decide(&set).near_misses;
        (near.rules.len(), near.more)
    };
    assert_eq!(with_rules(63), (1, false));
    // All hundred share the name, and the one that is near comes after those with more attributes.
    assert_eq!(with_rules(100), (0, true));
}

#[test]
fn of_many_near_misses_the_most_specific_are_told() {
    let rules = (0..40_u8).map(|number| {
        let mut rule = rule(&format!("r{number:02}"), ElevationType::UserConfirmed);
        rule.detection.file_hash = Some(hash(100 + number));
        if number % 4 == 0 {
            rule.detection.product_name = Some("Tools".to_owned());
        }
        rule
    });
    let set = set_of(rules.collect());
    let near = decide(&set).near_misses;
    assert!(near.more);
    assert_eq!(near.rules.len(), epm_policy::limits::MAX_NEAR_MISSES);
    let ids: Vec<&str> = near
        .rules
        .iter()
        .map(|near| near.rule.id.as_str())
        .collect();
    assert_eq!(ids[..3], ["r00", "r04", "r08"]);
    assert_eq!(ids[10..12], ["r01", "r02"]);
}

#[test]
fn a_rule_applies_to_every_user_that_its_policy_reaches() {
    let set = set_of(vec![rule("a", ElevationType::UserConfirmed)]);
    for user in ["ann", "bob"] {
        let mut launch = Launch::new();
        launch.user = Some(user.into());
        assert!(launch.with(|request| set.decide(request).winner.is_some()));
    }
}

#[test]
fn threads_share_a_set() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&set_of(vec![rule("a", ElevationType::UserConfirmed)]));
}
