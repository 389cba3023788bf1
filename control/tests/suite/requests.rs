//! Requests for approval: every state and every move, against a model that was written without the machine.

use std::collections::BTreeSet;

use epm_control::{
    Aggregate as _, ElevationRequest, ExpiryReason, REQUEST_LIFE_S, RequestCommand, RequestEvent,
    RequestRefusal, Reviewer, Terms, TimeUs,
};
use epm_policy::{RequestState, UserId};
use proptest::prelude::*;

use crate::place::{NOW, approve, id, reviewer, submission};

/// Carries out a command, and shows that its events survive being stored.
fn act(
    request: &mut ElevationRequest,
    command: &RequestCommand,
    at: TimeUs,
) -> Result<Vec<RequestEvent>, RequestRefusal> {
    let events = request.decide(command, at)?;
    for event in &events {
        let stored = serde_json::to_string(event).unwrap();
        let read: RequestEvent = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, *event);
        request.apply(&read);
    }
    Ok(events)
}

fn submitted(reviewers_needed: u8) -> ElevationRequest {
    let mut request = ElevationRequest::default();
    let submit = RequestCommand::Submit(submission(reviewers_needed));
    act(&mut request, &submit, NOW).unwrap();
    request
}

fn deny(who: Reviewer) -> RequestCommand {
    RequestCommand::Deny {
        reviewer: who,
        reason: String::new(),
    }
}

fn revoke() -> RequestCommand {
    RequestCommand::Revoke {
        reviewer: id(9),
        reason: "found to be malware".to_owned(),
    }
}

fn withdraw() -> RequestCommand {
    RequestCommand::Withdraw {
        user: submission(1).requester,
    }
}

const ONCE: Terms = Terms {
    duration_s: 3_600,
    uses: Some(1),
};

#[test]
fn every_way_to_an_end_has_an_event_of_its_own() {
    let approved = approve(9, ONCE);
    let hour = NOW.plus_s(3_600);
    let end = NOW.plus_s(REQUEST_LIFE_S);
    let ways: [(&[&RequestCommand], TimeUs, RequestState, RequestEvent); 7] = [
        (
            &[&deny(reviewer(9))],
            NOW,
            RequestState::Denied,
            RequestEvent::Denied {
                reviewer: id(9),
                reason: String::new(),
            },
        ),
        (
            &[&RequestCommand::Expire],
            end,
            RequestState::Expired,
            RequestEvent::Expired {
                reason: ExpiryReason::NobodyDecided,
            },
        ),
        (
            &[&withdraw()],
            NOW,
            RequestState::Expired,
            RequestEvent::Withdrawn {},
        ),
        (
            &[&approved, &RequestCommand::Use],
            NOW,
            RequestState::Completed,
            RequestEvent::Completed {},
        ),
        (
            &[&approved, &revoke()],
            NOW,
            RequestState::Revoked,
            RequestEvent::Revoked {
                reviewer: id(9),
                reason: "found to be malware".to_owned(),
            },
        ),
        (
            &[&approved, &withdraw()],
            NOW,
            RequestState::Revoked,
            RequestEvent::Withdrawn {},
        ),
        (
            &[&approved, &RequestCommand::Expire],
            hour,
            RequestState::Expired,
            RequestEvent::Expired {
                reason: ExpiryReason::ApprovalOver,
            },
        ),
    ];
    for (commands, last_at, state, exit) in ways {
        let mut request = submitted(1);
        let (last, before) = commands.split_last().unwrap();
        for command in before {
            act(&mut request, command, NOW).unwrap();
        }
        let events = act(&mut request, last, last_at).unwrap();
        assert_eq!(events.last(), Some(&exit));
        assert_eq!(request.state(), Some(state), "{exit:?}");
        assert_eq!(request.due(), None);
        // From there nothing leads anywhere.
        for command in [
            &approved,
            &deny(reviewer(9)),
            &revoke(),
            &withdraw(),
            &RequestCommand::Use,
            &RequestCommand::Expire,
        ] {
            let refused = act(&mut request, command, end).unwrap_err();
            assert_eq!(refused, RequestRefusal::Move { state }, "{command:?}");
        }
    }
}

#[test]
fn nobody_reviews_an_own_request_or_one_of_an_own_rule() {
    let requester = submission(1).requester;
    let by_device_account = Reviewer {
        principal: id(9),
        users: BTreeSet::from([UserId::from("another"), requester]),
    };
    for (who, why) in [
        (reviewer(1), RequestRefusal::OwnRequest),
        (by_device_account, RequestRefusal::OwnRequest),
        (reviewer(2), RequestRefusal::OwnRule),
    ] {
        let mut request = submitted(1);
        let approve = RequestCommand::Approve {
            reviewer: who.clone(),
            terms: ONCE,
            reason: String::new(),
        };
        assert_eq!(act(&mut request, &approve, NOW).unwrap_err(), why);
        assert_eq!(act(&mut request, &deny(who), NOW).unwrap_err(), why);
        assert_eq!(request, submitted(1));
    }
}

#[test]
fn two_people_are_two_people_and_grant_what_both_grant() {
    let mut request = submitted(2);
    let wide = Terms {
        duration_s: 7_200,
        uses: Some(2),
    };
    let long = Terms {
        duration_s: 86_400,
        uses: None,
    };
    act(&mut request, &approve(10, wide), NOW).unwrap();
    assert_eq!(request.state(), Some(RequestState::Pending));
    assert_eq!(
        act(&mut request, &approve(10, wide), NOW).unwrap_err(),
        RequestRefusal::AlreadyApproved
    );
    assert!(act(&mut request, &RequestCommand::Use, NOW).is_err());
    act(&mut request, &approve(11, long), NOW).unwrap();
    assert_eq!(request.state(), Some(RequestState::Approved));
    assert_eq!(request.due(), Some(NOW.plus_s(7_200)));
    assert_eq!(request.uses_left(), Some(2));
    act(&mut request, &RequestCommand::Use, NOW).unwrap();
    assert_eq!(request.state(), Some(RequestState::Approved));
    let last = act(&mut request, &RequestCommand::Use, NOW).unwrap();
    assert_eq!(
        last,
        [
            RequestEvent::Used { uses_left: Some(0) },
            RequestEvent::Completed {}
        ]
    );
}

#[test]
fn an_approval_ends_with_the_request_at_the_latest() {
    let mut request = submitted(1);
    let nearly = NOW.plus_s(REQUEST_LIFE_S - 60);
    act(&mut request, &approve(9, ONCE), nearly).unwrap();
    assert_eq!(request.due(), Some(NOW.plus_s(REQUEST_LIFE_S)));
}

#[test]
fn what_is_over_cannot_be_used_before_anybody_wrote_that_down() {
    let mut request = submitted(1);
    act(&mut request, &approve(9, ONCE), NOW).unwrap();
    let end = NOW.plus_s(3_600);
    let before = TimeUs(end.0 - 1);
    assert_eq!(
        act(&mut request.clone(), &RequestCommand::Expire, before).unwrap_err(),
        RequestRefusal::NotDue
    );
    act(&mut request.clone(), &RequestCommand::Use, before).unwrap();
    for command in [RequestCommand::Use, revoke(), withdraw()] {
        let refused = act(&mut request, &command, end).unwrap_err();
        assert_eq!(refused, RequestRefusal::Over);
    }
    act(&mut request, &RequestCommand::Expire, end).unwrap();
}

#[test]
fn a_request_says_why_and_is_the_same_when_it_is_said_again() {
    let mut asked = submission(1);
    let decide = |asked: &_| {
        ElevationRequest::default().decide(&RequestCommand::Submit(Clone::clone(asked)), NOW)
    };
    asked.justification = " \n".to_owned();
    assert_eq!(decide(&asked).unwrap_err(), RequestRefusal::NoJustification);
    asked.justification = "ü".repeat(4_097);
    assert!(matches!(
        decide(&asked).unwrap_err(),
        RequestRefusal::ReasonTooLong { found: 4_097, .. }
    ));
    asked.justification = "ü".repeat(4_096);
    decide(&asked).unwrap();
    for reviewers_needed in [0, 9] {
        asked.reviewers_needed = reviewers_needed;
        assert!(matches!(
            decide(&asked).unwrap_err(),
            RequestRefusal::ReviewersNeeded { .. }
        ));
    }
    let request = submitted(1);
    let again = RequestCommand::Submit(submission(1));
    assert_eq!(request.decide(&again, NOW).unwrap(), []);
    let other = RequestCommand::Submit(submission(2));
    assert_eq!(
        request.decide(&other, NOW).unwrap_err(),
        RequestRefusal::OtherRequest
    );
}

/// The machine again, as a person would tell it: only what can be seen from outside.
#[derive(Debug)]
struct Model {
    needed: u8,
    state: RequestState,
    approvers: BTreeSet<u128>,
    duration_s: i64,
    uses: Option<u32>,
    end: TimeUs,
}

/// What somebody does, by small numbers: person 1 asked, person 2 wrote the rule.
#[derive(Clone, Debug)]
enum Deed {
    Approve(u128, Terms),
    Deny(u128),
    Revoke,
    Withdraw(bool),
    Use,
    Expire,
}

impl Model {
    /// Whether the deed is possible, and what it makes.
    fn does(&mut self, deed: &Deed, at: TimeUs) -> bool {
        use RequestState::{Approved, Completed, Denied, Expired, Pending, Revoked};
        let in_time = at < self.end;
        let ends_as = match (deed, self.state) {
            (Deed::Approve(who, terms), Pending) if in_time && *who > 2 => {
                if !self.approvers.insert(*who) {
                    return false;
                }
                self.duration_s = self.duration_s.min(terms.duration_s);
                self.uses = [self.uses, terms.uses].into_iter().flatten().min();
                if self.approvers.len() == usize::from(self.needed) {
                    self.state = Approved;
                    self.end = self.end.min(at.plus_s(self.duration_s));
                }
                return true;
            }
            (Deed::Use, Approved) if in_time => {
                self.uses = self.uses.map(|left| left - 1);
                if self.uses != Some(0) {
                    return true;
                }
                Completed
            }
            (Deed::Deny(who), Pending) if in_time && *who > 2 => Denied,
            (Deed::Revoke, Approved) if in_time => Revoked,
            (Deed::Withdraw(true), Pending) if in_time => Expired,
            (Deed::Withdraw(true), Approved) if in_time => Revoked,
            (Deed::Expire, Pending | Approved) if !in_time => Expired,
            _ => return false,
        };
        self.state = ends_as;
        true
    }
}

fn command_of(deed: &Deed) -> RequestCommand {
    match deed {
        Deed::Approve(who, terms) => approve(*who, *terms),
        Deed::Deny(who) => deny(reviewer(*who)),
        Deed::Revoke => revoke(),
        Deed::Withdraw(true) => withdraw(),
        Deed::Withdraw(false) => RequestCommand::Withdraw {
            user: UserId::from("somebody else"),
        },
        Deed::Use => RequestCommand::Use,
        Deed::Expire => RequestCommand::Expire,
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let terms = (1..7_200_i64, proptest::option::of(1..4_u32))
        .prop_map(|(duration_s, uses)| Terms { duration_s, uses });
    prop_oneof![
        4 => (1..6_u128, terms).prop_map(|(who, terms)| Deed::Approve(who, terms)),
        1 => (1..6_u128).prop_map(Deed::Deny),
        1 => Just(Deed::Revoke),
        1 => any::<bool>().prop_map(Deed::Withdraw),
        4 => Just(Deed::Use),
        2 => Just(Deed::Expire),
    ]
}

/// Seconds that pass before each deed: mostly few, sometimes beyond every end.
fn pause_s() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..1_200_i64, 1 => 0..REQUEST_LIFE_S + 10]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_machine_does_what_the_model_does(
        needed in 1..4_u8,
        deeds in proptest::collection::vec((pause_s(), deed()), 1..25),
    ) {
        let mut request = submitted(needed);
        let mut model = Model {
            needed,
            state: RequestState::Pending,
            approvers: BTreeSet::new(),
            duration_s: i64::MAX,
            uses: None,
            end: NOW.plus_s(REQUEST_LIFE_S),
        };
        let mut at = NOW;
        let mut ends = 0;
        for (pause_s, deed) in deeds {
            at = at.plus_s(pause_s);
            let before = request.state().unwrap();
            let possible = model.does(&deed, at);
            match act(&mut request, &command_of(&deed), at) {
                Ok(events) => {
                    prop_assert!(possible, "{deed:?} at {at:?}");
                    prop_assert!(!events.is_empty());
                    ends += usize::from(request.due().is_none());
                }
                Err(refused) => prop_assert!(!possible, "{deed:?} at {at:?}: {refused}"),
            }
            let after = request.state().unwrap();
            prop_assert_eq!(after, model.state);
            prop_assert!(before == after || before.may_become(after));
            if let Some(due) = request.due() {
                prop_assert_eq!(due, model.end);
            }
            if after == RequestState::Approved {
                prop_assert_eq!(request.uses_left(), model.uses);
            }
        }
        prop_assert!(ends <= 1);
    }
}
