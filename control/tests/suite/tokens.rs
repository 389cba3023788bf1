//! Tokens: what is shown, what is kept, and whom they let in.

use std::collections::BTreeSet;

use epm_control::{
    Aggregate as _, CommandError, EnrolmentCommand, EnrolmentEvent, EnrolmentRefusal,
    EnrolmentTerms, EnrolmentToken, Sequence, Tag, TimeUs, Token, TokenKind,
};

use crate::place::{NOW, Place, actor, id};

fn token() -> Token {
    Token::new(TokenKind::Enrolment, id(77), [0xa5; 32])
}

fn tags(names: &[&str]) -> BTreeSet<Tag> {
    names.iter().map(|name| Tag((*name).to_owned())).collect()
}

fn terms(quota: u32) -> EnrolmentTerms {
    EnrolmentTerms {
        quota,
        expires_at: NOW.plus_s(3_600),
        tags: tags(&["finance", "berlin"]),
    }
}

fn issue(quota: u32) -> EnrolmentCommand {
    EnrolmentCommand::Issue {
        hash: token().hash(),
        terms: terms(quota),
    }
}

fn enrol(token: Token, agent: u128, names: &[&str]) -> EnrolmentCommand {
    EnrolmentCommand::Enrol {
        token,
        agent: id(agent),
        tags: tags(names),
    }
}

#[test]
fn a_token_is_read_as_it_was_shown_and_in_no_other_way() {
    for kind in [TokenKind::Enrolment, TokenKind::Api] {
        let made = Token::new(kind, id(77), [0xa5; 32]);
        let shown = made.text();
        assert_eq!(Token::parse(&shown).unwrap(), made);
        for end in 0..shown.len() {
            assert!(Token::parse(&shown[..end]).is_err(), "{end}");
        }
        for place in 0..shown.len() {
            let mut other = shown.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            // Either it is no token, or it is not this one.
            let known = Token::parse(&other).is_ok_and(|token| made.hash().is_of(&token));
            assert!(!known, "{place}");
        }
        assert!(Token::parse(&format!("{shown}x")).is_err());
        assert!(Token::parse(&format!(" {shown}")).is_err());
    }
    assert!(Token::parse("epm-enrol-ü").is_err());
}

#[test]
fn neither_what_is_kept_nor_what_is_logged_tells_the_secret() {
    let shown = token().text();
    let secret = shown.rsplit_once('-').unwrap().1;
    let state = {
        let mut state = EnrolmentToken::default();
        for event in state.decide(&issue(1), NOW).unwrap() {
            let stored = serde_json::to_string(&event).unwrap();
            assert!(!stored.contains(secret), "{stored}");
            state.apply(&event);
        }
        state
    };
    let command = enrol(token(), 1, &[]);
    for logged in [
        format!("{state:?}"),
        format!("{command:?}"),
        format!("{:?}", token()),
    ] {
        assert!(!logged.contains(secret), "{logged}");
        assert!(!logged.contains("165, 165"), "{logged}");
    }
}

#[test]
fn a_hash_is_of_one_token_only() {
    let hash = token().hash();
    assert!(hash.is_of(&token()));
    let mut secret = [0xa5; 32];
    secret[31] ^= 1;
    for other in [
        Token::new(TokenKind::Api, id(77), [0xa5; 32]),
        Token::new(TokenKind::Enrolment, id(78), [0xa5; 32]),
        Token::new(TokenKind::Enrolment, id(77), secret),
    ] {
        assert!(!hash.is_of(&other), "{other:?}");
    }
}

#[test]
fn each_reason_not_to_enrol_is_told_to_who_has_the_secret_only() {
    let mut state = EnrolmentToken::default();
    let act = |state: &mut EnrolmentToken, command: EnrolmentCommand, at: TimeUs| {
        let events = state.decide(&command, at)?;
        events.iter().for_each(|event| state.apply(event));
        Ok::<_, EnrolmentRefusal>(events)
    };
    let wrong = || Token::new(TokenKind::Enrolment, id(77), [0; 32]);
    let refused = act(&mut state, enrol(token(), 1, &[]), NOW).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::NotValid);
    act(&mut state, issue(2), NOW).unwrap();
    let refused = act(&mut state, issue(2), NOW).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::Exists);

    let refused = act(&mut state, enrol(token(), 1, &["finance", "root"]), NOW).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::Tag(Tag("root".to_owned())));
    let first = act(&mut state, enrol(token(), 1, &["finance"]), NOW).unwrap();
    assert_eq!(first.len(), 1);
    // Again is the same, and does not count.
    assert_eq!(act(&mut state, enrol(token(), 1, &[]), NOW).unwrap(), []);
    let last = act(&mut state, enrol(token(), 2, &[]), NOW).unwrap();
    assert_eq!(last.last(), Some(&EnrolmentEvent::UsedUp {}));
    assert_eq!(act(&mut state, enrol(token(), 2, &[]), NOW).unwrap(), []);
    let refused = act(&mut state, enrol(token(), 3, &[]), NOW).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::UsedUp { quota: 2 });
    assert_eq!(state.enrolled(), 2);

    let end = NOW.plus_s(3_600);
    assert!(act(&mut state, enrol(token(), 1, &[]), TimeUs(end.0 - 1)).is_ok());
    let refused = act(&mut state, enrol(token(), 1, &[]), end).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::Expired);
    act(&mut state, EnrolmentCommand::Revoke, NOW).unwrap();
    assert_eq!(act(&mut state, EnrolmentCommand::Revoke, NOW).unwrap(), []);
    let refused = act(&mut state, enrol(token(), 1, &[]), NOW).unwrap_err();
    assert_eq!(refused, EnrolmentRefusal::Revoked);
    for at in [NOW, end] {
        let refused = act(&mut state, enrol(wrong(), 1, &[]), at).unwrap_err();
        assert_eq!(refused, EnrolmentRefusal::NotValid);
    }
}

#[test]
fn terms_that_cannot_be_are_refused() {
    for (quota, life_s) in [(0, 60), (10_001, 60), (1, 0), (1, 367 * 24 * 60 * 60)] {
        let command = EnrolmentCommand::Issue {
            hash: token().hash(),
            terms: EnrolmentTerms {
                quota,
                expires_at: NOW.plus_s(life_s),
                tags: BTreeSet::new(),
            },
        };
        let refused = EnrolmentToken::default().decide(&command, NOW).unwrap_err();
        assert!(
            matches!(refused, EnrolmentRefusal::Terms { .. }),
            "{quota} {life_s}"
        );
    }
}

pub(crate) async fn a_quota_holds_however_many_agents_come_at_once(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    nodes[0]
        .execute::<EnrolmentToken>(token().id(), None, &issue(3), actor(), NOW)
        .await
        .unwrap();
    let agents = (0..6_u128).map(|agent| {
        let node = nodes[agent as usize % 2].clone();
        tokio::spawn(async move {
            let command = enrol(token(), agent, &[]);
            node.execute::<EnrolmentToken>(token().id(), None, &command, actor(), NOW)
                .await
                .map(|outcome| outcome.version)
        })
    });
    let mut refused = 0;
    for agent in agents.collect::<Vec<_>>() {
        match agent.await.unwrap() {
            Ok(_) => {}
            Err(CommandError::Refused(EnrolmentRefusal::UsedUp { quota: 3 })) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 3);
    let (state, _) = nodes[1].load::<EnrolmentToken>(token().id()).await.unwrap();
    assert_eq!(state.enrolled(), 3);
    // Issued, three agents, used up.
    assert_eq!(nodes[1].head().await.unwrap().sequence, Sequence(5));
}
