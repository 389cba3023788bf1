//! Zips of another writer are read whole; what is not one file, or not what its checksum says, is refused.

use std::io::{BufReader, Cursor, Read, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::*;

fn zip_of(files: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let written = DateTime::from_date_and_time(2026, 11, 23, 5, 29, 20).expect("a time");
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(written);
    for (name, bytes) in files {
        writer.start_file(*name, options).expect("a file begins");
        writer.write_all(bytes).expect("the file is written");
    }
    writer.finish().expect("the zip is whole").into_inner()
}

/// As a program writes that cannot go back: the sizes and the checksum follow.
fn streamed(bytes: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.start_file("a.csv", options).expect("a file begins");
    writer.write_all(bytes).expect("the file is written");
    writer.finish().expect("the zip is whole").into_inner()
}

fn unpacked(zip: &[u8]) -> io::Result<Vec<u8>> {
    // A small buffer, so that what is read ahead has to be given back.
    let mut zipped = Zipped::open(BufReader::with_capacity(7, zip))?;
    let mut bytes = Vec::new();
    zipped.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refusal(zip: &[u8]) -> Option<ZipError> {
    let error = unpacked(zip).expect_err("the zip is refused");
    error.get_ref()?.downcast_ref().copied()
}

#[test]
fn what_another_writer_packs_is_unpacked() {
    let text = b"Id,Upn\r\n1,anna@contoso.example\r\n".repeat(1000);
    for method in [CompressionMethod::Deflated, CompressionMethod::Stored] {
        let zip = zip_of(&[("report.csv", &text)], method);
        assert_eq!(unpacked(&zip).expect("it is whole"), text, "{method}");
        assert_eq!(first_name(&zip), Some(&b"report.csv"[..]));
    }
    assert_eq!(unpacked(&streamed(&text)).expect("it is whole"), text);
    assert_eq!(unpacked(&streamed(b"")).expect("it is whole"), b"");
}

#[test]
fn the_time_of_the_file_is_the_zips() {
    let zip = zip_of(&[("a.csv", b"x")], CompressionMethod::Stored);
    let zipped = Zipped::open(&zip[..]).expect("a zip");
    assert_eq!(zipped.written_us(), Some(1_795_411_760_000_000));
}

#[test]
fn several_files_an_encrypted_one_and_another_method_are_refused() {
    let two = zip_of(
        &[("a.csv", b"a"), ("b.csv", b"b")],
        CompressionMethod::Stored,
    );
    assert_eq!(refusal(&two), Some(ZipError::SeveralFiles));
    let mut other = zip_of(&[("a.csv", b"a")], CompressionMethod::Stored);
    other[8] = 12;
    assert_eq!(refusal(&other), Some(ZipError::Method));
    other[6] |= 1;
    assert_eq!(refusal(&other), Some(ZipError::Encrypted));
}

#[test]
fn damage_anywhere_is_no_file() {
    let text = b"Id,Upn\r\n1,anna@contoso.example\r\n".repeat(20);
    let zip = zip_of(&[("a.csv", &text)], CompressionMethod::Deflated);
    let directory = zip.windows(4).position(|bytes| bytes == DIRECTORY);
    let directory = directory.expect("a directory");
    for end in 0..directory + 4 {
        assert!(unpacked(&zip[..end]).is_err(), "cut at {end}");
    }
    // From the packed bytes on: a header may change in what nobody reads.
    for at in HEADER_BYTES + 5..directory {
        let mut damaged = zip.clone();
        damaged[at] ^= 0x55;
        let read = unpacked(&damaged);
        assert!(read.map_or(true, |read| read == text), "byte {at}");
    }
}

#[test]
fn a_bomb_ends_early() {
    let bomb = zip_of(
        &[("a.csv", &vec![b'x'; 64 << 20])],
        CompressionMethod::Deflated,
    );
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let mut zipped = Zipped::open(&bomb[..]).expect("a zip");
    let read = io::copy(&mut zipped, &mut io::sink());
    assert!(read.is_err());
    assert!(zipped.unpacked < 40 << 20, "{}", zipped.unpacked);
    assert_eq!(refusal(&bomb), Some(ZipError::Bomb));
}
