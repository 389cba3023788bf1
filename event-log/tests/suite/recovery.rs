//! Crashes and damage, byte by byte: whatever is cut or flipped, no durable entry changes in silence.

use std::path::{Path, PathBuf};

use epm_event_log::contract::{numbered, read_all};
use epm_event_log::{EmbeddedConfig, EmbeddedLog, EventLog, LogError, Offset, OnDamage};
use proptest::prelude::*;

use crate::{P0, open, small};

const ENTRIES: u64 = 8;

/// A log of a few entries in one segment, each its own append; returns the segment's file.
async fn few_entries(directory: &Path) -> PathBuf {
    let log = open(directory);
    for number in 0..ENTRIES {
        log.append(P0, vec![numbered(number)]).await.unwrap();
    }
    directory.join("p0/00000000000000000000.log")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Opens what is left and checks that it is a prefix of what was appended.
async fn prefix_length(directory: &Path) -> Result<u64, LogError> {
    let log = EmbeddedLog::open(directory, small())?;
    let read = read_all(&log, P0, Offset(0)).await;
    for (number, entry) in read.iter().enumerate() {
        assert_eq!(
            entry.payload,
            numbered(number as u64).payload,
            "an entry changed in silence"
        );
    }
    let length = read.len() as u64;
    // It takes appends again, and they are found after another start.
    log.append(P0, vec![numbered(length)]).await?;
    drop(log);
    let again = EmbeddedLog::open(directory, small())?;
    let read = read_all(&again, P0, Offset(0)).await;
    assert_eq!(read.len() as u64, length + 1);
    Ok(length)
}

/// A power cut without the marker: the tail may be torn anywhere, and what is whole before it stays.
#[test]
fn a_tail_cut_at_every_byte_is_cut_at_the_last_whole_entry() {
    runtime().block_on(async {
        let model = tempfile::tempdir().unwrap();
        let segment = few_entries(model.path()).await;
        let whole = std::fs::read(&segment).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let mut longest = 0;
        for cut in 64..=used {
            let copy = tempfile::tempdir().unwrap();
            let path = few_entries(copy.path()).await;
            let mut torn = whole.clone();
            torn[cut..].fill(0);
            std::fs::write(&path, torn).unwrap();
            std::fs::remove_file(copy.path().join("p0/durable")).unwrap();
            let length = prefix_length(copy.path()).await.unwrap();
            assert!(length >= longest, "a longer file keeps at least as much");
            longest = length;
        }
        assert_eq!(longest, ENTRIES);
    });
}

/// A shorter file instead of a zeroed one: what a lost length update leaves.
#[test]
fn a_file_truncated_at_every_byte_opens_or_says_what_is_damaged() {
    runtime().block_on(async {
        let model = tempfile::tempdir().unwrap();
        let segment = few_entries(model.path()).await;
        let whole = std::fs::read(&segment).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for cut in (0..=used).step_by(3) {
            let copy = tempfile::tempdir().unwrap();
            let path = few_entries(copy.path()).await;
            std::fs::write(&path, &whole[..cut]).unwrap();
            match prefix_length(copy.path()).await {
                Ok(length) => assert_eq!(length, ENTRIES, "the marker says that all were durable"),
                Err(LogError::Damaged { at, .. }) => assert!(at.0 < ENTRIES),
                Err(LogError::Io { .. } | LogError::Format { .. }) => assert!(cut < 64),
                Err(other) => panic!("{other}"),
            }
        }
    });
}

/// Bits that flip in durable entries are damage, never a shorter log.
#[test]
fn a_bit_flipped_in_every_byte_is_found() {
    runtime().block_on(async {
        let model = tempfile::tempdir().unwrap();
        let segment = few_entries(model.path()).await;
        let whole = std::fs::read(&segment).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for at in 0..used {
            let copy = tempfile::tempdir().unwrap();
            let path = few_entries(copy.path()).await;
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, flipped).unwrap();
            match prefix_length(copy.path()).await {
                // The rest of the segment's header is not used.
                Ok(length) => {
                    assert_eq!(length, ENTRIES);
                    assert!((28..64).contains(&at), "byte {at} flipped unseen");
                }
                Err(LogError::Damaged { at: offset, .. }) => assert!(offset.0 < ENTRIES),
                Err(LogError::Format { .. }) => assert!(at < 64),
                Err(other) => panic!("{other}"),
            }
        }
    });
}

#[tokio::test]
async fn damage_in_the_middle_is_passed_over_only_on_the_operators_word() {
    let directory = tempfile::tempdir().unwrap();
    let segment = few_entries(directory.path()).await;
    let mut bytes = std::fs::read(&segment).unwrap();
    // Inside the payload of the second entry.
    let at = 64 + 52 + numbered(0).payload.len() + 52 + 3;
    bytes[at] ^= 0x20;
    std::fs::write(&segment, bytes).unwrap();
    let stopped = EmbeddedLog::open(directory.path(), small()).unwrap_err();
    assert!(
        matches!(stopped, LogError::Damaged { at: Offset(1), .. }),
        "{stopped}"
    );

    let skip = EmbeddedConfig {
        on_damage: OnDamage::Skip,
        ..small()
    };
    let log = EmbeddedLog::open(directory.path(), skip).unwrap();
    assert_eq!(log.skipped(), 1);
    assert_eq!(log.bounds(P0).await.unwrap().end, Offset(ENTRIES));
    assert_eq!(
        log.append(P0, vec![numbered(ENTRIES)]).await.unwrap().first,
        Offset(ENTRIES)
    );
}

#[tokio::test]
async fn a_sealed_segment_that_was_damaged_is_reported_when_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    log.append(P0, (0..200).map(numbered).collect())
        .await
        .unwrap();
    drop(log);
    let first = directory.path().join("p0/00000000000000000000.log");
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let log = open(directory.path());
    let mut next = Offset(0);
    let error = loop {
        match log.read(P0, next, 1000).await {
            Ok(batch) => next = batch.next,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
    assert!(next < Offset(5));
}

#[tokio::test]
async fn segments_that_changed_places_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    log.append(P0, (0..200).map(numbered).collect())
        .await
        .unwrap();
    drop(log);
    let folder = directory.path().join("p0");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .collect();
    files.sort();
    let scratch = folder.join("swap");
    std::fs::rename(&files[0], &scratch).unwrap();
    std::fs::rename(&files[1], &files[0]).unwrap();
    std::fs::rename(&scratch, &files[1]).unwrap();
    let error = EmbeddedLog::open(directory.path(), small()).unwrap_err();
    assert!(matches!(error, LogError::Format { .. }), "{error}");
}

#[tokio::test]
async fn another_version_is_refused_by_its_number() {
    let directory = tempfile::tempdir().unwrap();
    let segment = few_entries(directory.path()).await;
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[8] = 9;
    std::fs::write(&segment, bytes).unwrap();
    let error = EmbeddedLog::open(directory.path(), small()).unwrap_err();
    assert!(error.to_string().contains("version is 9"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any sizes, any grouping into appends, any starts in between.
    #[test]
    fn any_history_of_appends_reads_back_as_it_was(
        history in proptest::collection::vec((proptest::collection::vec(0..1500_usize, 1..12), any::<bool>()), 1..12)
    ) {
        runtime().block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut log = open(directory.path());
            let mut sent = Vec::new();
            for (sizes, reopen) in history {
                let entries: Vec<_> = sizes
                    .into_iter()
                    .enumerate()
                    .map(|(number, size)| {
                        let mut entry = numbered((sent.len() + number) as u64);
                        entry.payload = vec![number as u8; size].into();
                        entry
                    })
                    .collect();
                log.append(P0, entries.clone()).await.unwrap();
                sent.extend(entries);
                if reopen {
                    drop(log);
                    log = open(directory.path());
                }
            }
            let read = read_all(&log, P0, Offset(0)).await;
            prop_assert_eq!(read.len(), sent.len());
            for (read, sent) in read.iter().zip(&sent) {
                prop_assert_eq!(&read.payload, &sent.payload);
            }
            Ok(())
        })?;
    }
}
