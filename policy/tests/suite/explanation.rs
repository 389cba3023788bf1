//! A decision as a document: nothing is left out, and the words are the same in JSON and in sentences.

use epm_policy::{ElevationType, PolicySet, PolicyVersion};
use serde_json::json;

use crate::dice::Dice;
use crate::draw;
use crate::world::{Launch, hash, policies, policy, rule};

#[test]
fn the_document_names_the_outcome_the_step_and_every_rule() {
    let mut near = rule("n", ElevationType::UserConfirmed);
    near.detection.file_hash = Some(hash(9));
    let mut trial = rule("t", ElevationType::Deny);
    trial.report_only = true;
    let rules = vec![
        rule("a", ElevationType::UserConfirmed),
        rule("b", ElevationType::Automatic),
        near,
        trial,
    ];
    let mut policies = policies(vec![policy("p", rules)]);
    policies.version = PolicyVersion(7);
    let set = PolicySet::new(policies).unwrap();
    let explanation = Launch::new().with(|request| set.decide(request).explain());
    let named = |id: &str, elevation_type: &str| {
        json!({
            "rule_id": id, "rule_name": id, "policy_id": "p", "policy_name": "p", "elevation_type": elevation_type,
        })
    };
    let with = |mut value: serde_json::Value, more: serde_json::Value| {
        let fields = value.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        value
    };
    let matched = json!({"target": "device", "attribute_score": 0});
    let lost = |reason: &str| json!({"target": "device", "attribute_score": 0, "lost": reason});
    let expected = json!({
        "outcome": "confirm",
        "elevation_type": "user_confirmed",
        "validation": {"business_justification": false, "authentication": false},
        "source": "rule",
        "step": "type_order",
        "tie_break": "type_order",
        "policy_version": 7,
        "winner": with(named("a", "user_confirmed"), matched),
        "losers": [
            with(named("t", "deny"), lost("report_only")),
            with(named("b", "automatic"), lost("type_order")),
        ],
        "near_misses": [
            with(named("n", "user_confirmed"), json!({"attribute": "file_hash", "reason": "different"})),
        ],
        "more_near_misses": false,
        "monitored": {"outcome": "deny", "reason": "deny_rule"},
    });
    assert_eq!(serde_json::to_value(&explanation).unwrap(), expected);
    assert_eq!(
        explanation.to_string(),
        "confirm, decided by type_order\n\
         won: \"a\" (a) of policy \"p\"\n\
         lost by report_only: \"t\" (t) of policy \"p\"\n\
         lost by type_order: \"b\" (b) of policy \"p\"\n\
         nearly, but file_hash is different: \"n\" (n) of policy \"p\"\n\
         had rules that only report acted: deny (deny_rule)\n\
         policy version 7"
    );
}

#[test]
fn every_decision_is_explained_with_all_its_rules() {
    for seed in 0..500 {
        let dice = &mut Dice::new(seed);
        let policies = draw::policies(dice);
        let set = PolicySet::new(policies.clone()).unwrap();
        let launch = draw::launch(dice, &policies);
        launch.with(|request| {
            let decision = set.decide(request);
            let explanation = decision.explain();
            assert_eq!(explanation.winner.is_some(), decision.winner.is_some());
            assert_eq!(explanation.losers.len(), decision.losers.len());
            assert_eq!(
                explanation.near_misses.len(),
                decision.near_misses.rules.len()
            );
            assert_eq!(
                explanation.monitored.is_some(),
                decision.monitored.is_some()
            );
            let elevated = decision.outcome.permissiveness() > 1;
            assert_eq!(explanation.outcome.elevation_type.is_some(), elevated);
        });
    }
}
