//! Tables made of events: always what the fold of the events is.

use epm_control::{
    CommandError, ElevationRequest, NewEvent, REQUEST_LIFE_S, RequestCommand, StoreError, StreamId,
    Terms, TimeUs, Version,
};
use epm_policy::RequestState;
use uuid::Uuid;

use crate::place::{NOW, Place, actor, approve, id, reviewer, submission};

fn deny() -> RequestCommand {
    RequestCommand::Deny {
        reviewer: reviewer(9),
        reason: "no ticket".to_owned(),
    }
}

pub(crate) async fn they_are_what_the_events_say_and_can_be_made_again(place: &Place) {
    let store = place.open().await;
    let submit = RequestCommand::Submit(submission(1));
    for number in 1..=3 {
        let commands = [submit.clone(), deny()];
        for command in &commands[..number.min(2)] {
            store
                .execute::<ElevationRequest>(id(number as u128), None, command, actor(), NOW)
                .await
                .unwrap();
        }
    }
    let pending = store.requests_in(RequestState::Pending).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!((pending[0].id, pending[0].version), (id(1), Version(1)));
    assert_eq!(pending[0].requester, submission(1).requester);
    assert_eq!(pending[0].file_sha256, submission(1).file.sha256);
    let denied = store.requests_in(RequestState::Denied).await.unwrap();
    assert_eq!(denied.len(), 2);
    assert_eq!(store.compare_projections().await.unwrap(), []);

    let mut raw = place.raw().await;
    let text = |number: u128| id(number).to_string();
    for (statement, number) in [
        (
            "UPDATE elevation_requests SET state = 'approved' WHERE id = $1",
            1,
        ),
        ("DELETE FROM elevation_requests WHERE id = $1", 2),
    ] {
        sqlx::query(statement)
            .bind(text(number))
            .execute(&mut raw)
            .await
            .unwrap();
    }
    let different = store.compare_projections().await.unwrap();
    let which: Vec<_> = different
        .iter()
        .map(|difference| {
            (
                difference.id,
                difference.folded.is_some(),
                difference.stored.is_some(),
            )
        })
        .collect();
    assert_eq!(which, [(id(1), true, true), (id(2), true, false)]);
    store.rebuild_projections().await.unwrap();
    assert_eq!(store.compare_projections().await.unwrap(), []);
    assert_eq!(
        store.requests_in(RequestState::Pending).await.unwrap(),
        pending
    );
    assert_eq!(
        store.requests_in(RequestState::Denied).await.unwrap(),
        denied
    );
}

pub(crate) async fn what_is_over_is_found_and_expires(place: &Place) {
    let store = place.open().await;
    let hour = Terms {
        duration_s: 3_600,
        uses: None,
    };
    let submit = RequestCommand::Submit(submission(1));
    for (number, commands) in [(1, vec![]), (2, vec![approve(9, hour)]), (3, vec![deny()])] {
        for command in std::iter::once(&submit).chain(&commands) {
            store
                .execute::<ElevationRequest>(id(number), None, command, actor(), NOW)
                .await
                .unwrap();
        }
    }
    let over = async |now: TimeUs| -> Vec<Uuid> {
        let rows = store.requests_over(now).await.unwrap();
        rows.iter().map(|row| row.id).collect()
    };
    assert_eq!(
        over(TimeUs(NOW.plus_s(3_600).0 - 1)).await,
        Vec::<Uuid>::new()
    );
    assert_eq!(over(NOW.plus_s(3_600)).await, [id(2)]);
    let end = NOW.plus_s(REQUEST_LIFE_S);
    assert_eq!(over(end).await, [id(2), id(1)]);
    for number in [1, 2] {
        let expired = store
            .execute::<ElevationRequest>(id(number), None, &RequestCommand::Expire, actor(), end)
            .await
            .unwrap();
        assert_eq!(expired.state.state(), Some(RequestState::Expired));
    }
    assert_eq!(over(end).await, Vec::<Uuid>::new());
    let refused = store
        .execute::<ElevationRequest>(id(1), None, &RequestCommand::Expire, actor(), end)
        .await
        .unwrap_err();
    assert!(matches!(refused, CommandError::Refused(_)), "{refused}");
}

pub(crate) async fn an_event_of_a_newer_program_is_refused_and_not_skipped(place: &Place) {
    let store = place.open().await;
    let submit = RequestCommand::Submit(submission(1));
    store
        .execute::<ElevationRequest>(id(1), None, &submit, actor(), NOW)
        .await
        .unwrap();
    let mut raw = place.raw().await;
    sqlx::query("UPDATE events SET name = 'escalated'")
        .execute(&mut raw)
        .await
        .unwrap();
    let refused = store.load::<ElevationRequest>(id(1)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unreadable { name, .. } if name == "escalated"),
        "{refused}"
    );
    let unknown = NewEvent {
        name: "escalated".to_owned(),
        body: b"{}".to_vec(),
    };
    let request = StreamId::new("elevation_request", id(1));
    let refused = store
        .append(&request, Version(1), vec![unknown], actor(), NOW)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StoreError::Unreadable { .. }),
        "{refused}"
    );
}
