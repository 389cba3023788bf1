//! Whatever is changed behind the store's back, the walk over the chain finds the first place of it.

use epm_control::{Break, ControlStore, Head, Sequence, Verification, Version};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::place::{NOW, Place, actor, changed, stream};

/// Events in the chain: a first, a middle and a last one.
const EVENTS: u64 = 3;

async fn chain_at(place: &Place) -> (ControlStore, Head) {
    let store = place.open().await;
    for number in 0..EVENTS {
        let body = format!("{{\"number\":{number}}}");
        store
            .append(
                &stream(1),
                Version(number),
                vec![changed(&body)],
                actor(),
                NOW,
            )
            .await
            .unwrap();
    }
    let head = store.head().await.unwrap();
    assert_eq!(store.verify(None).await.unwrap(), Verification::Whole(head));
    (store, head)
}

fn place_of(found: Verification) -> Option<Sequence> {
    match found {
        Verification::Whole(_) => None,
        Verification::Broken { sequence, .. } => Some(sequence),
    }
}

async fn run(raw: &mut AnyConnection, statement: String) {
    let done = sqlx::query(AssertSqlSafe(statement)).execute(raw).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
}

pub(crate) async fn any_changed_byte_is_found_and_its_place_is_named(place: &Place) {
    let (store, head) = chain_at(place).await;
    let mut raw = place.raw().await;
    let mut tried = 0;
    for event in store.read_after(Sequence(0), 10).await.unwrap() {
        let at = event.sequence.0;
        let texts = [
            ("kind", event.stream.kind.clone()),
            ("id", event.stream.id.to_string()),
            ("name", event.name.clone()),
            ("actor", event.actor.to_string()),
        ];
        for (column, text) in texts {
            for position in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                // The smallest change, and one that may only change the case.
                bytes[position] ^= if position % 2 == 0 { 0x01 } else { 0x20 };
                let other = String::from_utf8(bytes).unwrap();
                let change = format!("UPDATE events SET {column} = $1 WHERE sequence = {at}");
                for (value, expected) in [(&other, Some(event.sequence)), (&text, None)] {
                    sqlx::query(AssertSqlSafe(change.clone()))
                        .bind(value.as_str())
                        .execute(&mut raw)
                        .await
                        .unwrap();
                    let found = place_of(store.verify(None).await.unwrap());
                    assert_eq!(
                        found, expected,
                        "{column} {position} of event {at}: {value}"
                    );
                }
                tried += 1;
            }
        }
        for (column, bytes) in [("body", event.body.clone()), ("hash", event.hash.to_vec())] {
            for position in 0..bytes.len() {
                let mut other = bytes.clone();
                other[position] ^= 1 << (position % 8);
                let change = format!("UPDATE events SET {column} = $1 WHERE sequence = {at}");
                for (value, expected) in [(&other, Some(event.sequence)), (&bytes, None)] {
                    sqlx::query(AssertSqlSafe(change.clone()))
                        .bind(value.as_slice())
                        .execute(&mut raw)
                        .await
                        .unwrap();
                    let found = place_of(store.verify(None).await.unwrap());
                    assert_eq!(found, expected, "{column} {position} of event {at}");
                }
                tried += 1;
            }
        }
        for column in ["version", "at_us", "sequence"] {
            let moved = if column == "sequence" { at + 64 } else { at };
            run(
                &mut raw,
                format!("UPDATE events SET {column} = {column} + 64 WHERE sequence = {at}"),
            )
            .await;
            let found = place_of(store.verify(None).await.unwrap());
            assert_eq!(found, Some(event.sequence), "{column}");
            run(
                &mut raw,
                format!("UPDATE events SET {column} = {column} - 64 WHERE sequence = {moved}"),
            )
            .await;
        }
    }
    assert!(tried > 400, "{tried}");
    assert_eq!(
        store.verify(Some(head)).await.unwrap(),
        Verification::Whole(head)
    );
}

pub(crate) async fn a_missing_event_is_found(place: &Place) {
    let (store, _) = chain_at(place).await;
    let mut raw = place.raw().await;
    // From the last to the first: each time the first that is missing is named.
    for at in (1..=EVENTS).rev() {
        run(
            &mut raw,
            format!("DELETE FROM events WHERE sequence = {at}"),
        )
        .await;
        assert_eq!(
            store.verify(None).await.unwrap(),
            Verification::Broken {
                sequence: Sequence(at),
                what: Break::Missing
            }
        );
    }
}

pub(crate) async fn a_head_that_was_moved_is_found(place: &Place) {
    let (store, head) = chain_at(place).await;
    let mut raw = place.raw().await;
    let before_last = store.read_after(Sequence(0), 10).await.unwrap()[1].hash;
    sqlx::query("UPDATE head SET sequence = 2, hash = $1")
        .bind(before_last.to_vec())
        .execute(&mut raw)
        .await
        .unwrap();
    let beyond = Verification::Broken {
        sequence: Sequence(3),
        what: Break::BeyondHead,
    };
    assert_eq!(store.verify(None).await.unwrap(), beyond);
    // With the event gone too the chain is whole, but shorter than it once was.
    run(&mut raw, "DELETE FROM events WHERE sequence = 3".to_owned()).await;
    assert_eq!(place_of(store.verify(None).await.unwrap()), None);
    assert_eq!(
        place_of(store.verify(Some(head)).await.unwrap()),
        Some(Sequence(3))
    );
    sqlx::query("UPDATE head SET hash = $1")
        .bind(vec![1_u8; 32])
        .execute(&mut raw)
        .await
        .unwrap();
    assert_eq!(
        place_of(store.verify(None).await.unwrap()),
        Some(Sequence(2))
    );
    run(&mut raw, "DELETE FROM head".to_owned()).await;
    assert_eq!(
        place_of(store.verify(None).await.unwrap()),
        Some(Sequence(0))
    );
}

pub(crate) async fn a_chain_that_was_written_anew_is_found_by_a_head_kept_elsewhere(place: &Place) {
    let (store, head) = chain_at(place).await;
    let mut raw = place.raw().await;
    // Everything gone, and other events written by the program itself: whole, as far as anybody can see inside.
    sqlx::query("DELETE FROM events")
        .execute(&mut raw)
        .await
        .unwrap();
    sqlx::query("UPDATE head SET sequence = 0, hash = $1")
        .bind(vec![0_u8; 32])
        .execute(&mut raw)
        .await
        .unwrap();
    for number in 0..EVENTS {
        store
            .append(
                &stream(1),
                Version(number),
                vec![changed("{}")],
                actor(),
                NOW,
            )
            .await
            .unwrap();
    }
    assert_eq!(place_of(store.verify(None).await.unwrap()), None);
    assert_eq!(
        store.verify(Some(head)).await.unwrap(),
        Verification::Broken {
            sequence: Sequence(EVENTS),
            what: Break::Anchor
        }
    );
}
