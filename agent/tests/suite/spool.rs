//! The spool under faults: what was acknowledged to an observer is there afterwards or told as lost, whatever happens.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epm_agent::clock::Clock;
use epm_agent::source::Observation;
use epm_agent::spool::mint::Mint;
use epm_agent::spool::{Spool, SpoolError, SpoolLimits, WaitingRecord, WhenFull};
use epm_proto::chain::record_hash;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use prost::Message;

use crate::disks::{FailingDisk, QuickDisk};

pub(crate) const AGENT: AgentId = AgentId([7; 16]);

pub(crate) fn mint() -> Mint {
    Mint {
        agent_id: AGENT,
        reporting_scope: v1::ReportingScope::All,
        device_id: String::new(),
        clock: Clock::of_this_boot(),
    }
}

/// An elevation that can be told from others by its process id.
pub(crate) fn numbered(number: u64, class: v1::RecordClass) -> Observation {
    Observation {
        observed_at_us: 1_700_000_000_000_000 + number as i64,
        source_key: None,
        class,
        body: v1::record::Body::Elevation(v1::Elevation {
            process: Some(v1::Process {
                pid: number,
                ..v1::Process::default()
            }),
            ..v1::Elevation::default()
        }),
    }
}

fn some(range: std::ops::Range<u64>) -> Vec<Observation> {
    range
        .map(|number| numbered(number, v1::RecordClass::Unmanaged))
        .collect()
}

fn small() -> SpoolLimits {
    SpoolLimits {
        segment_bytes: 900,
        ..SpoolLimits::default()
    }
}

fn open(state: &Path, limits: SpoolLimits) -> Spool {
    Spool::open_on(Arc::new(QuickDisk), state, mint(), limits).expect("a spool always opens")
}

fn all(spool: &Spool) -> Vec<(WaitingRecord, v1::Record)> {
    spool
        .epochs()
        .flat_map(|place| {
            spool
                .read(place.epoch, 0, usize::MAX, usize::MAX)
                .expect("waiting records can be read")
        })
        .map(|waiting| {
            let record = v1::Record::decode(waiting.bytes.clone()).expect("it is a record");
            assert_eq!(record.sequence, waiting.sequence);
            assert_eq!(record.epoch, waiting.epoch);
            (waiting, record)
        })
        .collect()
}

/// Process ids of the elevations that wait, and the losses.
fn waiting(spool: &Spool) -> (BTreeSet<u64>, Vec<v1::Loss>) {
    let mut numbers = BTreeSet::new();
    let mut losses = Vec::new();
    for (_, record) in all(spool) {
        match record.body.expect("a record has a body") {
            v1::record::Body::Elevation(elevation) => {
                let new = numbers.insert(elevation.process.expect("it has one").pid);
                assert!(new, "nothing waits twice");
            }
            v1::record::Body::Loss(loss) => losses.push(loss),
            _ => {}
        }
    }
    (numbers, losses)
}

/// Every acknowledged observation `number`, with its epoch and sequence, waits or is told as lost.
fn assert_explained(spool: &Spool, acknowledged: &[(u64, u64, u64)], context: &str) {
    let (numbers, losses) = waiting(spool);
    for (number, epoch, sequence) in acknowledged {
        let told = losses.iter().any(|loss| {
            loss.lost_epoch == *epoch
                && (loss.first_sequence..=loss.last_sequence).contains(sequence)
        });
        assert!(
            numbers.contains(number) || told,
            "{context}: {number} vanished; waiting {numbers:?}, losses {losses:?}"
        );
    }
}

#[test]
fn records_are_chained_without_holes_across_segments_and_starts() {
    let state = tempfile::tempdir().expect("a folder");
    for start in 0..4_u64 {
        let mut spool = open(state.path(), small());
        for round in 0..5_u64 {
            let first = (start * 5 + round) * 3;
            spool.append(some(first..first + 3)).expect("it is durable");
        }
    }
    let spool = open(state.path(), small());
    let records = all(&spool);
    assert_eq!(records.len(), 60);
    let mut previous = Vec::new();
    for (at, (waiting, record)) in records.iter().enumerate() {
        assert_eq!(waiting.sequence, at as u64 + 1);
        assert_eq!(record.previous_hash, previous);
        previous = record_hash(&waiting.bytes).to_vec();
    }
    let epochs: BTreeSet<u64> = records.iter().map(|(waiting, _)| waiting.epoch).collect();
    assert_eq!(epochs.len(), 1);
    assert!(waiting(&spool).1.is_empty());
}

#[test]
fn a_spool_cut_anywhere_in_its_last_commit_keeps_every_commit_before_it() {
    let state = tempfile::tempdir().expect("a folder");
    let limits = SpoolLimits::default();
    let mut spool = open(state.path(), limits);
    spool.append(some(0..3)).expect("it is durable");
    let file = only_segment(state.path());
    let before = std::fs::metadata(&file).expect("it is there").len();
    spool.append(some(3..6)).expect("it is durable");
    drop(spool);
    let whole = std::fs::read(&file).expect("it can be read");
    for cut in before as usize..whole.len() {
        std::fs::write(&file, &whole[..cut]).expect("it can be written");
        let mut spool = open(state.path(), limits);
        assert_eq!(waiting(&spool).0, (0..3).collect(), "cut at {cut}");
        spool.append(some(10..12)).expect("it goes on");
        drop(spool);
        let spool = open(state.path(), limits);
        let (numbers, losses) = waiting(&spool);
        assert_eq!(numbers, [0, 1, 2, 10, 11].into(), "cut at {cut}");
        assert!(losses.is_empty(), "cut at {cut}: a torn commit is no loss");
        assert_eq!(spool.next().sequence, 6);
    }
}

#[test]
fn whichever_byte_flips_what_was_acknowledged_waits_or_is_told_as_lost() {
    let state = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    let mut spool = open(state.path(), small());
    for round in 0..4_u64 {
        let at = spool.next();
        spool
            .append(some(round * 2..round * 2 + 2))
            .expect("it is durable");
        acknowledged.push((round * 2, at.epoch, at.sequence));
        acknowledged.push((round * 2 + 1, at.epoch, at.sequence + 1));
    }
    drop(spool);
    let files = segments(state.path());
    assert!(files.len() > 1, "there is a closed segment and an open one");
    for file in files {
        let whole = std::fs::read(&file).expect("it can be read");
        for at in 0..whole.len() {
            let copy = tempfile::tempdir().expect("a folder");
            copy_folder(state.path(), copy.path());
            let mut bytes = whole.clone();
            bytes[at] ^= 0x41;
            let damaged = copy
                .path()
                .join("spool")
                .join(file.file_name().expect("a name"));
            std::fs::write(damaged, bytes).expect("it can be written");
            let context = format!("{} byte {at}", file.display());
            let mut spool = open(copy.path(), small());
            spool.append(some(100..101)).expect("the agent goes on");
            assert_explained(&spool, &acknowledged, &context);
            drop(spool);
            let spool = open(copy.path(), small());
            assert_explained(&spool, &acknowledged, &context);
            assert!(waiting(&spool).0.contains(&100), "{context}");
        }
    }
}

#[test]
fn a_missing_spool_begins_a_later_epoch_and_says_so() {
    let state = tempfile::tempdir().expect("a folder");
    let mut spool = open(state.path(), small());
    spool.append(some(0..2)).expect("it is durable");
    let old = spool.next().epoch;
    drop(spool);
    std::fs::remove_dir_all(state.path().join("spool")).expect("it can be removed");
    let mut spool = open(state.path(), small());
    spool.append(some(2..3)).expect("it goes on");
    assert!(spool.next().epoch > old);
    let (numbers, losses) = waiting(&spool);
    assert_eq!(numbers, [2].into());
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].reason(), v1::LossReason::SpoolReset);
    assert_eq!(losses[0].lost_epoch, old);
}

#[test]
fn delivered_segments_are_deleted_and_a_lost_cursor_only_sends_again() {
    let state = tempfile::tempdir().expect("a folder");
    let mut spool = open(state.path(), small());
    for round in 0..10 {
        spool
            .append(some(round * 3..round * 3 + 3))
            .expect("it is durable");
    }
    let epoch = spool.next().epoch;
    let files = segments(state.path()).len();
    spool.acknowledge(epoch, 20, &[(25, 27)]);
    spool.tidy().expect("it is written down");
    assert!(segments(state.path()).len() < files);
    assert_eq!(spool.depth().records, 8);
    drop(spool);
    let spool = open(state.path(), small());
    assert_eq!(spool.depth().records, 8);
    assert_eq!(spool.oldest_epoch(), (epoch, 20, 31));
    drop(spool);
    std::fs::remove_file(state.path().join("spool/acknowledged")).expect("it was there");
    let mut spool = open(state.path(), small());
    assert!(spool.depth().records >= 8);
    spool.append(some(40..41)).expect("it goes on");
    assert!(
        waiting(&spool).1.is_empty(),
        "deleted after delivery is no loss"
    );
    spool.acknowledge(epoch, 32, &[]);
    assert!(spool.is_delivered_before(spool.next()));
    assert_eq!(spool.depth().records, 0);
}

#[test]
fn a_segment_that_disappears_is_told_as_lost() {
    let state = tempfile::tempdir().expect("a folder");
    let mut acknowledged = Vec::new();
    let mut spool = open(state.path(), small());
    for number in 0..20 {
        let at = spool.next();
        spool
            .append(some(number..number + 1))
            .expect("it is durable");
        acknowledged.push((number, at.epoch, at.sequence));
    }
    let epoch = spool.next().epoch;
    spool.acknowledge(epoch, 2, &[]);
    spool.tidy().expect("it is written down");
    drop(spool);
    std::fs::remove_file(&segments(state.path())[1]).expect("it was there");
    let mut spool = open(state.path(), small());
    spool.append(some(50..51)).expect("it goes on");
    assert_explained(&spool, &acknowledged[1..], "missing segment");
    assert_eq!(waiting(&spool).1.len(), 1);
}

#[test]
fn a_full_spool_gives_up_the_least_important_first_and_counts_them() {
    let state = tempfile::tempdir().expect("a folder");
    let limits = SpoolLimits {
        max_bytes: 40_000,
        segment_bytes: 4_000,
        ..SpoolLimits::default()
    };
    let mut spool = open(state.path(), limits);
    let mut acknowledged = Vec::new();
    let mut decisions = BTreeSet::new();
    for number in 0..400 {
        let class = match number % 10 {
            0 => v1::RecordClass::Decision,
            _ => v1::RecordClass::Unmanaged,
        };
        if number % 10 == 0 {
            decisions.insert(number);
        }
        let at = spool.next();
        spool
            .append(vec![numbered(number, class)])
            .expect("it makes room");
        let place = spool.next();
        acknowledged.push((number, at.epoch, at.sequence));
        assert!(place.sequence > at.sequence);
    }
    let (numbers, losses) = waiting(&spool);
    assert!(decisions.is_subset(&numbers), "decisions stay: {numbers:?}");
    assert!(
        losses
            .iter()
            .all(|loss| loss.reason() == v1::LossReason::Evicted)
    );
    let counted: u64 = losses
        .iter()
        .flat_map(|loss| &loss.counts)
        .map(|count| count.records)
        .sum();
    assert_eq!(counted, 400 - numbers.len() as u64);
    assert_explained(&spool, &acknowledged, "eviction");
    let next = spool.next();
    drop(spool);
    let spool = open(state.path(), limits);
    assert_eq!(spool.next(), next);
    assert_eq!(waiting(&spool), (numbers, losses));
}

#[test]
fn what_is_too_old_is_given_up_and_counted() {
    let state = tempfile::tempdir().expect("a folder");
    let mut spool = open(state.path(), small());
    for number in 0..10 {
        spool
            .append(some(number..number + 1))
            .expect("it is durable");
    }
    drop(spool);
    let limits = SpoolLimits {
        max_age: std::time::Duration::ZERO,
        ..small()
    };
    let mut spool = open(state.path(), limits);
    spool.append(some(10..11)).expect("it is durable");
    let (numbers, losses) = waiting(&spool);
    assert!(numbers.contains(&10));
    let counted: u64 = losses
        .iter()
        .flat_map(|loss| &loss.counts)
        .map(|count| count.records)
        .sum();
    assert!(
        losses
            .iter()
            .any(|loss| loss.reason() == v1::LossReason::Expired)
    );
    assert!(counted + numbers.len() as u64 >= 11);
}

#[test]
fn a_spool_that_may_not_evict_refuses_until_there_is_room() {
    let state = tempfile::tempdir().expect("a folder");
    let limits = SpoolLimits {
        max_bytes: 3_000,
        when_full: WhenFull::Refuse,
        ..small()
    };
    let mut spool = open(state.path(), limits);
    let mut number = 0;
    let refused = loop {
        match spool.append(some(number..number + 1)) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::Full { .. }) && refused.is_retryable());
    let next = spool.next();
    spool.acknowledge(next.epoch, next.sequence, &[]);
    spool.tidy().expect("delivered segments go");
    spool.append(some(100..101)).expect("there is room again");
}

/// A run with evictions, acknowledgements and, before it, damage; returns whether the disk failed.
fn eventful_run(
    spool: &mut Spool,
    acknowledged: &mut Vec<(u64, u64, u64)>,
    delivered: &mut u64,
) -> bool {
    let mut failed = false;
    for number in 0..30_u64 {
        let class = match number % 3 {
            0 => v1::RecordClass::Decision,
            _ => v1::RecordClass::Unmanaged,
        };
        match spool.append(vec![numbered(number, class)]) {
            Ok(()) => {
                let epoch = spool.next().epoch;
                let at = all(spool)
                    .iter()
                    .find(|(_, record)| matches!(&record.body,
                        Some(v1::record::Body::Elevation(elevation))
                            if elevation.process.as_ref().is_some_and(|process| process.pid == number)))
                    .map(|(waiting, _)| waiting.sequence);
                acknowledged.push((number, epoch, at.expect("it waits now")));
            }
            Err(SpoolError::DiskFull(_)) => failed = true,
            Err(error) => panic!("a full disk is said to be one: {error}"),
        }
        if number == 15 {
            let place = acknowledged.get(4).copied().unwrap_or_default();
            spool.acknowledge(place.1, place.2, &[]);
            *delivered = place.2;
            failed |= spool.tidy().is_err();
        }
    }
    failed
}

#[test]
fn whichever_operation_fails_nothing_acknowledged_vanishes_and_the_spool_goes_on() {
    for torn in [false, true] {
        for fail_at in 0.. {
            let state = tempfile::tempdir().expect("a folder");
            let operations = Arc::new(AtomicU64::new(0));
            let limits = SpoolLimits {
                max_bytes: 7_000,
                segment_bytes: 1_500,
                ..SpoolLimits::default()
            };
            let disk = FailingDisk {
                operations: Arc::clone(&operations),
                fail_at,
                torn,
            };
            let mut spool = Spool::open_on(Arc::new(disk), state.path(), mint(), limits)
                .expect("a spool always opens");
            let mut acknowledged = Vec::new();
            let mut delivered = 0;
            eventful_run(&mut spool, &mut acknowledged, &mut delivered);
            assert!(acknowledged.len() >= 29, "only one commit may fail");
            acknowledged.retain(|(_, _, sequence)| *sequence >= delivered);
            let context = format!("operation {fail_at}, torn {torn}");
            assert_explained(&spool, &acknowledged, &context);
            drop(spool);
            let mut spool = open(state.path(), limits);
            spool.append(some(200..201)).expect("it goes on");
            assert_explained(&spool, &acknowledged, &format!("{context}, after a start"));
            if operations.load(Ordering::SeqCst) <= fail_at {
                break;
            }
        }
    }
}

fn segments(state: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(state.join("spool"))
        .expect("the folder is there")
        .map(|item| item.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect();
    files.sort();
    files
}

fn only_segment(state: &Path) -> std::path::PathBuf {
    let mut files = segments(state);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("spool")).expect("it can be created");
    std::fs::copy(from.join("epoch"), to.join("epoch")).expect("it can be copied");
    for item in std::fs::read_dir(from.join("spool")).expect("the folder is there") {
        let path = item.expect("it can be listed").path();
        std::fs::copy(
            &path,
            to.join("spool").join(path.file_name().expect("a name")),
        )
        .expect("it can be copied");
    }
}
