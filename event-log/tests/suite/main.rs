//! Both logs: the one contract, what the embedded log does when the disk or the power fails, and what Kafka does when a
//! broker goes or another program writes.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod closing;
mod faults;
mod kafka;
mod recovery;

use std::path::Path;

use epm_event_log::contract::{Offsets, check_all, numbered, read_all};
use epm_event_log::{EmbeddedConfig, EmbeddedLog, EventLog, LogError, Offset, PartitionId};

pub(crate) const P0: PartitionId = PartitionId(0);

/// Small segments, so that rolling happens all the time.
pub(crate) fn small() -> EmbeddedConfig {
    EmbeddedConfig {
        segment_bytes: 4096,
        ..EmbeddedConfig::default()
    }
}

pub(crate) fn open(directory: &Path) -> EmbeddedLog {
    EmbeddedLog::open(directory, small()).unwrap()
}

#[tokio::test]
async fn the_embedded_log_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check_all(&open(directory.path()), Offsets::Dense).await;
}

#[tokio::test]
async fn the_embedded_log_keeps_the_contract_in_large_segments_and_many_partitions() {
    let directory = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig {
        partitions: 3,
        segment_bytes: 1 << 20,
        ..EmbeddedConfig::default()
    };
    let log = EmbeddedLog::open(directory.path(), config).unwrap();
    check_all(&log, Offsets::Dense).await;
}

#[tokio::test]
async fn a_second_process_is_told_that_the_log_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let second = EmbeddedLog::open(directory.path(), small()).unwrap_err();
    assert!(matches!(second, LogError::Locked { .. }), "{second}");
    drop(log);
    open(directory.path());
}

#[tokio::test]
async fn everything_is_there_after_the_log_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut next = 0;
    for _ in 0..5 {
        let log = open(directory.path());
        assert_eq!(log.bounds(P0).await.unwrap().end, Offset(next));
        let entries: Vec<_> = (next..next + 60).map(numbered).collect();
        log.append(P0, entries).await.unwrap();
        log.store_position("reader", P0, Offset(next))
            .await
            .unwrap();
        next += 60;
    }
    let log = open(directory.path());
    let read = read_all(&log, P0, Offset(0)).await;
    assert_eq!(read.len() as u64, next);
    assert!(
        read.iter()
            .enumerate()
            .all(|(number, entry)| entry.payload == numbered(number as u64).payload)
    );
    assert_eq!(
        log.position("reader", P0).await.unwrap(),
        Some(Offset(next - 60))
    );
}

#[tokio::test]
async fn another_process_follows_the_tail_and_never_sees_what_is_not_durable() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let follower = EmbeddedLog::open_read_only(directory.path()).unwrap();
    for round in 0..30_u64 {
        let entries: Vec<_> = (round * 10..round * 10 + 10).map(numbered).collect();
        log.append(P0, entries).await.unwrap();
        follower
            .wait_beyond(P0, Offset(round * 10 + 9))
            .await
            .unwrap();
        let read = read_all(&follower, P0, Offset(round * 10)).await;
        assert_eq!(read.len(), 10);
        assert_eq!(read[9].payload, numbered(round * 10 + 9).payload);
    }
    log.trim(P0, Offset(250)).await.unwrap();
    assert!(follower.bounds(P0).await.unwrap().start > Offset(0));
    assert!(matches!(
        follower.append(P0, vec![numbered(0)]).await,
        Err(LogError::ReadOnly)
    ));
}

#[tokio::test]
async fn an_entry_that_is_too_large_is_refused_and_the_log_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut large = numbered(0);
    large.payload = vec![7; 5000].into();
    assert!(matches!(
        log.append(P0, vec![numbered(0), large]).await,
        Err(LogError::TooLarge { .. })
    ));
    assert_eq!(
        log.append(P0, vec![numbered(0)]).await.unwrap().next,
        Offset(1)
    );
}

#[test]
fn a_folder_without_a_log_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let error = EmbeddedLog::open_read_only(directory.path()).unwrap_err();
    assert!(
        error.to_string().contains("start the collector first"),
        "{error}"
    );
}
