//! Acknowledged means durable: whatever happens between the append and the ack.

use epm_collector::CollectorError;
use futures::FutureExt;
use tonic::Code;

use crate::disk::GatedDisk;
use crate::harness::{AGENT, EPOCH, collector, collector_on, connect, hello, open, records};
use epm_proto::v1::agent_message::Message as Sent;

#[tokio::test]
async fn a_batch_is_acknowledged_only_after_its_sync() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let collector = collector_on(directory.path(), &disk).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream.send_batch(records(1..=2)).await;
    stream.ack().await;
    disk.close();
    stream.send_batch(records(3..=4)).await;
    disk.holds_a_sync().await;
    assert!(stream.answers.message().now_or_never().is_none());
    assert_eq!(collector.metric("epm_collector_received_total"), 2.0);
    disk.open();
    assert_eq!(stream.ack().await.durable_before, 5);
    assert_eq!(collector.metric("epm_collector_received_total"), 4.0);
}

#[tokio::test]
async fn a_second_stream_takes_over_and_finds_what_the_first_had_under_way() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let collector = collector_on(directory.path(), &disk).await;
    let (mut older, _) = open(collector.address, AGENT).await;
    older.send_batch(records(1..=2)).await;
    older.ack().await;
    disk.close();
    older.send_batch(records(3..=4)).await;
    disk.holds_a_sync().await;
    let mut newer = connect(collector.address).await;
    newer.send(Sent::Hello(hello(AGENT))).await;
    disk.open();
    assert_eq!(newer.hello().await.durable_before, 5);
    assert_eq!(older.ack().await.durable_before, 5);
    assert_eq!(older.refusal().await.code(), Code::Aborted);
    newer.send_batch(records(3..=5)).await;
    assert_eq!(newer.ack().await.durable_before, 6);
    assert_eq!(collector.entries().await.len(), 5);
}

#[tokio::test]
async fn an_agent_that_vanishes_before_its_ack_finds_its_records_settled() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let collector = collector_on(directory.path(), &disk).await;
    let (stream, _) = open(collector.address, AGENT).await;
    disk.close();
    stream.send_batch(records(1..=3)).await;
    disk.holds_a_sync().await;
    drop(stream);
    disk.open();
    let (_stream, hello) = open(collector.address, AGENT).await;
    assert_eq!(hello.durable_before, 4);
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_stream_finishes_and_acknowledges_what_it_holds() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let mut collector = collector_on(directory.path(), &disk).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    disk.close();
    stream.send_batch(records(1..=3)).await;
    disk.holds_a_sync().await;
    collector.shutdown.cancel();
    disk.open();
    assert_eq!(stream.ack().await.durable_before, 4);
    assert_eq!(stream.refusal().await.code(), Code::Unavailable);
    collector.ended().await.expect("a clean end");
    assert_eq!(collector.entries().await.len(), 3);
}

#[tokio::test]
async fn a_stream_that_sends_while_the_collector_stops_loses_nothing_that_was_acknowledged() {
    let directory = tempfile::tempdir().expect("directory");
    let first = collector(directory.path()).await;
    let (mut stream, _) = open(first.address, AGENT).await;
    let sending = stream.sending.clone();
    let sender = tokio::spawn(async move {
        for batch in 0..u64::MAX {
            let message = epm_proto::v1::AgentMessage {
                message: Some(Sent::Batch(records(batch * 10 + 1..=batch * 10 + 10))),
            };
            if sending.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut durable_before = 0;
    for _ in 0..20 {
        durable_before = stream.ack().await.durable_before;
    }
    first.shutdown.cancel();
    while let Ok(Some(answer)) = stream.answers.message().await {
        if let Some(epm_proto::v1::collector_message::Message::Ack(ack)) = answer.message {
            durable_before = ack.durable_before;
        }
    }
    drop(stream);
    sender.abort();
    first.stop().await;
    let second = collector(directory.path()).await;
    assert_eq!(second.entries().await.len() as u64, durable_before - 1);
    let (_stream, hello) = open(second.address, AGENT).await;
    assert_eq!(hello.durable_before, durable_before);
}

#[tokio::test]
async fn a_full_disk_holds_batches_back_until_there_is_room() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let collector = collector_on(directory.path(), &disk).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    disk.run_out_of_room(true);
    stream.send_batch(records(1..=3)).await;
    disk.refused(2).await;
    assert!(stream.answers.message().now_or_never().is_none());
    assert_eq!(collector.metric("epm_collector_ready"), 0.0);
    disk.run_out_of_room(false);
    let ack = stream.ack().await;
    assert_eq!((ack.epoch, ack.durable_before), (EPOCH, 4));
    assert_eq!(collector.metric("epm_collector_ready"), 1.0);
    assert_eq!(collector.entries().await.len(), 3);
}

#[tokio::test]
async fn a_log_that_stops_ends_the_streams_and_the_collector() {
    let directory = tempfile::tempdir().expect("directory");
    let disk = GatedDisk::new();
    let mut collector = collector_on(directory.path(), &disk).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream.send_batch(records([1])).await;
    stream.ack().await;
    disk.break_down();
    stream.send_batch(records([2])).await;
    assert_eq!(stream.refusal().await.code(), Code::Unavailable);
    let error = collector.ended().await.expect_err("the log's error");
    assert!(matches!(error, CollectorError::Log(_)), "{error}");
    assert_eq!(collector.metric("epm_collector_ready"), 0.0);
}
