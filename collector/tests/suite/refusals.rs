//! Streams and batches that are refused whole: nothing is stored, and the reason is counted.

use std::sync::Arc;
use std::time::Duration;

use epm_collector::{CollectorError, Config, SharedRegistry, run};
use epm_event_log::EmbeddedLog;
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::harness::{
    AGENT, EPOCH, collector, collector_with, connect, hello, log_config, open, records, try_connect,
};

#[tokio::test]
async fn a_stream_that_does_not_say_hello_is_refused_in_the_same_words() {
    let directory = tempfile::tempdir().expect("directory");
    let config = Config {
        hello_timeout: Duration::from_millis(50),
        ..Config::default()
    };
    let collector = collector_with(directory.path(), config).await;
    let mut short_id = hello(AGENT);
    short_id.agent_id.pop();
    let mut no_epoch = hello(AGENT);
    no_epoch.epoch = 0;
    let mut long_boot = hello(AGENT);
    long_boot.boot_id = vec![1; 17];
    let first_messages = [
        None,
        Some(Sent::Batch(records([1]))),
        Some(Sent::Hello(short_id)),
        Some(Sent::Hello(no_epoch)),
        Some(Sent::Hello(long_boot)),
    ];
    for first in first_messages {
        let mut stream = connect(collector.address).await;
        if let Some(message) = first {
            stream.send(message).await;
        }
        let status = stream.refusal().await;
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "not accepted")
        );
    }
    let counted = "epm_collector_streams_refused_total{reason=\"hello\"}";
    assert_eq!(collector.metric(counted), 5.0);
}

#[tokio::test]
async fn what_an_agent_echoes_of_its_policies_ends_no_stream() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector_with(directory.path(), Config::default()).await;
    let (mut stream, hello) = open(collector.address, AGENT).await;
    assert!(hello.takes_policy_echoes);
    for number in 0..3 {
        stream
            .send(Sent::PolicyEcho(v1::PolicyEcho::default()))
            .await;
        stream.send_batch(records([number + 1])).await;
        let mut ack = stream.ack().await;
        while ack.durable_before < number + 2 {
            ack = stream.ack().await;
        }
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_used_ends_the_stream_and_stores_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let good = records(1..=3);
    let mut damaged = good.clone();
    damaged.crc32c ^= 1;
    let mut oversize = good.clone();
    oversize.uncompressed_bytes = u32::MAX;
    let mut too_many = good.clone();
    too_many.records = 1_000_000;
    let mut miscounted = good.clone();
    miscounted.records = 2;
    let mut unknown = good.clone();
    unknown.compression = 99;
    let mut other_epoch = good.clone();
    other_epoch.epoch = EPOCH + 1;
    let payload = zstd::bulk::compress(&vec![0; 64 << 20], 1).expect("compress");
    let bomb = v1::Batch {
        crc32c: crc32c::crc32c(&payload),
        payload: payload.into(),
        uncompressed_bytes: 1 << 20,
        compression: v1::Compression::Zstd.into(),
        ..good.clone()
    };
    let cases = [
        (damaged, Code::DataLoss, "checksum"),
        (oversize, Code::InvalidArgument, "too_large"),
        (too_many, Code::InvalidArgument, "too_many_records"),
        (miscounted, Code::InvalidArgument, "records"),
        (unknown, Code::InvalidArgument, "compression"),
        (other_epoch, Code::FailedPrecondition, "other_epoch"),
        (bomb, Code::InvalidArgument, "length"),
    ];
    for (batch, code, reason) in cases {
        let (mut stream, _) = open(collector.address, AGENT).await;
        stream.send_batch(batch).await;
        assert_eq!(stream.refusal().await.code(), code, "{reason}");
        let counted = format!("epm_collector_batches_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(collector.metric(&counted), 1.0, "{reason}");
    }
    assert_eq!(collector.entries().await, []);
    assert_eq!(collector.metric("epm_collector_received_total"), 0.0);
    assert_eq!(collector.metric("epm_collector_bytes_in_flight"), 0.0);
}

#[tokio::test]
async fn a_message_larger_than_any_batch_is_refused_before_it_is_held() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    let batch = v1::Batch {
        payload: vec![0; 8 << 20].into(),
        ..records([1])
    };
    stream.send_batch(batch).await;
    assert_eq!(stream.refusal().await.code(), Code::OutOfRange);
    let counted = "epm_collector_batches_refused_total{reason=\"message\"}";
    assert_eq!(collector.metric(counted), 1.0);
}

#[tokio::test]
async fn a_second_hello_ends_the_stream() {
    let directory = tempfile::tempdir().expect("directory");
    let collector = collector(directory.path()).await;
    let (mut stream, _) = open(collector.address, AGENT).await;
    stream.send(Sent::Hello(hello(AGENT))).await;
    assert_eq!(stream.refusal().await.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_stream_beyond_the_bound_is_told_to_come_later() {
    let directory = tempfile::tempdir().expect("directory");
    let config = Config {
        max_streams: 1,
        ..Config::default()
    };
    let collector = collector_with(directory.path(), config).await;
    let (stream, _) = open(collector.address, AGENT).await;
    let refused = try_connect(collector.address).await.err().expect("refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(stream);
}

async fn start_with(config: Config, address: &str) -> Result<(), CollectorError> {
    let directory = tempfile::tempdir().expect("directory");
    let log = EmbeddedLog::open(directory.path(), log_config()).expect("log");
    let listener = TcpListener::bind(address).await.expect("bind");
    let shutdown = CancellationToken::new();
    run(
        config,
        listener,
        Arc::new(log),
        SharedRegistry::default(),
        shutdown,
    )
    .await
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused_at_the_start() {
    let error = start_with(Config::default(), "0.0.0.0:0")
        .await
        .expect_err("refused");
    assert!(matches!(error, CollectorError::NotLoopback(_)));
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn limits_that_contradict_each_other_are_refused_at_the_start() {
    let config = Config {
        max_bytes_in_flight: 1,
        ..Config::default()
    };
    let error = start_with(config, "127.0.0.1:0")
        .await
        .expect_err("refused");
    assert!(matches!(error, CollectorError::Config(_)));
}
