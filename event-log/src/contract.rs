//! What every implementation of the event log promises, as checks that run on any of them.
//!
//! Each check makes its own entries and panics with the promise that was broken. It must not know an implementation; what
//! one promises beyond the others is said by [`Offsets`].

use bytes::Bytes;

use crate::entry::{EntryKind, NewEntry, Offset, PartitionId};
use crate::error::LogError;
use crate::{EventLog, ReadBatch};

/// What a log promises of its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// They begin at 0 and grow by one with each entry.
    Dense,
    /// They grow. The first may be any, and some may have no entry.
    Growing,
}

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

/// Runs every check on `log`, which must hold no entry and have at least one partition.
///
/// # Panics
///
/// Where a promise is broken.
pub async fn check_all(log: &dyn EventLog, offsets: Offsets) {
    let partition = PartitionId(0);
    an_empty_log_reads_as_empty(log, partition, offsets).await;
    entries_come_back_as_they_went_in(log, partition, offsets).await;
    a_read_is_bounded_and_never_empty_before_the_end(log, partition).await;
    waiting_ends_when_something_is_durable(log, partition).await;
    a_reader_is_served_while_another_waits(log, partition).await;
    concurrent_appends_keep_their_own_order(log, partition, offsets).await;
    an_entry_that_is_too_large_is_refused_and_the_log_goes_on(log, partition).await;
    positions_are_kept_for_each_consumer(log, partition).await;
    a_partition_that_does_not_exist_is_refused(log).await;
    trimming_never_takes_what_was_not_allowed(log, partition).await;
}

async fn an_empty_log_reads_as_empty(log: &dyn EventLog, partition: PartitionId, offsets: Offsets) {
    let bounds = log.bounds(partition).await.expect("bounds of an empty log");
    if offsets == Offsets::Dense {
        assert_eq!((bounds.start, bounds.end), (Offset(0), Offset(0)));
    }
    let batch = log
        .read(partition, bounds.start, 1024)
        .await
        .expect("reading an empty log");
    assert_eq!((batch.entries.len(), batch.next), (0, bounds.end));
    let batch = log
        .read(partition, bounds.end, 1024)
        .await
        .expect("reading at the end");
    assert_eq!((batch.entries.len(), batch.next), (0, bounds.end));
}

async fn entries_come_back_as_they_went_in(
    log: &dyn EventLog,
    partition: PartitionId,
    offsets: Offsets,
) {
    let mut sent = Vec::new();
    let mut next = log.bounds(partition).await.expect("bounds").end;
    for size in [1_u64, 2, 17, 50] {
        let first = sent.len() as u64;
        let entries: Vec<_> = (first..first + size).map(numbered).collect();
        let receipt = log
            .append(partition, entries.clone())
            .await
            .expect("append");
        assert!(receipt.first >= next && receipt.next.0 >= receipt.first.0 + size);
        if offsets == Offsets::Dense {
            assert_eq!((receipt.first.0, receipt.next.0), (first, first + size));
        }
        next = receipt.next;
        sent.extend(entries);
    }
    let bounds = log.bounds(partition).await.expect("bounds");
    assert_eq!(bounds.end, next, "what was confirmed is in the log");
    let read = read_all(log, partition, bounds.start).await;
    assert_eq!(read.len(), sent.len());
    for (number, (read, sent)) in read.iter().zip(&sent).enumerate() {
        if offsets == Offsets::Dense {
            assert_eq!(read.offset.0, number as u64);
        }
        assert_eq!(
            (read.kind, read.received_at_ms, read.key, &read.payload),
            (sent.kind, sent.received_at_ms, sent.key, &sent.payload)
        );
    }
    assert!(read.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    let tail = read_all(log, partition, read[60].offset).await;
    assert_eq!(tail[..], read[60..], "reading begins where it is asked to");
}

async fn a_read_is_bounded_and_never_empty_before_the_end(
    log: &dyn EventLog,
    partition: PartitionId,
) {
    let start = log.bounds(partition).await.expect("bounds").start;
    let all = read_all(log, partition, start).await;
    let batch = log
        .read(partition, all[3].offset, 1)
        .await
        .expect("a small read");
    assert_eq!(
        batch.entries[..],
        all[3..4],
        "one entry is returned however small the bound"
    );
    let large = log
        .read(partition, all[0].offset, 600)
        .await
        .expect("a bounded read");
    let bytes: usize = large.entries.iter().map(|entry| entry.payload.len()).sum();
    assert!(
        bytes <= 600 && !large.entries.is_empty(),
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

async fn a_reader_is_served_while_another_waits(log: &dyn EventLog, partition: PartitionId) {
    let bounds = log.bounds(partition).await.expect("bounds");
    let reading = async {
        let read = read_all(log, partition, bounds.start).await;
        assert!(!read.is_empty());
        log.append(partition, vec![numbered(1)])
            .await
            .expect("append");
    };
    let (waited, ()) = tokio::join!(log.wait_beyond(partition, bounds.end), reading);
    waited.expect("waiting");
}

async fn concurrent_appends_keep_their_own_order(
    log: &dyn EventLog,
    partition: PartitionId,
    offsets: Offsets,
) {
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
    let mut before = start;
    for (receipt, batch) in futures::future::join_all(appends)
        .await
        .into_iter()
        .zip(&batches)
    {
        let receipt = receipt.expect("append");
        assert!(
            receipt.first >= before,
            "appends stand in the order in which they were made"
        );
        before = receipt.next;
        let read = read_all(log, partition, receipt.first).await;
        for (read, sent) in read.iter().zip(batch) {
            assert_eq!(
                read.payload, sent.payload,
                "entries of one append stand together in order"
            );
        }
    }
    let end = log.bounds(partition).await.expect("bounds").end;
    if offsets == Offsets::Dense {
        assert_eq!(end.0 - start.0, 400);
    }
    assert_eq!(read_all(log, partition, start).await.len(), 400);
}

async fn an_entry_that_is_too_large_is_refused_and_the_log_goes_on(
    log: &dyn EventLog,
    partition: PartitionId,
) {
    let end = log.bounds(partition).await.expect("bounds").end;
    let mut large = numbered(0);
    // More than any log takes.
    large.payload = Bytes::from(vec![7; 2 << 20]);
    let refused = log.append(partition, vec![numbered(0), large]).await;
    assert!(matches!(refused, Err(LogError::TooLarge { .. })));
    let receipt = log.append(partition, vec![numbered(0)]).await;
    assert_eq!(
        receipt.expect("append").first,
        end,
        "a refused append leaves nothing behind"
    );
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
    let before = log.bounds(partition).await.expect("bounds");
    let all = read_all(log, partition, before.start).await;
    let keep = all[all.len() - 20].offset;
    let bounds = log.trim(partition, keep).await.expect("trim");
    assert!(bounds.start <= keep && bounds.end == before.end);
    let kept = read_all(log, partition, bounds.start).await;
    let first = all.iter().position(|entry| entry.offset == kept[0].offset);
    assert_eq!(kept[..], all[first.expect("a kept entry was there")..]);
    if bounds.start > before.start {
        let below = log.read(partition, Offset(bounds.start.0 - 1), 1024).await;
        assert!(matches!(below, Err(LogError::Trimmed { start, .. }) if start == bounds.start));
        let waited = log.wait_beyond(partition, Offset(bounds.start.0 - 1)).await;
        waited.expect("waiting at what was trimmed ends, so that reading can tell");
    }
}
