//! Events as released programs wrote them, which every later program must read. Lines are only ever added to these files.

use std::collections::BTreeSet;

use epm_control::{
    ActivityEvent, Actor, ApiTokenEvent, DeviceEvent, DeviceGroupEvent, EnrolmentEvent, NewEvent,
    PolicyEvent, PrincipalEvent, RequestEvent, RoleEvent, Sequence, StreamId, TimeUs, Verification,
    Version,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::place::{NOW, Place, actor, changed, id, stream};

const DEVICES: &str = include_str!("released/device.jsonl");
const REQUESTS: &str = include_str!("released/elevation_request.jsonl");
const TOKENS: &str = include_str!("released/enrolment_token.jsonl");

const PRINCIPALS: &str = include_str!("released/principal.jsonl");
const ROLES: &str = include_str!("released/role.jsonl");
const API_TOKENS: &str = include_str!("released/api_token.jsonl");
const DEVICE_GROUPS: &str = include_str!("released/device_group.jsonl");
const POLICIES: &str = include_str!("released/policies.jsonl");
const ACTIVITIES: &str = include_str!("released/activity.jsonl");

/// Computed by another program, from the description in `control/src/chain.rs`.
const KNOWN_HASH: &str = "9e8ab65291f59fc0f2bd6ecd30bcba018d44bde39e6825936ec11793b04a8567";

/// Reads each line, writes it again, and returns the names that occur.
fn read_all<E: Serialize + DeserializeOwned>(released: &str) -> BTreeSet<String> {
    released
        .lines()
        .map(|line| {
            let event: E = serde_json::from_str(line).unwrap();
            let written: Value = serde_json::to_value(&event).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(line).unwrap());
            written["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// The names that the program knows: what it says it expected instead of one that it does not know.
fn known<E: DeserializeOwned>() -> BTreeSet<String> {
    let refused = serde_json::from_str::<E>(r#"{"name":"?","body":{}}"#);
    let said = refused.err().unwrap().to_string();
    let (_, names) = said.split_once("expected one of ").unwrap();
    let mut names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
    names.retain(|name| !name.is_empty());
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_released_event_is_read_and_every_event_is_there() {
    assert_eq!(read_all::<RequestEvent>(REQUESTS), known::<RequestEvent>());
    assert_eq!(
        read_all::<EnrolmentEvent>(TOKENS),
        known::<EnrolmentEvent>()
    );
    assert_eq!(read_all::<DeviceEvent>(DEVICES), known::<DeviceEvent>());
    assert_eq!(
        read_all::<PrincipalEvent>(PRINCIPALS),
        known::<PrincipalEvent>()
    );
    assert_eq!(read_all::<RoleEvent>(ROLES), known::<RoleEvent>());
    assert_eq!(
        read_all::<ApiTokenEvent>(API_TOKENS),
        known::<ApiTokenEvent>()
    );
    assert_eq!(
        read_all::<DeviceGroupEvent>(DEVICE_GROUPS),
        known::<DeviceGroupEvent>()
    );
    assert_eq!(read_all::<PolicyEvent>(POLICIES), known::<PolicyEvent>());
    assert_eq!(
        read_all::<ActivityEvent>(ACTIVITIES),
        known::<ActivityEvent>()
    );
    assert_eq!(known::<RequestEvent>().len(), 9);
}

/// The hash of a chain that is known. If it changes, no released store verifies any more.
pub(crate) async fn the_chain_of_known_events_has_the_known_hash(place: &Place) {
    let store = place.open().await;
    for (number, actor) in [actor(), Actor::Agent(id(8)), Actor::System]
        .into_iter()
        .enumerate()
    {
        let events = vec![
            changed("{\"ü\":1}"),
            NewEvent {
                name: String::new(),
                body: vec![0, 255],
            },
        ];
        let version = Version(number as u64 * 2);
        store
            .append(
                &stream(1),
                version,
                events,
                actor,
                TimeUs(NOW.0 - number as i64),
            )
            .await
            .unwrap();
    }
    let head = store.head().await.unwrap();
    assert_eq!(head.sequence, Sequence(6));
    let digits: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digits, KNOWN_HASH);
    assert_eq!(store.verify(None).await.unwrap(), Verification::Whole(head));
    assert_eq!(
        store.read(&StreamId::new("other", id(1))).await.unwrap(),
        []
    );
}
