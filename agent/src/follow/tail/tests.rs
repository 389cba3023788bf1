//! A file that grows, is cut, is copied and is packed, and what its tail makes of it.

use std::io::Write;

use super::*;

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("it can be written");
}

fn append(path: &Path, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(bytes))
        .expect("it can be appended to");
}

fn rest(tail: &mut Tail) -> (Vec<u8>, Piece) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 7];
    loop {
        match tail.read(&mut buffer).expect("it can be read") {
            Piece::Bytes(count) => bytes.extend_from_slice(&buffer[..count]),
            end => return (bytes, end),
        }
    }
}

fn mark(tail: &Tail) -> FileMark {
    let mut mark = FileMark::default();
    tail.write_to(&mut mark);
    mark
}

#[test]
fn what_is_appended_is_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    write(&path, b"one\n");
    let mut tail = Tail::open(&path).expect("it opens");
    assert_eq!(rest(&mut tail), (b"one\n".to_vec(), Piece::End));
    append(&path, b"two\n");
    assert_eq!(rest(&mut tail), (b"two\n".to_vec(), Piece::End));
    assert_eq!(rest(&mut tail), (Vec::new(), Piece::End));
    assert_eq!(tail.position(), 8);
}

#[test]
fn a_file_that_was_cut_is_noticed_also_when_it_is_longer_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    for after in [
        &b""[..],
        b"x",
        b"six\n",
        b"something much longer than before\n",
    ] {
        write(&path, b"one\ntwo\n");
        let mut tail = Tail::open(&path).expect("it opens");
        let _ = rest(&mut tail);
        write(&path, after);
        assert_eq!(rest(&mut tail), (Vec::new(), Piece::Replaced), "{after:?}");
    }
}

#[test]
fn a_copy_and_a_packed_copy_are_the_same_file_and_others_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = b"a line of a log\n".repeat(300);
    write(&path("log"), &text[..1600]);
    let mut tail = Tail::open(&path("log")).expect("it opens");
    let _ = rest(&mut tail);
    let mark = mark(&tail);
    let mut other = text.clone();
    other[1590] = b'X';
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&text).expect("memory");
    for (name, bytes, is_same) in [
        ("grown", text.clone(), true),
        ("packed", packed.finish().expect("memory"), true),
        ("shorter", text[..1000].to_vec(), false),
        ("other", other, false),
        ("empty", Vec::new(), false),
    ] {
        write(&path(name), &bytes);
        let mut found = Tail::open(&path(name)).expect("it opens");
        assert_eq!(found.is(&mark).expect("it can be read"), is_same, "{name}");
        if is_same {
            found.skip_to(&mark).expect("it can be read");
            assert_eq!(rest(&mut found), (text[1600..].to_vec(), Piece::End));
        }
    }
}

#[test]
fn a_folder_and_a_pipe_are_no_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let kind = |path: &Path| Tail::open(path).expect_err("it is no file").kind();
    assert_eq!(kind(folder.path()), io::ErrorKind::IsADirectory);
    assert_eq!(kind(Path::new("/dev/null")), io::ErrorKind::InvalidInput);
    assert_eq!(kind(&folder.path().join("absent")), io::ErrorKind::NotFound);
}
