//! The event log on a real broker: the contract, what is made and checked of the topic, what other programs write, and
//! brokers that go and come back.

mod foreign;
mod outage;
mod secured;
mod topic;

use std::time::Duration;

use epm_event_log::contract::{Offsets, check_all, numbered, read_all};
use epm_event_log::{EventLog, KafkaAddress, KafkaLog, Offset, OnMissing};
use epm_test_components::Broker;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

use crate::P0;

pub(crate) type Foreigner = ThreadedProducer<DefaultProducerContext>;

/// How long a broker may take for what a test waits for, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A topic that keeps entries for ever, unless `options` say otherwise: the suites' entries are of long ago.
pub(crate) fn address(broker: &Broker, topic: &str, options: &str) -> KafkaAddress {
    let retention = match options.contains("retention-days") {
        true => "",
        false => "&retention-days=forever",
    };
    let text = format!("{}{options}{retention}", broker.address(topic));
    KafkaAddress::parse(&text).unwrap()
}

pub(crate) async fn open(broker: &Broker, topic: &str, options: &str) -> KafkaLog {
    KafkaLog::open(&address(broker, topic, options), OnMissing::Create)
        .await
        .unwrap()
}

/// Another program that writes to the topic.
pub(crate) fn foreigner(broker: &Broker, settings: &[(&str, &str)]) -> Foreigner {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap());
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create().unwrap()
}

/// A transaction of another program, which leaves an offset without a record behind.
fn transact(producer: &Foreigner, topic: &str, payloads: &[&str], commit: bool) {
    producer.begin_transaction().unwrap();
    for payload in payloads {
        let record = BaseRecord::<(), str>::to(topic)
            .partition(0)
            .payload(payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    if commit {
        producer.commit_transaction(PATIENCE).unwrap();
    } else {
        producer.flush(PATIENCE).unwrap();
        producer.abort_transaction(PATIENCE).unwrap();
    }
}

#[tokio::test]
async fn kafka_keeps_the_contract() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "contract", "&partitions=3").await;
    assert_eq!(log.partitions(), 3);
    check_all(&log, Offsets::Growing).await;
}

// What lies before is gone, the end has a hole, and so offsets neither begin at 0 nor are dense.
#[tokio::test]
async fn kafka_keeps_the_contract_in_a_topic_with_a_past() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "past", "&partitions=1").await;
    let other = foreigner(broker, &[("transactional.id", "past")]);
    tokio::task::spawn_blocking(move || {
        other.init_transactions(PATIENCE).unwrap();
        transact(&other, "past", &["one", "two"], true);
        transact(&other, "past", &["three"], false);
    })
    .await
    .unwrap();
    let all = read_all(&log, P0, Offset(0)).await;
    let offsets: Vec<u64> = all.iter().map(|entry| entry.offset.0).collect();
    assert_eq!(offsets, [0, 1, 3], "with holes after each transaction");
    let bounds = log.trim(P0, Offset(4)).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (Offset(4), Offset(5)));
    check_all(&log, Offsets::Growing).await;
}

#[tokio::test]
async fn another_process_follows_the_tail() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "follow", "&partitions=1").await;
    let follower = KafkaLog::open(&address(broker, "follow", ""), OnMissing::Refuse)
        .await
        .unwrap();
    for round in 0..30_u64 {
        let entries: Vec<_> = (round * 10..round * 10 + 10).map(numbered).collect();
        let receipt = log.append(P0, entries).await.unwrap();
        follower.wait_beyond(P0, receipt.first).await.unwrap();
        let read = read_all(&follower, P0, receipt.first).await;
        assert_eq!(read.len(), 10);
        assert_eq!(read[9].payload, numbered(round * 10 + 9).payload);
    }
}

/// Entries of the size of a record, from many streams at once.
#[allow(
    clippy::print_stderr,
    reason = "the figures of a run are worth seeing with --nocapture"
)]
#[tokio::test(flavor = "multi_thread")]
async fn many_streams_share_a_partition_and_each_finds_its_entries_in_order() {
    const STREAMS: u64 = 20;
    const APPENDS: u64 = 50;
    const ENTRIES: u64 = 40;
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = std::sync::Arc::new(open(broker, "streams", "&partitions=1").await);
    let began = std::time::Instant::now();
    let streams = (0..STREAMS).map(|stream| {
        let log = std::sync::Arc::clone(&log);
        tokio::spawn(async move {
            let appends = (0..APPENDS).map(|append| {
                let entries = (0..ENTRIES).map(|entry| {
                    let mut new = numbered(append * ENTRIES + entry);
                    new.key = [stream as u8; 16];
                    new.payload = format!("{:>600}", append * ENTRIES + entry).into();
                    new
                });
                log.append(P0, entries.collect())
            });
            for receipt in futures::future::join_all(appends).await {
                receipt.unwrap();
            }
        })
    });
    for stream in futures::future::join_all(streams).await {
        stream.unwrap();
    }
    let appended = began.elapsed();
    let began = std::time::Instant::now();
    let all = read_all(&*log, P0, Offset(0)).await;
    let read = began.elapsed();
    assert_eq!(all.len() as u64, STREAMS * APPENDS * ENTRIES);
    for stream in 0..STREAMS {
        let own = all
            .iter()
            .filter(|entry| entry.key == [stream as u8; 16])
            .map(|entry| {
                String::from_utf8_lossy(&entry.payload)
                    .trim()
                    .parse::<u64>()
                    .unwrap()
            });
        assert!(own.eq(0..APPENDS * ENTRIES), "stream {stream}");
    }
    eprintln!(
        "{} entries appended in {appended:?}, read in {read:?}",
        all.len()
    );
}
