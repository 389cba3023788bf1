//! Who may do what over HTTP: every endpoint for every built-in role in every kind of scope, and what a scope hides.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use epm_control::{
    Actor, Aggregate, ApiToken, ApiTokenCommand, ApiTokenTerms, BuiltInRole, ControlStore,
    CustomRole, DeviceGroup, DeviceGroupCommand, ElevationRequest, FileAsked, KnownDeviceGroup,
    KnownPrincipal, Limit, Members, Name, Principal, PrincipalCommand, PrincipalKind,
    PrincipalSettings, RequestCommand, Right, Role, RoleCommand, RoleGrant, RoleRef, Scope, Sha256,
    Submission, TimeUs, Token, TokenKind,
};
use epm_policy::{DeviceId, UserId};
use epm_query_api::ReadAccess;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::tables::{Elevation, Server, agent_of};

/// What each caller gets: `+` done, `-` 403, `0` 404 as the thing is outside the scope, `1` 401. Roles in the order of
/// `BuiltInRole::ALL`; first with every device in scope, then with the group of the device that is asked about, then with
/// another group; last, nobody. Written down from the specification, not made from the code.
const MATRIX: &str = "
    GET    /healthz                            +++++ +++++ +++++ +
    GET    /readyz                             +++++ +++++ +++++ +
    GET    /metrics                            +++++ +++++ +++++ +
    GET    /api/v1/openapi.json                +++++ +++++ +++++ +
    GET    /api/v1/reports                     +++++ +++++ +++++ 1
    GET    /api/v1/reports/{name}              +++++ +++++ +++++ 1
    GET    /api/v1/status                      +++++ +++++ +++++ 1
    GET    /api/v1/me                          +++++ +++++ +++++ 1
    GET    /api/v1/audit                       +---- ----- ----- 1
    GET    /api/v1/roles                       +---- ----- ----- 1
    POST   /api/v1/roles                       +---- ----- ----- 1
    GET    /api/v1/roles/{id}                  +---- ----- ----- 1
    PUT    /api/v1/roles/{id}                  +---- ----- ----- 1
    DELETE /api/v1/roles/{id}                  +---- ----- ----- 1
    GET    /api/v1/principals                  +---- ----- ----- 1
    POST   /api/v1/principals                  +---- ----- ----- 1
    GET    /api/v1/principals/{id}             +---- ----- ----- 1
    PUT    /api/v1/principals/{id}             +---- ----- ----- 1
    GET    /api/v1/tokens                      +---- ----- ----- 1
    POST   /api/v1/tokens                      +---- ----- ----- 1
    DELETE /api/v1/tokens/{id}                 +---- ----- ----- 1
    GET    /api/v1/requests                    +++++ +++++ +++++ 1
    GET    /api/v1/requests/{id}               +++++ +++++ 00000 1
    POST   /api/v1/requests/{id}/{decision}    ++-+- ++-+- 00-0- 1
";

const HERE: &str = "PC-1";
const ELSEWHERE: &str = "PC-2";

fn now() -> TimeUs {
    TimeUs(jiff::Timestamp::now().as_microsecond())
}

fn named(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    text: String,
}

/// A server with a control store, and things in it to ask about.
struct House {
    _server: Server,
    store: ControlStore,
    router: Router,
}

impl House {
    async fn open(access: ReadAccess) -> Self {
        let on = |device: &str, file: &str| Elevation {
            device: device.to_owned(),
            ..Elevation::of("CONTOSO\\ada", file, "unmanaged")
        };
        let elevations = [on(HERE, "disk.exe"), on(ELSEWHERE, "net.exe").ago(3)];
        let server = Server::with(&elevations).await;
        let store = server.control().await;
        let router = server.router_with(Some(store.clone()), access);
        let house = Self {
            _server: server,
            store,
            router,
        };
        for device in [HERE, ELSEWHERE] {
            let group = KnownDeviceGroup {
                name: named(device),
                members: Members::Named([agent_of(device)].into()),
            };
            let id = group_of(device);
            house
                .act::<DeviceGroup>(id, DeviceGroupCommand::Define(group))
                .await;
        }
        house
    }

    async fn act<A: Aggregate>(&self, id: Uuid, command: A::Command) {
        let done = self
            .store
            .execute::<A>(id, None, &command, Actor::System, now())
            .await;
        done.expect("it is done");
    }

    async fn principal(&self, role: BuiltInRole, scope: Scope, users: &[&str]) -> Uuid {
        let id = Uuid::new_v4();
        let register = PrincipalCommand::Register(KnownPrincipal {
            kind: PrincipalKind::Person,
            identity: None,
            settings: PrincipalSettings {
                name: named(role.name()),
                users: users.iter().map(|user| UserId::from(*user)).collect(),
                enabled: true,
                grants: vec![RoleGrant {
                    role: RoleRef::BuiltIn(role),
                    scope,
                }],
            },
        });
        self.act::<Principal>(id, register).await;
        id
    }

    async fn token_of(&self, owner: Uuid) -> String {
        let token = Token::new(TokenKind::Api, Uuid::new_v4(), [7; 32]);
        let issue = ApiTokenCommand::Issue {
            hash: token.hash(),
            terms: ApiTokenTerms {
                owner,
                name: named("test"),
                expires_at: now().plus_s(3_600),
                rights: None,
                scope: Scope::EVERYTHING,
            },
        };
        self.act::<ApiToken>(token.id(), issue).await;
        token.text()
    }

    async fn caller(&self, role: BuiltInRole, scope: Scope) -> String {
        let owner = self.principal(role, scope, &[]).await;
        self.token_of(owner).await
    }

    async fn role(&self) -> Uuid {
        let name = format!("role {}", Uuid::new_v4());
        let rights = [Right::PolicyRead].into_iter().collect();
        let role = CustomRole::new(&name, rights).expect("a role");
        let id = Role::id_of(role.name());
        self.act::<Role>(id, RoleCommand::Define(role)).await;
        id
    }

    /// A request that waits for a decision, on the device that is asked about.
    async fn request(&self, requester: &str) -> Uuid {
        let id = Uuid::new_v4();
        let submit = RequestCommand::Submit(Submission {
            requester: UserId::from(requester),
            requester_principal: None,
            device: DeviceId(agent_of(HERE).to_string()),
            file: FileAsked {
                sha256: Sha256([9; 32]),
                path: "C:\\Tools\\disk.exe".to_owned(),
                publisher: None,
                version: None,
            },
            justification: "replace the disk".to_owned(),
            rule: None,
            rule_authors: BTreeSet::new(),
            reviewers_needed: 1,
        });
        self.act::<ElevationRequest>(id, submit).await;
        id
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        more: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let answer = self
            .router
            .clone()
            .oneshot(request.expect("a request"))
            .await;
        let (parts, body) = answer.expect("an answer").into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, Some(token), &[], None).await
    }

    /// Calls an endpoint as it is meant to be called, about things that were made for this call.
    async fn call(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        let any = [("if-match", "*")];
        let (id, more, body): (String, &[(&str, &str)], Option<Value>) = match (method, path) {
            ("POST", "/api/v1/roles") => {
                let name = format!("new {}", Uuid::new_v4());
                (
                    String::new(),
                    &[],
                    Some(json!({"name": name, "rights": ["policy.read"]})),
                )
            }
            ("PUT", "/api/v1/roles/{id}") => {
                let rights = json!({"rights": ["reports.view"]});
                (self.role().await.to_string(), &any, Some(rights))
            }
            (_, "/api/v1/roles/{id}") => (self.role().await.to_string(), &any, None),
            ("POST", "/api/v1/principals") => {
                let person = json!({"kind": "person", "name": "Ada", "grants": [{"role": "read-only-operator"}]});
                (String::new(), &[], Some(person))
            }
            ("PUT", "/api/v1/principals/{id}") => {
                let id = self.principal(BuiltInRole::ReadOnlyOperator, Scope::EVERYTHING, &[]);
                let wanted = json!({"name": "Eve", "users": [], "enabled": false, "grants": []});
                (id.await.to_string(), &any, Some(wanted))
            }
            (_, "/api/v1/principals/{id}") => {
                let id = self.principal(BuiltInRole::ReadOnlyOperator, Scope::EVERYTHING, &[]);
                (id.await.to_string(), &[], None)
            }
            ("POST", "/api/v1/tokens") => {
                let id = self.principal(BuiltInRole::ReadOnlyOperator, Scope::EVERYTHING, &[]);
                (
                    String::new(),
                    &[],
                    Some(json!({"owner": id.await, "name": "script", "days": 30})),
                )
            }
            ("DELETE", "/api/v1/tokens/{id}") => {
                let owner = self.principal(BuiltInRole::ReadOnlyOperator, Scope::EVERYTHING, &[]);
                let token = self.token_of(owner.await).await;
                let id = Token::parse(&token).expect("a token").id();
                (id.to_string(), &[], None)
            }
            ("POST", "/api/v1/requests/{id}/{decision}") => (
                self.request("1000").await.to_string(),
                &[],
                Some(json!({"reason": "ticket 4711"})),
            ),
            (_, "/api/v1/requests/{id}") => (self.request("1000").await.to_string(), &[], None),
            _ => (String::new(), &[], None),
        };
        let address = path
            .replace("{id}", &id)
            .replace("{name}", "elevations")
            .replace("{decision}", "approve");
        self.send(method, &address, token, more, body).await
    }
}

fn group_of(device: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, device.as_bytes())
}

fn only(device: &str) -> Scope {
    Scope {
        groups: Limit::OneOf([DeviceGroup::name_of(group_of(device))].into()),
        tags: Limit::Any,
    }
}

fn mark(status: StatusCode) -> char {
    match status.as_u16() {
        200..=299 => '+',
        401 => '1',
        403 => '-',
        404 => '0',
        _ => '?',
    }
}

#[tokio::test]
async fn every_endpoint_answers_every_role_in_every_scope_as_the_matrix_says() {
    let house = House::open(ReadAccess::Required).await;
    let mut callers = Vec::new();
    for scope in [Scope::EVERYTHING, only(HERE), only(ELSEWHERE)] {
        for role in BuiltInRole::ALL {
            callers.push(Some(house.caller(role, scope.clone()).await));
        }
    }
    callers.push(None);

    let mut expected = BTreeMap::new();
    for line in MATRIX.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let mut word = || words.next().expect("a method and a path").to_owned();
        let key = (word(), word());
        let marks: String = words.collect();
        assert_eq!(marks.len(), callers.len(), "{line}");
        assert!(
            expected.insert(key, marks).is_none(),
            "{line} is there twice"
        );
    }
    let admin = callers[0].clone().expect("a token");
    let description = house.get("/api/v1/openapi.json", &admin).await.body;
    let mut cells = 0;
    for (path, operations) in description["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let method = method.to_uppercase();
            if method == "PARAMETERS" {
                continue;
            }
            let marks = expected.remove(&(method.clone(), path.clone()));
            let marks = marks.unwrap_or_else(|| panic!("{method} {path} has no row"));
            let mut found = String::new();
            for caller in &callers {
                let answer = house.call(&method, path, caller.as_deref()).await;
                let mark = mark(answer.status);
                assert!(
                    mark != '?',
                    "{method} {path}: {} {}",
                    answer.status,
                    answer.text
                );
                found.push(mark);
                cells += 1;
            }
            assert_eq!(found, marks, "{method} {path}");
        }
    }
    assert!(
        expected.is_empty(),
        "rows without an endpoint: {expected:?}"
    );
    assert_eq!(cells, 24 * 16);
}

#[tokio::test]
async fn a_scope_hides_every_row_count_and_request_of_other_devices() {
    let house = House::open(ReadAccess::Required).await;
    let request = house.request("1000").await;
    let reader = BuiltInRole::EndpointPrivilegeReader;
    let whole = house.caller(reader, Scope::EVERYTHING).await;
    let here = house.caller(reader, only(HERE)).await;
    let elsewhere = house.caller(reader, only(ELSEWHERE)).await;
    let nowhere = Scope {
        groups: Limit::OneOf(BTreeSet::new()),
        tags: Limit::Any,
    };
    let nowhere = house.caller(reader, nowhere).await;
    let files = async |token: &str, address: &str| -> BTreeSet<String> {
        let answer = house.get(address, token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let rows = answer.body["rows"].as_array().expect("rows").clone();
        assert_eq!(
            answer.body["meta"]["total_rows"],
            json!(rows.len()),
            "{}",
            answer.text
        );
        rows.iter()
            .map(|row| row["file_name"].as_str().expect("a file").to_owned())
            .collect()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    for address in [
        "/api/v1/reports/elevations",
        "/api/v1/reports/by-application?columns=file_name,total",
        "/api/v1/reports/by-application?columns=file_name,total&since=30d",
        "/api/v1/reports/elevations?device=PC-*",
    ] {
        assert_eq!(
            files(&whole, address).await,
            set(&["disk.exe", "net.exe"]),
            "{address}"
        );
        assert_eq!(files(&here, address).await, set(&["disk.exe"]), "{address}");
        assert_eq!(
            files(&elsewhere, address).await,
            set(&["net.exe"]),
            "{address}"
        );
        assert_eq!(files(&nowhere, address).await, set(&[]), "{address}");
    }
    for (token, seen) in [(&whole, 1), (&here, 1), (&elsewhere, 0), (&nowhere, 0)] {
        let devices = house.get("/api/v1/reports/devices", token).await.body;
        assert_eq!(devices["rows"].as_array().expect("rows").len(), seen);
        let listed = house.get("/api/v1/requests", token).await.body;
        let requests = listed["requests"].as_array().expect("requests");
        assert_eq!(requests.len(), seen);
        assert!(requests.iter().all(|of| of["id"] == json!(request)));
    }
    let page = house.get("/", &here).await;
    assert!(page.text.contains("disk.exe") && !page.text.contains("net.exe"));
}

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
async fn files_need_the_right_to_take_records_out() {
    let house = House::open(ReadAccess::Required).await;
    let admin = house
        .caller(BuiltInRole::Administrator, Scope::EVERYTHING)
        .await;
    let manager = house
        .caller(BuiltInRole::EndpointPrivilegeManager, Scope::EVERYTHING)
        .await;
    for format in ["csv", "ndjson", "parquet", "arrow"] {
        let address = format!("/api/v1/reports/elevations?format={format}");
        assert_eq!(house.get(&address, &admin).await.status, StatusCode::OK);
        let refused = house.get(&address, &manager).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.text.contains("telemetry.export"),
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn where_reading_is_open_only_reading_is() {
    let house = House::open(ReadAccess::Open).await;
    for path in [
        "/",
        "/reports/elevations",
        "/api/v1/reports",
        "/api/v1/status",
    ] {
        let answer = house.send("GET", path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    for (method, path) in [
        ("GET", "/api/v1/roles"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/audit"),
    ] {
        let answer = house.send(method, path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"epm\"");
    }
    // Who presents a token is who it says, or nobody.
    for wrong in ["", "epm-api-1", "Basic"] {
        let answer = house.get("/api/v1/reports", wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let closed = House::open(ReadAccess::Required).await;
    for path in [
        "/",
        "/reports/elevations",
        "/api/v1/reports",
        "/api/v1/status",
    ] {
        let answer = closed.send("GET", path, None, &[], None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
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
