//! What an agent sees when all is well: hello, acks, duplicates, resuming.

use epm_collector::Config;
use epm_event_log::EntryKind;
use epm_proto::batch::BatchBuilder;
use epm_proto::head::RecordHead;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use prost::Message;

use crate::harness::{AGENT, EPOCH, collector, open, record, records};

#[tokio::test]
async fn an_agent_that_is_new_is_told_limits_and_starts_at_its_beginning() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (_stream, hello) = open(collector.address, AGENT).await;
    assert_eq!(hello.durable_before, 0);
    assert_eq!(hello.durable_ranges, []);
    assert_eq!(hello.limits, Some(Config::default().limits()));
    assert_eq!(hello.delay_ms, 0);
    assert!(hello.server_time_us > 0);
}

#[tokio::test]
async fn records_are_stored_as_sent_and_acknowledged_in_order() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    for batch in 0..10_u64 {
        stream
            .send_batch(records(batch * 5 + 1..=batch * 5 + 5))
            .await;
    }
    for batch in 0..10_u64 {
        let ack = stream.ack().await;
        assert_eq!((ack.epoch, ack.durable_before), (EPOCH, batch * 5 + 6));
        assert_eq!((ack.durable_ranges, ack.rejects), (vec![], vec![]));
    }
    let entries = collector.entries().await;
    assert_eq!(entries.len(), 50);
    for (index, entry) in entries.iter().enumerate() {
        let sent = record(AGENT, index as u64 + 1).encode_to_vec();
        assert_eq!(entry.kind, EntryKind::Record);
        assert_eq!(entry.key, *AGENT.as_bytes());
        assert_eq!(entry.payload, sent);
        assert!(entry.received_at_ms > 0);
    }
}

#[tokio::test]
async fn fresh_records_that_overtake_the_backlog_are_acknowledged_as_ranges() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream.send_batch(records([10, 11, 13])).await;
    let ack = stream.ack().await;
    assert_eq!(ack.durable_before, 0);
    let range = |first, last| v1::SequenceRange { first, last };
    assert_eq!(ack.durable_ranges, [range(10, 11), range(13, 13)]);
    stream.send_batch(records(1..=9)).await;
    assert_eq!(stream.ack().await.durable_before, 12);
    let (_newer, hello) = open(collector.address, AGENT).await;
    assert_eq!(hello.durable_before, 12);
    assert_eq!(hello.durable_ranges, [range(13, 13)]);
}

#[tokio::test]
async fn a_record_sent_again_is_acknowledged_and_stored_once() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    // Twice in one batch, in two batches that are under way together, and after its ack.
    stream.send_batch(records([1, 2, 2, 3])).await;
    stream.send_batch(records([2, 3, 4])).await;
    assert_eq!(stream.ack().await.durable_before, 4);
    assert_eq!(stream.ack().await.durable_before, 5);
    stream.send_batch(records(1..=4)).await;
    assert_eq!(stream.ack().await.durable_before, 5);
    assert_eq!(collector.entries().await.len(), 4);
    assert_eq!(collector.metric("epm_collector_stored_total"), 4.0);
    assert_eq!(collector.metric("epm_collector_duplicate_total"), 7.0);
    assert_eq!(collector.metric("epm_collector_received_total"), 11.0);
}

#[tokio::test]
async fn after_a_restart_the_hello_says_what_is_durable_and_nothing_is_stored_twice() {
    let directory = tempfile::tempdir().expect("directory");
    let first = collector(directory.path()).await;
    let (mut stream, _) = open(first.address, AGENT).await;
    let mut refused = record(AGENT, 4);
    refused.schema_version = 0;
    let mut encoded: Vec<_> = (1..=3).map(|n| record(AGENT, n).encode_to_vec()).collect();
    encoded.push(refused.encode_to_vec());
    stream.send_batch(crate::harness::batch_of(encoded)).await;
    stream.send_batch(records([8])).await;
    stream.ack().await;
    stream.ack().await;
    drop(stream);
    first.stop().await;

    let second = collector(directory.path()).await;
    let (mut stream, hello) = open(second.address, AGENT).await;
    assert_eq!(hello.durable_before, 5);
    assert_eq!(
        hello.durable_ranges,
        [v1::SequenceRange { first: 8, last: 8 }]
    );
    stream.send_batch(records(1..=9)).await;
    assert_eq!(stream.ack().await.durable_before, 10);
    let entries = second.entries().await;
    assert_eq!(entries.len(), 9);
    let (_other, hello) = open(second.address, AgentId([8; 16])).await;
    assert_eq!(hello.durable_before, 0);
}

#[tokio::test]
async fn compressed_batches_large_and_small_are_stored_as_the_records_they_hold() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    let mut sequence = 0;
    for text_bytes in [10, 20_000] {
        let mut builder = BatchBuilder::default();
        for _ in 0..50 {
            sequence += 1;
            let mut record = record(AGENT, sequence);
            record.device_id = "d".repeat(text_bytes);
            builder.push(&record.encode_to_vec());
        }
        let batch = builder.finish(EPOCH, v1::Compression::Zstd, v1::Lane::Backlog);
        assert_eq!(batch.compression(), v1::Compression::Zstd);
        stream.send_batch(batch).await;
        assert_eq!(stream.ack().await.durable_before, sequence + 1);
    }
    for (index, entry) in collector.entries().await.iter().enumerate() {
        let head = RecordHead::scan(&entry.payload).expect("a record");
        assert_eq!(head.name.sequence.0, index as u64 + 1);
    }
    assert_eq!(collector.metric("epm_collector_stored_total"), 100.0);
}

#[tokio::test]
async fn agents_deliver_side_by_side_and_each_finds_its_own_position() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let mut agents = tokio::task::JoinSet::new();
    for number in 1..=20_u8 {
        let address = collector.address;
        agents.spawn(async move {
            let agent = AgentId([number; 16]);
            let (mut stream, _) = open(address, agent).await;
            for batch in 0..5_u64 {
                let sequences = batch * 20 + 1..=batch * 20 + 20;
                let encoded = sequences.map(|n| record(agent, n).encode_to_vec());
                stream.send_batch(crate::harness::batch_of(encoded)).await;
            }
            for _ in 0..4 {
                stream.ack().await;
            }
            assert_eq!(stream.ack().await.durable_before, 101);
        });
    }
    while let Some(agent) = agents.join_next().await {
        agent.expect("an agent");
    }
    assert_eq!(collector.entries().await.len(), 2000);
    assert_eq!(collector.metric("epm_collector_bytes_in_flight"), 0.0);
}
