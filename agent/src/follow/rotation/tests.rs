//! Which files beside a log belong to it, in which order, and which one is next.

use std::time::{Duration, SystemTime};

use super::*;
use crate::follow::tail::Piece;

fn write(folder: &tempfile::TempDir, name: &str, content: &str, age_s: u64) {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("it can be written");
    let file = std::fs::File::options().append(true).open(&path);
    let changed = SystemTime::now() - Duration::from_secs(age_s);
    file.and_then(|file| file.set_modified(changed))
        .expect("its time can be set");
}

fn contents(folder: &tempfile::TempDir) -> Vec<String> {
    let files = files(&folder.path().join("log")).expect("they can be listed");
    let text = |file: &Rotated| {
        let bytes = file.tail.beginning(100).expect("it can be read");
        String::from_utf8(bytes).expect("text")
    };
    files.iter().map(text).collect()
}

fn mark_of(path: &Path) -> FileMark {
    let mut tail = Tail::open(path).expect("it opens");
    let mut buffer = [0; 100];
    while tail.read(&mut buffer).expect("it can be read") != Piece::End {}
    let mut mark = FileMark::default();
    tail.write_to(&mut mark);
    mark
}

#[test]
fn numbered_files_come_by_number_and_the_log_itself_last() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, age) in [("log", 9), ("log.1", 1), ("log.2", 7), ("log.10", 3)] {
        write(&folder, name, name, age);
    }
    assert_eq!(contents(&folder), ["log.10", "log.2", "log.1", "log"]);
}

#[test]
fn dated_files_come_by_the_time_of_their_change() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, age) in [
        ("log", 1),
        ("log-20261123", 30),
        ("log-20261122", 60),
        ("log.2026-11-24", 10),
    ] {
        write(&folder, name, name, age);
    }
    assert_eq!(
        contents(&folder),
        ["log-20261122", "log-20261123", "log.2026-11-24", "log"]
    );
}

#[test]
fn other_files_are_not_taken_for_rotated_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [
        "log",
        "log.bak",
        "log.1.swp",
        "logger",
        "log.",
        "log-x",
        "xlog.1",
        "log1",
    ] {
        write(&folder, name, name, 1);
    }
    std::fs::create_dir(folder.path().join("log.3")).expect("a folder");
    assert_eq!(contents(&folder), ["log"]);
}

#[test]
fn a_file_that_is_being_packed_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "log.1", "whole", 1);
    write(&folder, "log.1.gz", "\u{1f}", 1);
    assert_eq!(contents(&folder), ["whole"]);
}

#[test]
fn the_next_file_is_the_one_that_became_newer_than_the_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    write(&folder, "log", "first", 9);
    let first = mark_of(&log);
    std::fs::rename(&log, folder.path().join("log.2")).expect("a rename");
    write(&folder, "log.1", "second", 5);
    write(&folder, "log", "third", 1);
    let next = |mark: &FileMark| {
        let files = files(&log).expect("they can be listed");
        let at = place_of(&files, mark, &[]).expect("they can be read");
        next_after(files, at, mark, &[]).expect("they can be read")
    };
    write(&folder, "log.0", "", 1);
    let second = next(&first).expect("there is one");
    assert!(second.is_certain);
    assert_eq!(second.tail.beginning(9).expect("it can be read"), b"second");
    let second = mark_of(&folder.path().join("log.1"));
    let third = next(&second).expect("there is one");
    assert_eq!(third.tail.beginning(9).expect("it can be read"), b"third");
    assert!(next(&mark_of(&log)).is_none());
}

#[test]
fn an_inode_that_was_given_out_again_is_not_taken_for_the_file_that_was_left() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "log.2", "a line\n", 9);
    let mut left = mark_of(&folder.path().join("log.2"));
    let packed = std::fs::File::create(folder.path().join("log.2.gz")).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"a line\n").expect("it is written");
    packed.finish().expect("it is written");
    std::fs::remove_file(folder.path().join("log.2")).expect("it is removed");
    // Another file that begins alike, with the inode of the first.
    write(&folder, "log.1", "a line\nand another\n", 1);
    let other = mark_of(&folder.path().join("log.1"));
    left.id = other.id;
    let files = files(&folder.path().join("log")).expect("they can be listed");
    let places = places_of(&files, std::slice::from_ref(&left)).expect("they can be read");
    assert_eq!(places, [Some(0)]);
    let place = place_of(&files, &other, &[left]).expect("they can be read");
    assert_eq!(place, Some(1));
}
