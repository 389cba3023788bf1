//! Principals, their roles and tokens: who gets in, with what, and what the lists show of them.

use std::collections::BTreeSet;

use epm_control::{
    Access, ActivityEvent, Actor, Aggregate as _, ApiToken, ApiTokenCommand, ApiTokenEvent,
    ApiTokenRefusal, ApiTokenTerms, BuiltInRole, CommandError, ControlStore, CustomRole,
    DeviceGroup, DeviceGroupCommand, DeviceGroupRefusal, Grant, KnownDeviceGroup, KnownPrincipal,
    Limit, Members, Name, Principal, PrincipalCommand, PrincipalEvent, PrincipalKind,
    PrincipalRefusal, PrincipalSettings, Right, Rights, Role, RoleCommand, RoleGrant, RoleRef,
    RoleRefusal, Scope, SignInError, SignInRefusal, StoreError, Tag, Target, TimeUs, Token,
    TokenKind, Verification,
};
use uuid::Uuid;

use crate::place::{NOW, Place, actor, id};

const DAY_S: i64 = 24 * 60 * 60;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn token(number: u128) -> Token {
    Token::new(TokenKind::Api, id(number), [0x5a; 32])
}

fn settings(text: &str, roles: &[RoleRef]) -> PrincipalSettings {
    let grant = |role: &RoleRef| RoleGrant {
        role: role.clone(),
        scope: Scope::EVERYTHING,
    };
    PrincipalSettings {
        name: name(text),
        users: BTreeSet::new(),
        enabled: true,
        grants: roles.iter().map(grant).collect(),
    }
}

fn person(text: &str, roles: &[RoleRef]) -> PrincipalCommand {
    PrincipalCommand::Register(KnownPrincipal {
        kind: PrincipalKind::Person,
        identity: None,
        settings: settings(text, roles),
    })
}

fn issue(number: u128, owner: Uuid, rights: Option<Rights>) -> ApiTokenCommand {
    ApiTokenCommand::Issue {
        hash: token(number).hash(),
        terms: ApiTokenTerms {
            owner,
            name: name("script"),
            expires_at: NOW.plus_s(DAY_S),
            rights,
            scope: Scope::EVERYTHING,
        },
    }
}

async fn act<A: epm_control::Aggregate>(store: &ControlStore, id: Uuid, command: A::Command) -> A {
    let done = store.execute::<A>(id, None, &command, actor(), NOW).await;
    done.unwrap().state
}

async fn refused(store: &ControlStore, token: &Token, at: TimeUs) -> SignInRefusal {
    match store.sign_in(token, at).await {
        Err(SignInError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn the_first_start_makes_one_administrator_however_many_nodes_start(
    place: &Place,
) {
    let starts = (1..=4).map(|number| {
        let address = place.address.clone();
        tokio::spawn(async move {
            let store = ControlStore::open(&address).await.unwrap();
            let token = token(number);
            let made = store.first_administrator(&token, DAY_S, NOW).await.unwrap();
            (made, token)
        })
    });
    let mut shown = Vec::new();
    let mut others = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        let (made, token) = start.await.unwrap();
        if made { &mut shown } else { &mut others }.push(token);
    }
    assert_eq!((shown.len(), others.len()), (1, 3));
    let store = place.open().await;
    let caller = store.sign_in(&shown[0], NOW).await.unwrap();
    for right in Right::ALL {
        assert!(caller.access.may(*right, Target::Everything), "{right}");
    }
    for token in others {
        let refusal = refused(&store, &token, NOW).await;
        let expected = [ApiTokenRefusal::Revoked, ApiTokenRefusal::NotValid];
        assert!(
            expected.map(SignInRefusal::Token).contains(&refusal),
            "{refusal}"
        );
    }
    let again = token(9);
    assert!(!store.first_administrator(&again, DAY_S, NOW).await.unwrap());
    // Who lost it makes another one at the server.
    store.administrator_token(&again, DAY_S, NOW).await.unwrap();
    assert_eq!(
        store.sign_in(&again, NOW).await.unwrap().principal,
        caller.principal
    );
}

pub(crate) async fn a_token_ends_at_once_for_each_of_its_reasons(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    let [here, there] = &nodes;
    let owner = id(100);
    act::<Principal>(here, owner, person("Ada", &[])).await;
    for number in 1..=2 {
        act::<ApiToken>(here, id(number), issue(number, owner, None)).await;
    }
    let caller = there.sign_in(&token(1), NOW).await.unwrap();
    assert_eq!((caller.principal, caller.token), (owner, id(1)));
    assert_eq!(caller.access, Access::default());

    let mut secret = [0x5a; 32];
    secret[0] ^= 1;
    let wrong = Token::new(TokenKind::Api, id(1), secret);
    let unknown = token(50);
    for token in [&wrong, &unknown] {
        let refusal = refused(there, token, NOW).await;
        assert_eq!(refusal, SignInRefusal::Token(ApiTokenRefusal::NotValid));
    }
    let enrolment = Token::new(TokenKind::Enrolment, id(1), [0x5a; 32]);
    assert_eq!(
        refused(there, &enrolment, NOW).await,
        SignInRefusal::OtherKind
    );

    let end = NOW.plus_s(DAY_S);
    there.sign_in(&token(1), TimeUs(end.0 - 1)).await.unwrap();
    let refusal = refused(there, &token(1), end).await;
    assert_eq!(refusal, SignInRefusal::Token(ApiTokenRefusal::Expired));

    act::<ApiToken>(here, id(1), ApiTokenCommand::Revoke).await;
    let refusal = refused(there, &token(1), NOW).await;
    assert_eq!(refusal, SignInRefusal::Token(ApiTokenRefusal::Revoked));

    let disabled = PrincipalSettings {
        enabled: false,
        ..settings("Ada", &[])
    };
    act::<Principal>(here, owner, PrincipalCommand::Set(disabled)).await;
    assert_eq!(
        refused(there, &token(2), NOW).await,
        SignInRefusal::Disabled
    );
    let again = PrincipalCommand::Set(settings("Ada", &[]));
    act::<Principal>(here, owner, again).await;
    there.sign_in(&token(2), NOW).await.unwrap();
}

pub(crate) async fn roles_and_tokens_give_what_they_say_from_the_next_request_on(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    let [here, there] = &nodes;
    let helpdesk = Role::id_of(&name("Help Desk"));
    assert_eq!(helpdesk, Role::id_of(&name(" help desk ")));
    let review: Rights = [Right::RequestsView, Right::RequestsModify]
        .into_iter()
        .collect();
    let role = CustomRole::new("Help Desk", review.clone()).unwrap();
    act::<Role>(here, helpdesk, RoleCommand::Define(role.clone())).await;
    let define = RoleCommand::Define(role);
    let taken = here
        .execute::<Role>(helpdesk, None, &define, actor(), NOW)
        .await;
    assert!(matches!(
        taken,
        Err(CommandError::Refused(RoleRefusal::Exists))
    ));

    let owner = id(100);
    let roles = [
        RoleRef::Custom(helpdesk),
        RoleRef::BuiltIn(BuiltInRole::EndpointPrivilegeReader),
    ];
    act::<Principal>(here, owner, person("Ada", &roles)).await;
    act::<ApiToken>(here, id(1), issue(1, owner, None)).await;
    let only: Rights = [Right::RequestsView].into_iter().collect();
    act::<ApiToken>(here, id(2), issue(2, owner, Some(only))).await;
    let may = async |number: u128, right: Right| {
        let caller = there.sign_in(&token(number), NOW).await.unwrap();
        caller.access.may(right, Target::Everything)
    };
    assert!(may(1, Right::RequestsModify).await && may(1, Right::ReportsView).await);
    assert!(may(2, Right::RequestsView).await);
    assert!(!may(2, Right::RequestsModify).await && !may(2, Right::ReportsView).await);

    let less = RoleCommand::Change([Right::RequestsView].into_iter().collect());
    act::<Role>(here, helpdesk, less).await;
    assert!(!may(1, Right::RequestsModify).await && may(1, Right::RequestsView).await);
    act::<Role>(here, helpdesk, RoleCommand::Delete).await;
    assert!(may(1, Right::ReportsView).await, "the other role stays");
    act::<Principal>(
        here,
        owner,
        PrincipalCommand::Set(settings("Ada", &roles[..1])),
    )
    .await;
    assert!(!may(1, Right::ReportsView).await && !may(2, Right::RequestsView).await);
}

pub(crate) async fn lists_are_what_the_events_say_page_by_page(place: &Place) {
    let store = place.open().await;
    for (number, text) in [(1, "beta"), (2, "Alpha"), (3, "gamma"), (4, "alpha")] {
        act::<Principal>(&store, id(number), person(text, &[])).await;
    }
    act::<DeviceGroup>(
        &store,
        id(5),
        group("lab", Members::Tagged(BTreeSet::new())),
    )
    .await;
    let mut seen = Vec::new();
    let mut last: Option<(String, Uuid)> = None;
    loop {
        let after = last.as_ref().map(|(label, id)| (label.as_str(), *id));
        let page = store.list::<Principal>(after, 2).await.unwrap();
        let Some(entry) = page.last() else { break };
        last = Some((entry.row.settings.name.folded(), entry.id));
        seen.extend(page.into_iter().map(|entry| entry.id));
    }
    assert_eq!(seen, [id(2), id(4), id(1), id(3)]);
    act::<DeviceGroup>(&store, id(5), DeviceGroupCommand::Delete).await;
    assert_eq!(store.entry::<DeviceGroup>(id(5)).await.unwrap(), None);
    assert_eq!(store.compare_projections().await.unwrap(), []);

    let entries = store.list::<Principal>(None, 100).await.unwrap();
    let mut raw = place.raw().await;
    sqlx::query("DELETE FROM listings")
        .execute(&mut raw)
        .await
        .unwrap();
    assert_eq!(store.compare_projections().await.unwrap().len(), 4);
    store.rebuild_projections().await.unwrap();
    assert_eq!(store.list::<Principal>(None, 100).await.unwrap(), entries);

    // As a program left it that knew no lists.
    for statement in [
        "DROP TABLE listings",
        "UPDATE schema_version SET version = 2",
    ] {
        sqlx::query(statement).execute(&mut raw).await.unwrap();
    }
    store.close().await;
    let newer = place.open().await;
    assert_eq!(newer.list::<Principal>(None, 100).await.unwrap(), entries);
}

fn group(text: &str, members: Members) -> DeviceGroupCommand {
    DeviceGroupCommand::Define(KnownDeviceGroup {
        name: name(text),
        members,
    })
}

pub(crate) async fn a_reach_names_the_agents_of_its_groups_and_no_others(place: &Place) {
    let store = place.open().await;
    let named = Members::Named([id(21), id(22)].into());
    act::<DeviceGroup>(&store, id(1), group("lab", named)).await;
    act::<DeviceGroup>(
        &store,
        id(2),
        group("desk", Members::Named([id(23)].into())),
    )
    .await;
    let within = |groups: &[u128]| {
        let groups = groups
            .iter()
            .map(|number| DeviceGroup::name_of(id(*number)));
        let grant = Grant {
            rights: Right::ALL.iter().copied().collect(),
            scope: Scope {
                groups: Limit::OneOf(groups.collect()),
                tags: Limit::Any,
            },
        };
        Access::new(vec![grant]).reach(Right::ReportsView)
    };
    let agents = async |groups: &[u128]| store.agents_within(&within(groups)).await.unwrap();
    assert_eq!(agents(&[1]).await, Some([id(21), id(22)].into()));
    assert_eq!(agents(&[1, 2]).await, Some([id(21), id(22), id(23)].into()));
    assert_eq!(agents(&[]).await, Some(BTreeSet::new()));
    assert_eq!(agents(&[99]).await, Some(BTreeSet::new()));
    let nowhere = Access::default().reach(Right::ReportsView);
    assert_eq!(
        store.agents_within(&nowhere).await.unwrap(),
        Some(BTreeSet::new())
    );
    act::<DeviceGroup>(&store, id(1), DeviceGroupCommand::Delete).await;
    assert_eq!(agents(&[1]).await, Some(BTreeSet::new()));
}

pub(crate) async fn what_people_only_read_is_in_the_chain_too(place: &Place) {
    let store = place.open().await;
    let read = ActivityEvent::ReportRead {
        report: "elevations".to_owned(),
        query: "since=24h".to_owned(),
        address: "127.0.0.1".to_owned(),
    };
    let (who, event) = (Actor::Principal(id(7)), id(8));
    store.note(event, &read, who, NOW).await.unwrap();
    let twice = store.note(event, &read, who, NOW).await.unwrap_err();
    assert!(matches!(twice, StoreError::Conflict { .. }), "{twice}");
    let events = store
        .read_after(epm_control::Sequence(0), 10)
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].actor, events[0].name.as_str()),
        (who, "report_read")
    );
    assert!(matches!(
        store.verify(None).await.unwrap(),
        Verification::Whole(_)
    ));
}

#[test]
fn settings_become_the_fewest_events_and_give_before_they_take() {
    let roles = BuiltInRole::ALL.map(RoleRef::BuiltIn);
    let mut state = Principal::default();
    let unknown = state.decide(&PrincipalCommand::Set(settings("Ada", &[])), NOW);
    assert_eq!(unknown, Err(PrincipalRefusal::Unknown));
    for event in state.decide(&person("Ada", &roles[..2]), NOW).unwrap() {
        state.apply(&event);
    }
    let same = PrincipalCommand::Set(settings("Ada", &roles[..2]));
    assert_eq!(state.decide(&same, NOW).unwrap(), []);
    let other = PrincipalCommand::Set(settings("Ada", &roles[1..3]));
    let events = state.decide(&other, NOW).unwrap();
    assert!(
        matches!(
            events.as_slice(),
            [
                PrincipalEvent::RoleGranted { .. },
                PrincipalEvent::RoleWithdrawn { .. }
            ]
        ),
        "{events:?}"
    );
    events.iter().for_each(|event| state.apply(event));
    assert_eq!(
        state.known().unwrap().settings,
        settings("Ada", &roles[1..3])
    );
    let twice = PrincipalCommand::Set(settings("Ada", &[roles[0].clone(), roles[0].clone()]));
    let refused = state.decide(&twice, NOW);
    assert_eq!(refused, Err(PrincipalRefusal::Twice(roles[0].clone())));
}

#[test]
fn a_token_tells_of_its_use_once_a_day() {
    let mut state = ApiToken::default();
    let mut act = |command: &ApiTokenCommand, at: TimeUs| {
        let events = state.decide(command, at).unwrap();
        events.iter().for_each(|event| state.apply(event));
        events
    };
    act(&issue(1, id(100), None), NOW);
    let present = ApiTokenCommand::Present(token(1));
    let used = act(&present, NOW);
    assert!(
        matches!(used.as_slice(), [ApiTokenEvent::Used { day }] if *day <= NOW),
        "{used:?}"
    );
    assert_eq!(act(&present, NOW.plus_s(60)), []);
    assert_eq!(act(&present, NOW.plus_s(DAY_S - 1)).len(), 1);
    for expires_at in [NOW, NOW.plus_s(400 * DAY_S)] {
        let ApiTokenCommand::Issue { hash, mut terms } = issue(1, id(100), None) else {
            unreachable!("it issues")
        };
        terms.expires_at = expires_at;
        let command = ApiTokenCommand::Issue { hash, terms };
        let refused = ApiToken::default().decide(&command, NOW).unwrap_err();
        assert!(matches!(refused, ApiTokenRefusal::Life { .. }), "{refused}");
    }
}

#[test]
fn a_group_holds_whom_it_names_or_who_carries_its_tag() {
    let tags = |names: &[&str]| names.iter().map(|tag| Tag((*tag).to_owned())).collect();
    let tagged = KnownDeviceGroup {
        name: name("lab"),
        members: Members::Tagged(tags(&["lab", "test"])),
    };
    assert!(tagged.contains(id(1), &tags(&["test", "berlin"])));
    assert!(!tagged.contains(id(1), &tags(&["berlin"])) && !tagged.contains(id(1), &tags(&[])));
    let many = Members::Named((0..10_001).map(id).collect());
    let refused = DeviceGroup::default().decide(&group("lab", many), NOW);
    assert!(
        matches!(refused, Err(DeviceGroupRefusal::TooMany { .. })),
        "{refused:?}"
    );
}
