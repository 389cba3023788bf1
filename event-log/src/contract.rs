//! What every implementation of the event log promises, as checks that run on any of them.
//!
//! Each check makes its own entries and panics with the promise that was broken. It must not know an implementation.

use bytes::Bytes;

use crate::entry::{EntryKind, NewEntry, Offset, PartitionId};
use crate::error::LogError;
use crate::{EventLog, ReadBatch};

/// An entry whose payload says its number.
#[must_use]
pub fn numbered(number: u64) -> NewEntry {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(number % 7).to_le_bytes());
    NewEntry {
        kind: if number % 5 == 4 {
            EntryKind::Rejected
        } else {
            EntryKind::Record
        },
        received_at_ms: 1_700_000_000_000 + number as i64,
        key,
        payload: Bytes::from(format!(
            "entry {number} {}",
            "x".repeat((number % 97) as usize)
        )),
    }
}

/// Everything from `from` to the durable end.
///
/// # Panics
///
/// Where reading fails or does not advance.
pub async fn read_all(
    log: &dyn EventLog,
    partition: PartitionId,
    from: Offset,
) -> Vec<crate::Entry> {
    let end = log.bounds(partition).await.expect("bounds are known").end;
    let mut entries = Vec::new();
    let mut next = from;
    while next < end {
        let ReadBatch {
            entries: more,
            next: after,
        } = log
            .read(partition, next, 4096)
            .await
            .expect("durable entries are readable");
        assert!(after > next, "reading advances");
        entries.extend(more);
        next = after;
    }
    entries
}

/// Runs every check on `log`, which must be empty and have at least one partition.
///
/// # Panics
///
/// Where a promise is broken.
pub async fn check_all(log: &dyn EventLog) {
    let partition = PartitionId(0);
    an_empty_log_reads_as_empty(log, partition).await;
    offsets_are_dense_and_entries_come_back_as_they_went_in(log, partition).await;
    a_read_is_bounded_and_never_empty_before_the_end(log, partition).await;
    waiting_ends_when_something_is_durable(log, partition).await;
    concurrent_appends_keep_their_own_order(log, partition).await;
    positions_are_kept_for_each_consumer(log, partition).await;
    a_partition_that_does_not_exist_is_refused(log).await;
    trimming_never_takes_what_was_not_allowed(log, partition).await;
}

async fn an_empty_log_reads_as_empty(log: &dyn EventLog, partition: PartitionId) {
    let bounds = log.bounds(partition).await.expect("bounds of an empty log");
    assert_eq!((bounds.start, bounds.end), (Offset(0), Offset(0)));
    let batch = log
        .read(partition, Offset(0), 1024)
        .await
        .expect("reading at the end");
    assert!(batch.entries.is_empty() && batch.next == Offset(0));
}

async fn offsets_are_dense_and_entries_come_back_as_they_went_in(
    log: &dyn EventLog,
    partition: PartitionId,
) {
    let mut sent = Vec::new();
    for size in [1_u64, 2, 17, 50] {
        let first = sent.len() as u64;
        let entries: Vec<_> = (first..first + size).map(numbered).collect();
        let receipt = log
            .append(partition, entries.clone())
            .await
            .expect("append");
        assert_eq!((receipt.first.0, receipt.next.0), (first, first + size));
        sent.extend(entries);
    }
    let read = read_all(log, partition, Offset(0)).await;
    assert_eq!(read.len(), sent.len());
    for (number, (read, sent)) in read.iter().zip(&sent).enumerate() {
        assert_eq!(read.offset.0, number as u64);
        assert_eq!(
            (read.kind, read.received_at_ms, read.key, &read.payload),
            (sent.kind, sent.received_at_ms, sent.key, &sent.payload)
        );
    }
    let tail = read_all(log, partition, Offset(60)).await;
    assert_eq!(tail[0].offset, Offset(60));
}

async fn a_read_is_bounded_and_never_empty_before_the_end(
    log: &dyn EventLog,
    partition: PartitionId,
) {
    let batch = log
        .read(partition, Offset(3), 1)
        .await
        .expect("a small read");
    assert_eq!(
        batch.entries.len(),
        1,
        "one entry is returned however small the bound"
    );
    let large = log
        .read(partition, Offset(0), 600)
        .await
        .expect("a bounded read");
    let bytes: usize = large.entries.iter().map(|entry| entry.payload.len()).sum();
    assert!(
        bytes <= 600,
        "a read of several entries stays within its bound"
    );
}

async fn waiting_ends_when_something_is_durable(log: &dyn EventLog, partition: PartitionId) {
    let end = log.bounds(partition).await.expect("bounds").end;
    let (waited, appended) = tokio::join!(
        log.wait_beyond(partition, end),
        log.append(partition, vec![numbered(end.0)])
    );
    waited.expect("waiting");
    appended.expect("append");
    let batch = log.read(partition, end, 1024).await.expect("read");
    assert_eq!(batch.entries.len(), 1);
}

async fn concurrent_appends_keep_their_own_order(log: &dyn EventLog, partition: PartitionId) {
    let start = log.bounds(partition).await.expect("bounds").end;
    let batches: Vec<Vec<NewEntry>> = (0..40)
        .map(|batch| {
            (0..10)
                .map(|number| numbered(10_000 + batch * 10 + number))
                .collect()
        })
        .collect();
    let appends = batches
        .iter()
        .map(|batch| log.append(partition, batch.clone()));
    for (receipt, batch) in futures::future::join_all(appends)
        .await
        .into_iter()
        .zip(&batches)
    {
        let receipt = receipt.expect("append");
        let read = read_all(log, partition, receipt.first).await;
        for (read, sent) in read.iter().zip(batch) {
            assert_eq!(
                read.payload, sent.payload,
                "entries of one append stand together in order"
            );
        }
    }
    let end = log.bounds(partition).await.expect("bounds").end;
    assert_eq!(end.0 - start.0, 400);
}

async fn positions_are_kept_for_each_consumer(log: &dyn EventLog, partition: PartitionId) {
    assert_eq!(
        log.position("one", partition).await.expect("position"),
        None
    );
    log.store_position("one", partition, Offset(5))
        .await
        .expect("store");
    log.store_position("two", partition, Offset(7))
        .await
        .expect("store");
    log.store_position("one", partition, Offset(6))
        .await
        .expect("store again");
    assert_eq!(
        log.position("one", partition).await.expect("position"),
        Some(Offset(6))
    );
    assert_eq!(
        log.position("two", partition).await.expect("position"),
        Some(Offset(7))
    );
}

async fn a_partition_that_does_not_exist_is_refused(log: &dyn EventLog) {
    let absent = PartitionId(log.partitions());
    let result = log.append(absent, vec![numbered(0)]).await;
    assert!(matches!(result, Err(LogError::NoPartition(_))));
    assert!(log.partition_for(&[9; 16]).0 < log.partitions());
}

async fn trimming_never_takes_what_was_not_allowed(log: &dyn EventLog, partition: PartitionId) {
    let end = log.bounds(partition).await.expect("bounds").end;
    let keep = Offset(end.0 - 20);
    let bounds = log.trim(partition, keep).await.expect("trim");
    assert!(bounds.start <= keep && bounds.end == end);
    let kept = read_all(log, partition, bounds.start).await;
    assert_eq!(kept.len() as u64, end.0 - bounds.start.0);
    if bounds.start > Offset(0) {
        let below = log.read(partition, Offset(bounds.start.0 - 1), 1024).await;
        assert!(matches!(below, Err(LogError::Trimmed { start, .. }) if start == bounds.start));
    }
}
