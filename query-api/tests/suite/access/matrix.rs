//! Every endpoint for every built-in role in every kind of scope.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use epm_control::{BuiltInRole, Scope, Token};
use epm_query_api::ReadAccess;
use serde_json::{Value, json};
use uuid::Uuid;

use super::house::{Answer, ELSEWHERE, HERE, House, only};

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

impl House {
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

fn mark(status: StatusCode) -> char {
    match status.as_u16() {
        200..=299 => '+',
        401 => '1',
        403 => '-',
        404 => '0',
        _ => '?',
    }
}
