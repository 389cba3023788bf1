//! Event logs whole and cut, and what joins their records.

use super::super::super::recorded::Recorded;
use super::*;
use crate::source::Verdict;

const LOG: &str = r#"{
    "accept": {
        "uuid": "u-1",
        "submit_time": { "seconds": 1795411760, "nanoseconds": 406357211 },
        "submituser": "anna", "submithost": "vm", "submitcwd": "/srv",
        "command": "/usr/bin/sh", "runuser": "root", "runuid": 0, "ttyname": "/dev/pts/1",
        "runargv": ["sh", "-c", "echo a; true", "it's", ""],
        "runenv": ["SUDO_UID=4101"]
    },
    "exit": {
        "uuid": "u-1",
        "exit_time": { "seconds": 1795411761, "nanoseconds": 0 },
        "run_time": { "seconds": 0, "nanoseconds": 593000000 },
        "signal": "KILL", "exit_value": 137
    },
    "accept": {
        "uuid": "u-2",
        "submit_time": { "seconds": 1795411762, "nanoseconds": 1 },
        "submituser": "anna", "command": "/usr/bin/id", "runuser": "nobody", "runuid": 65534
    },
    "exit": { "uuid": "u-2", "exit_time": { "seconds": 1795411763 }, "exit_value": 0 },
    "reject": {
        "uuid": "u-3",
        "submit_time": { "seconds": 1795411764, "nanoseconds": 1 },
        "submituser": "anna", "command": "/usr/bin/passwd", "runuser": "root",
        "reason": "command not allowed"
    },
    "alert": { "reason": "x" }
}
"#;

fn read_text(text: &[u8]) -> Recorded {
    let mut recorded = Recorded::default();
    read(text, &mut recorded).expect("memory reads");
    recorded
}

#[test]
fn every_record_of_the_one_object_is_read() {
    let recorded = read_text(LOG.as_bytes());
    assert_eq!(
        recorded.verdicts(),
        [
            Verdict::Elevated,
            Verdict::Exit,
            Verdict::NotElevated,
            Verdict::Exit,
            Verdict::Denied
        ]
    );
    assert_eq!(recorded.skipped, ["alert"]);
    assert!(recorded.unreadable.is_empty());
    let elevation = recorded.elevation(0);
    assert_eq!(
        elevation.file.as_ref().expect("a file").arguments,
        r"-c 'echo a; true' 'it'\''s' ''"
    );
    assert_eq!(elevation.user.as_ref().expect("a user").user_id, "4101");
    assert_eq!(
        elevation.process.as_ref().expect("a process").terminal,
        "pts/1"
    );
    assert_eq!(recorded.elevation(4).reason, "command not allowed");
    assert!(recorded.readings[3].observation.is_none());
}

#[test]
fn an_exit_joins_by_uuid_with_or_without_its_start() {
    let recorded = read_text(LOG.as_bytes());
    let exit = recorded.exit(1);
    assert_eq!(exit.start_key, recorded.keys()[0]);
    assert_eq!(exit.start_observed_at_us, 1_795_411_760_406_357);
    assert_eq!(exit.duration_ms, Some(593));
    assert_eq!(
        (exit.result_code, exit.signal.as_str()),
        (Some(137), "KILL")
    );
    let at = LOG.find("\"exit\"").expect("an exit");
    let rotated = read_text(format!("{{{}", &LOG[at..]).as_bytes());
    assert_eq!(rotated.exit(0).start_key, recorded.keys()[0]);
    assert_eq!(rotated.exit(0).start_observed_at_us, 1_795_411_760_407_000);
}

#[test]
fn an_object_a_line_gives_the_same_keys() {
    let mut lines = String::new();
    let mut members = Members::new(LOG.as_bytes());
    while let Some(Member::Value { key, value }) = members.next().expect("memory reads") {
        let value = String::from_utf8_lossy(value).replace('\n', " ");
        lines += &format!("{{\"{}\": {value}}}\n", String::from_utf8_lossy(key));
    }
    assert_eq!(
        read_text(lines.as_bytes()).keys(),
        read_text(LOG.as_bytes()).keys()
    );
}

#[test]
fn a_cut_at_any_byte_keeps_every_whole_record() {
    let whole = read_text(LOG.as_bytes());
    for end in 0..LOG.len() {
        let cut = read_text(&LOG.as_bytes()[..end]);
        let count = cut.readings.len();
        assert_eq!(cut.readings, whole.readings[..count], "cut at {end}");
    }
    let end = LOG.find("\"u-2\"").expect("the second run");
    assert_eq!(read_text(&LOG.as_bytes()[..end]).readings.len(), 2);
}

#[test]
fn records_that_lack_what_makes_them_are_unreadable() {
    let text = br#"{"accept": {}, "accept": {"submituser": "a"}, "exit": {}, "accept": 3, "accept": {"submituser": 1}}"#;
    let recorded = read_text(text);
    assert!(recorded.readings.is_empty());
    assert_eq!(recorded.unreadable.len(), 5);
}

#[test]
fn names_in_another_encoding_are_read() {
    let text = b"{\"accept\": {\"submituser\": \"\xe5sa\", \"command\": \"/bin/ls\", \"runuid\": 0, \"timestamp\": {\"seconds\": 1}}}";
    assert_eq!(read_text(text).verdicts(), [Verdict::Elevated]);
}
