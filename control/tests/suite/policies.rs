//! Policies change as a whole or not at all, and each device gets what concerns it.

use std::collections::BTreeSet;

use epm_control::{
    CommandError, ControlStore, Outcome, POLICY_BOOK, PolicyBook, PolicyCommand, PolicyRefusal,
    StoreError, Version,
};
use epm_policy::{
    DeviceFacts, DeviceId, GroupId, Platform, Policies, PolicySet, Request, Trigger, UserFacts,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::place::{NOW, Place, actor, id};

fn rules(name: &str, assignment: Value, conditions: Value) -> Value {
    json!({
        "id": name, "name": name, "platform": "linux", "assignment": assignment,
        "rules": [{
            "id": name, "name": name, "elevation_type": "automatic", "conditions": conditions,
            "detection": {
                "file_name": name, "file_path": "/usr/bin", "signature": "not_configured",
                "file_hash": "00".repeat(32),
            },
        }],
    })
}

fn policies(rules: &[Value]) -> Policies {
    let text = json!({
        "version": 1,
        "settings": [{"id": "s", "name": "s", "assignment": {"include": ["all_devices"]}}],
        "rules": rules,
    });
    serde_json::from_value(text).unwrap()
}

fn everywhere(name: &str) -> Value {
    rules(name, json!({"include": ["all_devices"]}), json!({}))
}

async fn apply(
    store: &ControlStore,
    expected: Option<Version>,
    wanted: &Policies,
) -> Result<Outcome<PolicyBook>, CommandError<PolicyRefusal>> {
    let command = PolicyCommand::Apply(Box::new(wanted.clone()));
    store
        .execute::<PolicyBook>(POLICY_BOOK, expected, &command, actor(), NOW)
        .await
}

pub(crate) async fn a_file_is_applied_whole_and_again_changes_nothing(place: &Place) {
    let store = place.open().await;
    let first = policies(&[everywhere("a"), everywhere("b")]);
    let outcome = apply(&store, Some(Version(0)), &first).await.unwrap();
    assert_eq!((outcome.events.len(), outcome.version), (3, Version(3)));
    let again = apply(&store, None, &first).await.unwrap();
    assert_eq!((again.events.len(), again.version), (0, Version(3)));
    let second = policies(&[everywhere("b"), everywhere("c")]);
    let changes = again.state.changes(&second).unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.id.as_str(), change.was_there, change.stays()))
        .collect();
    assert_eq!(told, [("c", false, true), ("a", true, false)]);
    // Somebody who looked before the last change does not undo it.
    let stale = apply(&store, Some(Version(0)), &second).await;
    let Err(CommandError::Store(StoreError::Conflict { actual, .. })) = stale else {
        panic!("a stale version");
    };
    assert_eq!(actual, Version(3));
    apply(&store, Some(actual), &second).await.unwrap();
    let (book, version) = place
        .open()
        .await
        .load::<PolicyBook>(POLICY_BOOK)
        .await
        .unwrap();
    let held = book.policies(version);
    assert_eq!((held.rules, held.version.0), (second.rules, 5));
}

pub(crate) async fn a_file_with_one_mistake_changes_nothing(place: &Place) {
    let store = place.open().await;
    let mut twice = policies(&[everywhere("a"), everywhere("b")]);
    twice.rules[1].rules[0].id = twice.rules[0].rules[0].id.clone();
    let refused = apply(&store, None, &twice).await;
    assert!(matches!(
        refused,
        Err(CommandError::Refused(PolicyRefusal::Invalid(_)))
    ));
    let mut large = policies(&[everywhere("a")]);
    let rule = large.rules[0].rules[0].clone();
    large.rules[0].rules.extend((0..5_000).map(|number| {
        let mut another = rule.clone();
        another.id = format!("rule-{number}").as_str().into();
        another.name = format!("rule {number}");
        another
    }));
    let refused = apply(&store, None, &large).await.unwrap_err().to_string();
    assert!(
        refused.contains("\"a\"") && refused.contains("split"),
        "{refused}"
    );
    let many: Vec<_> = (0..300)
        .map(|number| everywhere(&format!("r{number}")))
        .collect();
    let refused = apply(&store, None, &policies(&many))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("parts"), "{refused}");
    let (book, version) = store.load::<PolicyBook>(POLICY_BOOK).await.unwrap();
    assert_eq!((book, version), (PolicyBook::default(), Version(0)));
}

/// What a device decides by its own policies, without knowing its groups, is what it would by all policies, knowing them.
pub(crate) async fn a_device_needs_no_more_than_its_own_policies(place: &Place) {
    let (here, there) = (id(1), id(2));
    let (group, other) = ("11", "22");
    let all = policies(&[
        everywhere("everywhere"),
        rules(
            "here",
            json!({"include": [{"device": here.to_string()}]}),
            json!({}),
        ),
        rules(
            "there",
            json!({"include": [{"device": there.to_string()}]}),
            json!({}),
        ),
        rules(
            "group",
            json!({"include": [{"device_group": group}]}),
            json!({}),
        ),
        rules(
            "other",
            json!({"include": [{"device_group": other}]}),
            json!({}),
        ),
        rules(
            "not",
            json!({"include": ["all_devices"], "exclude": [{"device_group": group}]}),
            json!({}),
        ),
        rules(
            "user",
            json!({"include": [{"user": "anna"}], "exclude": [{"device_group": other}]}),
            json!({}),
        ),
        rules(
            "asks",
            json!({"include": ["all_devices"]}),
            json!({"device_groups": [other]}),
        ),
        rules(
            "has",
            json!({"include": ["all_devices"]}),
            json!({"device_groups": [group]}),
        ),
    ]);
    let store = place.open().await;
    let outcome = apply(&store, None, &all).await.unwrap();
    let whole = PolicySet::new(outcome.state.policies(outcome.version)).unwrap();
    for (device, groups) in [
        (here, vec![group]),
        (here, vec![]),
        (there, vec![other]),
        (there, vec![group, other]),
        (id(3), vec![]),
    ] {
        let groups: Vec<GroupId> = groups.into_iter().map(GroupId::from).collect();
        let set: BTreeSet<GroupId> = groups.iter().cloned().collect();
        let own = outcome.state.policies_for(device, &set, outcome.version);
        let own = PolicySet::new(own).unwrap();
        for name in [
            "everywhere",
            "here",
            "there",
            "group",
            "other",
            "not",
            "user",
            "asks",
            "has",
        ] {
            let with = decided(&whole, name, device, &groups);
            let without = decided(&own, name, device, &[]);
            assert_eq!(with, without, "{name} on {device} in {groups:?}");
        }
    }
    let groups = BTreeSet::from([GroupId::from(group)]);
    let own = outcome.state.policies_for(here, &groups, outcome.version);
    let names: Vec<_> = own
        .rules
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!(names, ["everywhere", "group", "has", "here", "user"]);
}

/// The outcome and the winning rule for Anna.
fn decided(set: &PolicySet, name: &str, device: Uuid, groups: &[GroupId]) -> String {
    let path = format!("/usr/bin/{name}");
    let (device, user) = (DeviceId::from(device.to_string().as_str()), "anna".into());
    let mut request = Request::new(Platform::Linux, Trigger::RunWithElevatedAccess, &path);
    request.file.sha256 = Some(epm_policy::Sha256([0; 32]));
    request.device = DeviceFacts {
        id: Some(&device),
        groups,
        ..DeviceFacts::default()
    };
    request.user = UserFacts {
        id: Some(&user),
        ..UserFacts::default()
    };
    let decision = set.decide(&request);
    format!(
        "{:?} {:?}",
        decision.outcome,
        decision.winner.map(|rule| rule.rule.id.clone())
    )
}
