//! A server with a control store, callers in every role, and things to ask about.

use std::collections::BTreeSet;

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
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::tables::{Elevation, Server, agent_of};

pub(super) const HERE: &str = "PC-1";
pub(super) const ELSEWHERE: &str = "PC-2";

pub(super) fn now() -> TimeUs {
    TimeUs(jiff::Timestamp::now().as_microsecond())
}

pub(super) fn named(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) text: String,
}

/// A server with a control store, and things in it to ask about.
pub(super) struct House {
    _server: Server,
    pub(super) store: ControlStore,
    pub(super) router: Router,
}

impl House {
    pub(super) async fn open(access: ReadAccess) -> Self {
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

    pub(super) async fn act<A: Aggregate>(&self, id: Uuid, command: A::Command) {
        let done = self
            .store
            .execute::<A>(id, None, &command, Actor::System, now())
            .await;
        done.expect("it is done");
    }

    pub(super) async fn principal(&self, role: BuiltInRole, scope: Scope, users: &[&str]) -> Uuid {
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

    pub(super) async fn token_of(&self, owner: Uuid) -> String {
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

    pub(super) async fn caller(&self, role: BuiltInRole, scope: Scope) -> String {
        let owner = self.principal(role, scope, &[]).await;
        self.token_of(owner).await
    }

    pub(super) async fn role(&self) -> Uuid {
        let name = format!("role {}", Uuid::new_v4());
        let rights = [Right::PolicyRead].into_iter().collect();
        let role = CustomRole::new(&name, rights).expect("a role");
        let id = Role::id_of(role.name());
        self.act::<Role>(id, RoleCommand::Define(role)).await;
        id
    }

    /// A request that waits for a decision, on the device that is asked about.
    pub(super) async fn request(&self, requester: &str) -> Uuid {
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

    pub(super) async fn send(
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

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, Some(token), &[], None).await
    }
}

pub(super) fn group_of(device: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, device.as_bytes())
}

pub(super) fn only(device: &str) -> Scope {
    Scope {
        groups: Limit::OneOf([DeviceGroup::name_of(group_of(device))].into()),
        tags: Limit::Any,
    }
}
