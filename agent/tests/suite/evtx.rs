//! Event log files: the reference logs count as an independent parser counted them, and damage is counted, not fatal.

use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use epm_agent::source::{Reading, Readings};
use epm_agent::sources::evtx::{self, FILE_MAGIC, ReadError};
use epm_proto::v1::SensorKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::counted::{Counted, Sensor};
use crate::fuzz::event_log;
use crate::reference;

const HEADER_BLOCK_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 65_536;

fn counted_bytes(bytes: &[u8]) -> Counted {
    let mut counted = Counted::default();
    evtx::read(Cursor::new(bytes), &mut counted).expect("bytes in memory are readable");
    counted
}

fn counted_file(path: PathBuf) -> Counted {
    let mut counted = Counted::default();
    evtx::read(File::open(path).expect("the log opens"), &mut counted)
        .expect("the log is readable");
    counted
}

fn from_truth(row: &Value, with_undecided: bool) -> Sensor {
    let count = |key: &str| row[key].as_u64().unwrap_or_default();
    Sensor {
        records: count("total"),
        elevations: count("elevated"),
        by_user: count("elevated_user"),
        by_service: count("elevated_service"),
        undecided: if with_undecided {
            count("undecided_1936_no_label")
        } else {
            0
        },
    }
}

#[test]
fn every_reference_log_counts_as_the_truth_does() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let rows = reference::truth(&folder, ".evtx");
    assert!(rows.len() >= 50, "the truth has rows of logs");
    for row in rows {
        let file = row["file"].as_str().expect("a row names its file");
        let counted = counted_file(folder.join(file));
        assert_eq!(
            counted.of(SensorKind::Security4688),
            from_truth(&row["4688"], true),
            "4688 of {file}"
        );
        assert_eq!(
            counted.of(SensorKind::Sysmon1),
            from_truth(&row["sysmon1"], false),
            "Sysmon of {file}"
        );
        assert_eq!(
            json!(counted.unreadable.len()),
            row["unreadable"],
            "{file}: {:?}",
            counted.unreadable
        );
        let pairs = row["same_process_in_both"]["elevated_pairs"]
            .as_u64()
            .unwrap_or_default();
        assert_eq!(counted.same_process(), pairs, "pairs of {file}");
        let all = counted.readings.len() as u64 + counted.skipped.values().sum::<u64>();
        assert_eq!(json!(all), row["records"], "records of {file}");
    }
}

/// One short reference log with process starts in it, and one whose header understates its chunks.
fn reference_logs() -> Option<(Vec<u8>, Vec<u8>)> {
    let folder = reference::folder()?;
    let short = reference::truth(&folder, ".evtx")
        .into_iter()
        .filter(|row| row["4688"]["total"].as_u64() >= Some(9))
        .min_by_key(|row| row["size"].as_u64())?;
    let dirty = "evtx/omerbenamram/samples/sysmon.evtx";
    let bytes = |file: &str| fs::read(folder.join(file)).expect("the log is readable");
    Some((bytes(short["file"].as_str()?), bytes(dirty)))
}

#[test]
fn a_log_cut_anywhere_reads_as_far_as_it_goes() {
    let Some((whole, dirty)) = reference_logs() else {
        return;
    };
    let all = counted_bytes(&whole).readings;
    let mut seen = 0;
    for length in (FILE_MAGIC.len()..whole.len()).step_by(509) {
        let cut = counted_bytes(&whole[..length]);
        assert!(
            cut.readings.len() >= seen,
            "a longer piece never reads less ({length} bytes)"
        );
        assert_eq!(
            cut.readings,
            all[..cut.readings.len()],
            "nothing is read wrongly ({length} bytes)"
        );
        if cut.readings.len() < all.len() && length > HEADER_BLOCK_BYTES {
            assert_eq!(
                cut.unreadable.len(),
                1,
                "a cut is counted once ({length} bytes)"
            );
        }
        seen = cut.readings.len();
    }
    let two_chunks = counted_bytes(&dirty[..HEADER_BLOCK_BYTES + 2 * CHUNK_BYTES]);
    assert!(two_chunks.unreadable.is_empty() && !two_chunks.readings.is_empty());
}

#[test]
fn damaged_bytes_never_stop_the_reader() {
    let Some((whole, _)) = reference_logs() else {
        return;
    };
    let used = HEADER_BLOCK_BYTES + 24 * 1024;
    for position in (0..used.min(whole.len())).step_by(61) {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] ^= flip;
            let mut counted = Counted::default();
            match evtx::read(Cursor::new(&damaged), &mut counted) {
                Ok(()) => {}
                Err(ReadError::NotEventLog) => assert!(position < FILE_MAGIC.len()),
                Err(error) => panic!("byte {position} gave {error}"),
            }
        }
    }
}

#[test]
fn an_event_that_lost_its_time_and_number_has_those_of_its_record() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let whole = event_log::plain();
    let mut damaged = whole.clone();
    for name in ["TimeCreated", "EventRecordID"] {
        let (name, other) = (utf16(name), utf16(&"x".repeat(name.len())));
        let places: Vec<usize> = damaged
            .windows(name.len())
            .enumerate()
            .filter(|(_, bytes)| *bytes == name)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), 2, "a name for each record");
        for at in places {
            damaged[at..at + other.len()].copy_from_slice(&other);
        }
    }
    let (whole, damaged) = (counted_bytes(&whole), counted_bytes(&damaged));
    assert!(damaged.unreadable.is_empty());
    assert_eq!(damaged.readings.len(), 2);
    for (reading, sound) in damaged.readings.iter().zip(&whole.readings) {
        let (reading, sound) = (reading.observation.as_ref(), sound.observation.as_ref());
        let (reading, sound) = (reading.expect("stored"), sound.expect("stored"));
        assert!(reading.source_key.is_some());
        // The record was written in the second in which the event happened.
        assert_eq!(
            reading.observed_at_us / 1_000_000,
            sound.observed_at_us / 1_000_000
        );
    }
}

#[test]
fn one_damaged_record_costs_only_itself() {
    let Some((whole, _)) = reference_logs() else {
        return;
    };
    let before = counted_bytes(&whole);
    let mut damaged = whole;
    // The magic of the second record: the first ends where its size says.
    let first = HEADER_BLOCK_BYTES + 512;
    let size = u32::from_le_bytes(
        damaged[first + 4..first + 8]
            .try_into()
            .expect("four bytes"),
    );
    damaged[first + size as usize] = 0;
    let after = counted_bytes(&damaged);
    assert_eq!(after.unreadable.len(), 1);
    let total =
        |counted: &Counted| counted.readings.len() as u64 + counted.skipped.values().sum::<u64>();
    assert_eq!(total(&after), total(&before) - 1);
}

#[test]
fn a_copy_of_a_log_gives_the_same_names() {
    let Some((whole, dirty)) = reference_logs() else {
        return;
    };
    for log in [whole, dirty] {
        let keys = |counted: Counted| -> Vec<_> {
            let seen = counted
                .readings
                .into_iter()
                .filter_map(|reading| reading.observation);
            seen.map(|observation| observation.source_key.expect("a log's event has a name"))
                .collect()
        };
        let (first, mut second) = (keys(counted_bytes(&log)), keys(counted_bytes(&log)));
        assert_eq!(first, second);
        second.sort_unstable();
        second.dedup();
        assert_eq!(second.len(), first.len(), "no two events share a name");
    }
}

#[test]
fn a_reader_that_is_asked_to_stop_stops() {
    let Some((whole, dirty)) = reference_logs() else {
        return;
    };
    for log in [whole, dirty] {
        let mut counted = Counted {
            stop_after: Some(2),
            ..Counted::default()
        };
        evtx::read(Cursor::new(&log), &mut counted).expect("the log is readable");
        assert_eq!(counted.readings.len(), 2);
    }
}

#[test]
fn a_file_that_is_no_log_is_refused() {
    for bytes in [&b""[..], b"ElfFil", b"{\"Event\": 1}", b"ElfChnk\0"] {
        let mut counted = Counted::default();
        let refused = evtx::read(Cursor::new(bytes), &mut counted);
        assert!(matches!(refused, Err(ReadError::NotEventLog)), "{bytes:?}");
        assert!(!evtx::looks_like(bytes));
    }
    assert!(evtx::looks_like(b"ElfFile\0\x01"));
}

#[test]
fn empty_space_is_no_damage_and_garbage_counts_once_a_chunk() {
    let mut bytes = FILE_MAGIC.to_vec();
    bytes.resize(HEADER_BLOCK_BYTES + CHUNK_BYTES, 0);
    assert!(counted_bytes(&bytes).unreadable.is_empty());
    bytes.resize(HEADER_BLOCK_BYTES + 3 * CHUNK_BYTES, 0xa5);
    assert_eq!(counted_bytes(&bytes).unreadable.len(), 2);
    bytes.push(1);
    assert_eq!(counted_bytes(&bytes).unreadable.len(), 3);
}

#[test]
fn a_huge_sparse_log_reads_only_its_data() {
    const HUGE_BYTES: u64 = 64 << 30;
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(FILE_MAGIC).expect("the header is written");
    // What lies far behind a hole is found, wherever in its chunk it begins.
    let far = HEADER_BLOCK_BYTES as u64 + 500_000 * CHUNK_BYTES as u64;
    file.seek(SeekFrom::Start(far + 40_000))
        .expect("the file is seekable");
    file.write_all(b"garbage").expect("the garbage is written");
    file.set_len(HUGE_BYTES).expect("the file grows");
    let mut counted = Counted::default();
    evtx::read(file, &mut counted).expect("the log is readable");
    assert_eq!(counted.unreadable.len(), 1);
    assert!(
        counted.unreadable[0].contains(&far.to_string()),
        "{:?}",
        counted.unreadable
    );
}

struct Nothing;

impl Readings for Nothing {
    fn reading(&mut self, _: Reading) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn unreadable(&mut self, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, _: &'static str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_chunks_never_stop_the_reader(body in prop::collection::vec(any::<u8>(), 0..8192)) {
        let mut bytes = FILE_MAGIC.to_vec();
        bytes.resize(HEADER_BLOCK_BYTES, 0);
        bytes.extend_from_slice(b"ElfChnk\0");
        bytes.extend_from_slice(&body);
        evtx::read(Cursor::new(&bytes), &mut Nothing).expect("bytes in memory are readable");
    }

    #[test]
    fn random_records_in_a_sound_chunk_never_stop_the_reader(
        body in prop::collection::vec(any::<u8>(), 64..4096),
    ) {
        let mut chunk = b"ElfChnk\0".to_vec();
        chunk.resize(512, 0);
        for (at, value) in [(16, 1_u64), (32, 1)] {
            chunk[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let size = body.len() as u32 + 28;
        for (at, value) in [(40, 128), (44, 512), (48, 512 + size)] {
            chunk[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        chunk.extend_from_slice(&[0x2a, 0x2a, 0, 0]);
        chunk.extend_from_slice(&size.to_le_bytes());
        chunk.extend_from_slice(&1_u64.to_le_bytes());
        chunk.extend_from_slice(&132_000_000_000_000_000_u64.to_le_bytes());
        // A fragment header, so that some of what follows is taken for BinXML tokens.
        chunk.extend_from_slice(&[0x0f, 1, 1, 0]);
        chunk.extend_from_slice(&body[4..]);
        chunk.extend_from_slice(&size.to_le_bytes());
        let mut bytes = FILE_MAGIC.to_vec();
        bytes.resize(HEADER_BLOCK_BYTES, 0);
        bytes.extend_from_slice(&chunk);
        evtx::read(Cursor::new(&bytes), &mut Nothing).expect("bytes in memory are readable");
    }
}
