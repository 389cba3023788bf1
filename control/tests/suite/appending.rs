//! Appending under a condition, alone and against others.

use epm_control::{
    Advice, CommandError, ElevationRequest, NewEvent, RequestCommand, Sequence, StoreError, Terms,
    Verification, Version,
};

use crate::place::{NOW, Place, actor, approve, changed, id, stream, submission};

/// Two nodes with this many tasks each.
const TASKS: usize = 4;
/// Updates that each task makes.
const UPDATES: usize = 10;

pub(crate) async fn a_stale_version_is_a_conflict_and_changes_nothing(place: &Place) {
    let store = place.open().await;
    let thing = stream(1);
    let version = store
        .append(&thing, Version(0), vec![changed("1")], actor(), NOW)
        .await
        .unwrap();
    assert_eq!(version, Version(1));
    let before = store.head().await.unwrap();
    for stale in [Version(0), Version(2), Version(99)] {
        let refused = store
            .append(&thing, stale, vec![changed("2")], actor(), NOW)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, StoreError::Conflict { stream, expected, actual }
                if *stream == thing && *expected == stale && *actual == Version(1)),
            "{refused}"
        );
        assert_eq!(refused.advice(), Advice::Refuse);
    }
    assert_eq!(store.head().await.unwrap(), before);
    let events = store.read(&thing).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, b"1");
    assert_eq!((events[0].actor, events[0].at), (actor(), NOW));
}

pub(crate) async fn an_append_is_all_or_nothing(place: &Place) {
    let store = place.open().await;
    let event = |name: &str, body: &str| NewEvent {
        name: name.to_owned(),
        body: body.into(),
    };
    // The second event can be recorded but not projected: there is no such event of a request.
    let request = epm_control::StreamId::new("elevation_request", id(1));
    let events = vec![event("completed", "{}"), event("nonsense", "{}")];
    store
        .append(&request, Version(0), events, actor(), NOW)
        .await
        .unwrap_err();
    assert_eq!(store.head().await.unwrap().sequence, Sequence(0));
    assert!(store.read(&request).await.unwrap().is_empty());
    // The sequence that was not used up is used next.
    let several = vec![changed("1"), changed("2"), changed("3")];
    let version = store
        .append(&stream(1), Version(0), several, actor(), NOW)
        .await
        .unwrap();
    assert_eq!(version, Version(3));
    let all = store.read_after(Sequence(0), 10).await.unwrap();
    let places: Vec<u64> = all.iter().map(|event| event.sequence.0).collect();
    assert_eq!(places, [1, 2, 3]);
}

pub(crate) async fn what_is_too_large_is_refused(place: &Place) {
    let store = place.open().await;
    let large = changed(&"x".repeat((1 << 20) + 1));
    let many = vec![changed("x"); 257];
    for events in [vec![large], many] {
        let refused = store
            .append(&stream(1), Version(0), events, actor(), NOW)
            .await
            .unwrap_err();
        assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    }
    let largest = changed(&"x".repeat(1 << 20));
    store
        .append(&stream(1), Version(0), vec![largest], actor(), NOW)
        .await
        .unwrap();
}

pub(crate) async fn concurrent_writers_never_lose_an_update(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    let mut tasks = Vec::new();
    for node in nodes.iter().flat_map(|node| vec![node.clone(); TASKS]) {
        tasks.push(tokio::spawn(async move {
            let mut written = 0;
            while written < UPDATES {
                let seen = node.read(&stream(1)).await.unwrap().len() as u64;
                let update = changed(&seen.to_string());
                match node
                    .append(&stream(1), Version(seen), vec![update], actor(), NOW)
                    .await
                {
                    Ok(version) => {
                        assert_eq!(version, Version(seen + 1));
                        written += 1;
                    }
                    Err(StoreError::Conflict { actual, .. }) => assert!(actual > Version(seen)),
                    Err(other) => panic!("{other:?}"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let events = nodes[0].read(&stream(1)).await.unwrap();
    assert_eq!(events.len(), 2 * TASKS * UPDATES);
    for (place, event) in events.iter().enumerate() {
        // Each was made by somebody who had seen exactly the ones before it.
        assert_eq!(event.body, place.to_string().into_bytes());
        assert_eq!(event.sequence, Sequence(place as u64 + 1));
    }
    let verified = nodes[1].verify(None).await.unwrap();
    assert!(matches!(verified, Verification::Whole(_)), "{verified:?}");
}

pub(crate) async fn a_command_without_a_version_is_decided_anew(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    let submit = RequestCommand::Submit(submission(2));
    nodes[0]
        .execute::<ElevationRequest>(id(5), None, &submit, actor(), NOW)
        .await
        .unwrap();
    // Three reviewers at once, two are needed: none is lost, and exactly one comes too late.
    let mut reviews = Vec::new();
    for number in 10..13_u128 {
        let node = nodes[number as usize % 2].clone();
        reviews.push(tokio::spawn(async move {
            let command = approve(number, Terms::default());
            node.execute::<ElevationRequest>(id(5), None, &command, actor(), NOW)
                .await
                .map(|outcome| outcome.version)
        }));
    }
    let mut late = 0;
    for review in reviews {
        match review.await.unwrap() {
            Ok(_) => {}
            Err(CommandError::Refused(_)) => late += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(late, 1);
    let (request, version) = nodes[0].load::<ElevationRequest>(id(5)).await.unwrap();
    assert_eq!(request.state(), Some(epm_policy::RequestState::Approved));
    // Submitted, two reviewers, approved.
    assert_eq!(version, Version(4));
    let deny = RequestCommand::Revoke {
        reviewer: id(10),
        reason: String::new(),
    };
    let stale = nodes[0]
        .execute::<ElevationRequest>(id(5), Some(Version(3)), &deny, actor(), NOW)
        .await
        .unwrap_err();
    assert!(
        matches!(&stale, CommandError::Store(StoreError::Conflict { .. })),
        "{stale}"
    );
}
