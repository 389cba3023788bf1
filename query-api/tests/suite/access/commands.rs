//! Commands over HTTP: no update is lost, nobody decides on an own request, and wrong bodies name their field.

use axum::http::StatusCode;
use epm_control::{BuiltInRole, Scope};
use epm_query_api::ReadAccess;
use serde_json::json;
use uuid::Uuid;

use super::house::{HERE, House, group_of};

#[tokio::test]
async fn writers_at_once_never_lose_an_update() {
    let house = House::open(ReadAccess::Required).await;
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    let address = format!("/api/v1/roles/{}", house.role().await);
    // Each writer wants something that is not so yet: what is so already is no update.
    for [one, two, three, four] in [
        [
            "reports.view",
            "policy.create",
            "requests.view",
            "telemetry.export",
        ],
        ["pii.view", "agent.enrol", "retention.manage", "audit.view"],
    ] {
        let read = house.get(&address, &admin).await;
        let tag = read.headers["etag"].to_str().expect("a tag").to_owned();
        let put = async |right: &str| {
            let version = [("if-match", tag.as_str())];
            let body = Some(json!({ "rights": [right] }));
            let put = house.send("PUT", &address, Some(&admin), &version, body);
            put.await.status
        };
        let (one, two, three, four) = tokio::join!(put(one), put(two), put(three), put(four));
        let answers = [one, two, three, four];
        let count = |wanted: StatusCode| answers.iter().filter(|of| **of == wanted).count();
        let won = count(StatusCode::OK);
        assert_eq!((won, count(StatusCode::PRECONDITION_FAILED)), (1, 3));
    }
    let body = Some(json!({"rights": ["policy.read"]}));
    let blind = house.send("PUT", &address, Some(&admin), &[], body).await;
    assert_eq!(
        blind.status,
        StatusCode::PRECONDITION_REQUIRED,
        "{}",
        blind.text
    );
}

#[tokio::test]
async fn nobody_decides_on_an_own_request_and_each_decision_is_in_the_trail() {
    let house = House::open(ReadAccess::Required).await;
    let manager = BuiltInRole::EndpointPrivilegeManager;
    let owner = house.principal(manager, Scope::EVERYTHING, &["1000"]).await;
    let token = house.token_of(owner).await;
    let decide = async |requester: &str, decision: &str| {
        let id = house.request(requester).await;
        let address = format!("/api/v1/requests/{id}/{decision}");
        house
            .send(
                "POST",
                &address,
                Some(&token),
                &[],
                Some(json!({"reason": "no"})),
            )
            .await
    };
    for decision in ["approve", "deny"] {
        let own = decide("1000", decision).await;
        assert_eq!(own.status, StatusCode::CONFLICT, "{}", own.text);
        assert!(own.text.contains("own request"), "{}", own.text);
        let others = decide("1001", decision).await;
        assert_eq!(others.status, StatusCode::OK, "{}", others.text);
    }
    let early = decide("1001", "revoke").await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text);
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    house
        .get("/api/v1/reports/elevations?since=24h", &admin)
        .await;
    let trail = house.get("/api/v1/audit?limit=1000", &admin).await.body;
    let events = trail["events"].as_array().expect("events");
    let by = |who: Uuid, name: &str| {
        let actor = json!(format!("principal:{who}"));
        events
            .iter()
            .filter(|of| of["actor"] == actor && of["name"] == json!(name))
            .count()
    };
    assert_eq!((by(owner, "approved"), by(owner, "denied")), (1, 1));
    let read = events
        .iter()
        .find(|of| of["name"] == json!("report_read"))
        .expect("it was read");
    assert_eq!(read["body"]["query"], json!("since=24h"));
    let places: Vec<u64> = events
        .iter()
        .filter_map(|of| of["sequence"].as_u64())
        .collect();
    assert!(places.iter().copied().eq(1..=places.len() as u64));
}

#[tokio::test]
async fn what_a_body_should_not_hold_is_named() {
    let house = House::open(ReadAccess::Required).await;
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    let owner = Uuid::nil();
    for (path, body, field) in [
        (
            "/api/v1/roles",
            json!({"name": "a", "rights": ["policy.read"], "colour": 1}),
            "colour",
        ),
        ("/api/v1/roles", json!({"name": "a"}), "rights"),
        (
            "/api/v1/roles",
            json!({"name": "", "rights": ["policy.read"]}),
            "name",
        ),
        (
            "/api/v1/roles",
            json!({"name": "Administrator", "rights": ["policy.read"]}),
            "name",
        ),
        (
            "/api/v1/roles",
            json!({"name": "a", "rights": ["requests.modify"]}),
            "rights",
        ),
        (
            "/api/v1/principals",
            json!({"kind": "person", "name": "a", "grants": [{"role": "god"}]}),
            "role",
        ),
        (
            "/api/v1/principals",
            json!({"kind": "person", "name": "a", "admin": true}),
            "admin",
        ),
        (
            "/api/v1/tokens",
            json!({"owner": owner, "name": "a", "days": 30}),
            "owner",
        ),
        (
            "/api/v1/tokens",
            json!({"owner": owner, "name": "a", "days": 0}),
            "days",
        ),
    ] {
        let answer = house
            .send("POST", path, Some(&admin), &[], Some(body))
            .await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{path}: {}",
            answer.text
        );
        assert_eq!(
            answer.body["field"],
            json!(field),
            "{path}: {}",
            answer.text
        );
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let long = json!({"name": "a".repeat(70_000), "rights": []});
    let refused = house
        .send("POST", "/api/v1/roles", Some(&admin), &[], Some(long))
        .await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let plain = [("content-type", "text/plain")];
    let refused = house
        .send("POST", "/api/v1/roles", Some(&admin), &plain, None)
        .await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let unknown = house.get("/api/v1/roles?colour=blue", &admin).await;
    assert_eq!(
        (unknown.status, &unknown.body["field"]),
        (StatusCode::BAD_REQUEST, &json!("colour"))
    );
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_taken_back() {
    let house = House::open(ReadAccess::Required).await;
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    let owner = house
        .principal(BuiltInRole::Administrator, Scope::EVERYTHING, &[])
        .await;
    let wanted = json!({"owner": owner, "name": "reports only", "days": 7, "rights": ["reports.view"],
        "scope": {"groups": [group_of(HERE)]}});
    let made = house
        .send("POST", "/api/v1/tokens", Some(&admin), &[], Some(wanted))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let token = made.body["token"].as_str().expect("a token");
    let me = house.get("/api/v1/me", token).await.body;
    assert_eq!(me["rights"], json!(["reports.view"]));
    let seen = house.get("/api/v1/reports/elevations", token).await.body;
    assert_eq!(seen["meta"]["total_rows"], json!(1));
    assert_eq!(
        house.get("/api/v1/tokens", token).await.status,
        StatusCode::FORBIDDEN
    );
    let listed = house.get("/api/v1/tokens", &admin).await;
    let secret = token.rsplit('-').next().expect("a secret");
    assert!(listed.text.contains("reports only") && !listed.text.contains(secret));
    let address = format!(
        "/api/v1/tokens/{}",
        made.body["id"].as_str().expect("an id")
    );
    let gone = house
        .send("DELETE", &address, Some(&admin), &[], None)
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(
        house.get("/api/v1/me", token).await.status,
        StatusCode::UNAUTHORIZED
    );
}
