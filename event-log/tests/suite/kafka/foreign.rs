//! What other programs write to the topic is read, named for what it is, and stops nobody.

use epm_event_log::contract::{numbered, read_all};
use epm_event_log::{EntryKind, EventLog, Foreign, LogError, Offset};
use epm_test_components::{Broker, ForeignRecord};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use super::{Foreigner, PATIENCE, foreigner, open};
use crate::P0;

fn kind(value: &str) -> OwnedHeaders {
    OwnedHeaders::new().insert(Header {
        key: "epm-kind",
        value: Some(value),
    })
}

fn send(producer: &Foreigner, record: BaseRecord<'_, [u8], [u8]>) {
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// One record of each way in which a record can be wrong, and one that is right.
fn write_all(producer: &Foreigner, topic: &str) {
    let key = [7_u8; 16];
    let to = || BaseRecord::<[u8], [u8]>::to(topic).partition(0);
    send(producer, to().payload(b"keyless").headers(kind("0")));
    send(
        producer,
        to().key(b"short").payload(b"x").headers(kind("0")),
    );
    send(producer, to().key(&key).payload(b"no header"));
    send(
        producer,
        to().key(&key)
            .payload(b"not a number")
            .headers(kind("blue")),
    );
    send(producer, to().key(&key).headers(kind("0")));
    let large = vec![7; 700 << 10];
    send(producer, to().key(&key).payload(&large).headers(kind("0")));
    send(
        producer,
        to().key(&key).payload(b"a newer kind").headers(kind("9")),
    );
    send(
        producer,
        to().key(&key).payload(b"right").headers(kind("0")),
    );
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test]
async fn foreign_records_are_named_for_what_is_wrong_and_stop_nobody() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let topic = format!("foreign-{codec}");
        let log = open(broker, &topic, "&partitions=1").await;
        let producer = foreigner(broker, &[("compression.type", codec)]);
        log.append(P0, vec![numbered(1)]).await.unwrap();
        write_all(&producer, &topic);
        log.append(P0, vec![numbered(2)]).await.unwrap();
        let kinds: Vec<_> = read_all(&log, P0, Offset(0))
            .await
            .iter()
            .map(|entry| (entry.kind, entry.payload.len()))
            .collect();
        let foreign = |reason, bytes| (EntryKind::Foreign(reason), bytes);
        assert_eq!(
            kinds,
            [
                (numbered(1).kind, numbered(1).payload.len()),
                foreign(Foreign::NoKey, 7),
                foreign(Foreign::WrongKey, 1),
                foreign(Foreign::NoKind, 9),
                foreign(Foreign::NoKind, 12),
                foreign(Foreign::NoPayload, 0),
                foreign(Foreign::TooLarge, 700 << 10),
                (EntryKind::Unknown(9), 12),
                (EntryKind::Record, 5),
                (numbered(2).kind, numbered(2).payload.len()),
            ],
            "{codec}"
        );
    }
}

#[tokio::test]
async fn what_another_program_wrote_with_zstd_is_read_from_a_topic_of_ours() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "squeezed", "&partitions=1").await;
    log.append(P0, vec![numbered(1)]).await.unwrap();
    let record = ForeignRecord {
        header: Some(("epm-kind", "0")),
        key: Some("0123456789abcdef"),
        value: Some("squeezed"),
    };
    tokio::task::spawn_blocking(move || broker.produce("squeezed", "zstd", &[record; 3]))
        .await
        .unwrap();
    log.append(P0, vec![numbered(2)]).await.unwrap();
    let read = read_all(&log, P0, Offset(0)).await;
    assert_eq!(read.len(), 5);
    for entry in &read[1..4] {
        assert_eq!(entry.kind, EntryKind::Record);
        assert_eq!(entry.key, *b"0123456789abcdef");
        assert_eq!(entry.payload, "squeezed");
    }
}

// The library in this process has no zstd either, so a batch that cannot be opened is made from one that can.
#[tokio::test]
async fn a_batch_in_a_compression_that_is_not_opened_is_counted_and_stops_nobody() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "zstd", "&partitions=1").await;
    log.append(P0, vec![numbered(1)]).await.unwrap();
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        rdkafka::ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .create()
            .unwrap();
    let topic = rdkafka::admin::ResourceSpecifier::Topic("zstd");
    let compress = |how: &'static str| {
        let change = rdkafka::admin::AlterConfig::new(topic)
            .set("compression.type", how)
            // What is not named goes back to its default.
            .set("retention.ms", "-1");
        let admin = &admin;
        async move {
            let options = rdkafka::admin::AdminOptions::new();
            let changed = admin.alter_configs([&change], &options).await;
            changed.unwrap().remove(0).unwrap();
        }
    };
    compress("zstd").await;
    log.append(P0, (2..5).map(numbered).collect())
        .await
        .unwrap();
    compress("producer").await;
    log.append(P0, vec![numbered(5)]).await.unwrap();
    let read = read_all(&log, P0, Offset(0)).await;
    let (first, last) = (&read[0], read.last().unwrap());
    assert_eq!(first.payload, numbered(1).payload);
    assert_eq!(last.payload, numbered(5).payload);
    let between = &read[1..read.len() - 1];
    assert!(!between.is_empty());
    for entry in between {
        assert_eq!(entry.kind, EntryKind::Foreign(Foreign::Unreadable));
    }
    let words = Foreign::Unreadable.words();
    assert!(words.contains("compression.type=lz4"), "{words}");
}

#[tokio::test]
async fn a_transaction_that_is_left_open_does_not_hold_readers_up() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "left-open", "&partitions=1").await;
    let other = foreigner(broker, &[("transactional.id", "left-open")]);
    let other = tokio::task::spawn_blocking(move || {
        other.init_transactions(PATIENCE).unwrap();
        other.begin_transaction().unwrap();
        let record = BaseRecord::to("left-open")
            .partition(0)
            .payload(&b"open"[..]);
        send(&other, record);
        other.flush(PATIENCE).unwrap();
        other
    })
    .await
    .unwrap();
    log.append(P0, vec![numbered(1)]).await.unwrap();
    let read = read_all(&log, P0, Offset(0)).await;
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].payload, numbered(1).payload);
    tokio::task::spawn_blocking(move || other.abort_transaction(PATIENCE).unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_retention_removed_is_told_with_the_place_to_go_on() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "removed", "&partitions=1").await;
    for number in 0..50 {
        log.append(P0, vec![numbered(number)]).await.unwrap();
    }
    // A reader in the middle of its work, whose next entries go.
    let first = log.read(P0, Offset(0), 1).await.unwrap();
    let other = open(broker, "removed", "").await;
    other.trim(P0, Offset(40)).await.unwrap();
    let mut next = first.next;
    let start = loop {
        match log.read(P0, next, 1).await {
            // What it had fetched ahead is still good.
            Ok(batch) => next = batch.next,
            Err(LogError::Trimmed { start, .. }) => break start,
            Err(error) => panic!("{error}"),
        }
        if next >= Offset(40) {
            break next;
        }
    };
    let rest = read_all(&log, P0, start.max(next)).await;
    assert_eq!(rest.last().unwrap().payload, numbered(49).payload);
    let below = log.read(P0, Offset(5), 1024).await;
    assert!(
        matches!(below, Err(LogError::Trimmed { start, .. }) if start == Offset(40)),
        "{below:?}"
    );
}

#[tokio::test]
async fn a_topic_that_ends_before_what_was_read_from_it_is_an_error() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "shortened", "&partitions=1").await;
    log.append(P0, vec![numbered(1)]).await.unwrap();
    let error = log.read(P0, Offset(7), 1024).await.unwrap_err();
    assert!(matches!(error, LogError::Shortened { .. }), "{error}");
    assert!(error.to_string().contains("epm rebuild"), "{error}");
}
