//! Whoever follows the store sees every event, in order and soon.

use std::time::{Duration, Instant};

use epm_control::{ControlStore, Feed, Sequence, StoreError, Version};

use crate::place::{NOW, Place, actor, changed, id, stream};

/// What a follower may wait at most for a change that another node made.
const SOON: Duration = Duration::from_secs(1);
/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn append_one(store: &ControlStore, number: u64) {
    let event = vec![changed("{}")];
    store
        .append(&stream(1), Version(number), event, actor(), NOW)
        .await
        .unwrap();
}

async fn next(feed: &mut Feed, patience: Duration) -> u64 {
    let waited = tokio::time::timeout(patience, feed.next()).await;
    waited.expect("the event comes in time").unwrap().sequence.0
}

pub(crate) async fn another_pool_sees_each_change_within_a_second(place: &Place) {
    let [writer, other] = [place.open().await, place.open().await];
    let mut feed = other.follow(Sequence(0)).await.unwrap();
    let mut longest = Duration::ZERO;
    for number in 0..20 {
        append_one(&writer, number).await;
        let committed = Instant::now();
        assert_eq!(next(&mut feed, PATIENCE).await, number + 1);
        longest = longest.max(committed.elapsed());
    }
    assert!(longest < SOON, "{longest:?}");
    // Who comes later goes on where it was, and gives up waiting without losing anything.
    let mut later = other.follow(Sequence(18)).await.unwrap();
    assert_eq!(next(&mut later, PATIENCE).await, 19);
    assert_eq!(next(&mut later, PATIENCE).await, 20);
    let waited = tokio::time::timeout(Duration::from_millis(1), later.next()).await;
    assert!(waited.is_err(), "there is nothing to see");
    append_one(&writer, 20).await;
    assert_eq!(next(&mut later, PATIENCE).await, 21);
    assert_eq!(later.position(), Sequence(21));
}

pub(crate) async fn a_feed_misses_nothing_while_many_write(place: &Place) {
    let nodes = [place.open().await, place.open().await];
    let mut feed = nodes[1].follow(Sequence(0)).await.unwrap();
    let mut writers = Vec::new();
    for (number, node) in nodes
        .iter()
        .flat_map(|node| vec![node.clone(); 4])
        .enumerate()
    {
        writers.push(tokio::spawn(async move {
            for version in 0..15 {
                let stream = epm_control::StreamId::new("thing", id(number as u128));
                // One append in three is given up halfway, as a client that goes away does it.
                let events = vec![changed("{}"), changed("{}")];
                let given_up = Version(version * 2 + 1_000);
                if version % 3 == 0 {
                    node.append(&stream, given_up, events.clone(), actor(), NOW)
                        .await
                        .unwrap_err();
                }
                node.append(&stream, Version(version * 2), events, actor(), NOW)
                    .await
                    .unwrap();
            }
        }));
    }
    for expected in 1..=8 * 15 * 2 {
        assert_eq!(next(&mut feed, PATIENCE).await, expected);
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

pub(crate) async fn a_follower_that_has_seen_more_than_there_is_is_told(place: &Place) {
    let store = place.open().await;
    append_one(&store, 0).await;
    let refused = store.follow(Sequence(2)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::Behind {
                seen: Sequence(2),
                head: Sequence(1)
            }
        ),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_goes_on_when_its_notifications_are_cut_off() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let [writer, other] = [place.open().await, place.open().await];
    let mut feed = other.follow(Sequence(0)).await.unwrap();
    let mut raw = place.raw().await;
    let mut cut_off = 0;
    for number in 0..5 {
        // Everybody who listens on this database loses the connection, and the change comes right behind.
        let ended: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE 'LISTEN%' AND datname = current_database()",
        )
        .fetch_all(&mut raw)
        .await
        .unwrap();
        cut_off += ended.len();
        append_one(&writer, number).await;
        let committed = Instant::now();
        assert_eq!(next(&mut feed, PATIENCE).await, number + 1);
        assert!(committed.elapsed() < SOON, "{:?}", committed.elapsed());
    }
    assert!(cut_off > 0, "nobody listened");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_append_is_announced_to_other_nodes_and_a_refused_one_is_not() {
    let Some(place) = Place::postgres() else {
        return;
    };
    let writer = place.open().await;
    let mut listener = sqlx::postgres::PgListener::connect(&place.address)
        .await
        .unwrap();
    listener.listen("epm_control").await.unwrap();
    for number in 0..3 {
        append_one(&writer, number).await;
        tokio::time::timeout(PATIENCE, listener.recv())
            .await
            .expect("it is announced")
            .unwrap();
    }
    let stale = vec![changed("{}")];
    writer
        .append(&stream(1), Version(0), stale, actor(), NOW)
        .await
        .unwrap_err();
    append_one(&writer, 3).await;
    listener.recv().await.unwrap();
    assert!(listener.next_buffered().is_none());
}
