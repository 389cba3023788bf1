//! What journalctl prints of a journal that systemd-journal-remote wrote from messages of the real programs.

use proptest::prelude::*;

use super::super::recorded::{Recorded, read_text};
use super::super::syslog;
use super::*;
use crate::source::Verdict;
use epm_proto::v1;

const LINES: &str = include_str!("../../../tests/seeds/journal.json");
const PRETTY: &str = include_str!("../../../tests/seeds/journal-pretty.json");
const SEQUENCE: &str = include_str!("../../../tests/seeds/journal-seq.json");
// The lines that a syslog daemon wrote of the same messages.
const TEXT: &str = include_str!("../../../tests/seeds/tools.log");

fn read(text: &str) -> Recorded {
    read_text(&FORMAT, text)
}

#[test]
fn every_form_of_the_journal_gives_the_same_records() {
    let lines = read(LINES);
    assert_eq!(lines.unreadable, Vec::<String>::new());
    for other in [PRETTY, SEQUENCE] {
        let other = read(other);
        assert_eq!(other.readings, lines.readings);
        assert_eq!(other.skipped, lines.skipped);
        assert_eq!(other.unreadable, lines.unreadable);
    }
}

#[test]
fn a_message_in_the_journal_and_in_a_text_log_has_one_key() {
    let (journal, text) = (read(LINES), read_text(&syslog::FORMAT, TEXT));
    let keys = journal.keys();
    assert!(
        text.keys().len() >= 10,
        "the runs, refusals and exits of the text log"
    );
    for key in text.keys() {
        assert!(keys.contains(&key), "a line has another key in the journal");
    }
    // What only the journal holds: a command that is no UTF-8, and what the audit log saw.
    assert_eq!(keys.len(), text.keys().len() + 2);
}

#[test]
fn bytes_that_are_no_text_are_read() {
    let recorded = read(LINES);
    let is_echo = |at: &usize| {
        let reading = &recorded.readings[*at];
        reading.verdict == Verdict::Elevated
            && recorded
                .elevation(*at)
                .file
                .as_ref()
                .is_some_and(|file| file.path == "echo")
    };
    let at = (0..recorded.readings.len())
        .find(is_echo)
        .expect("echo ran");
    let file = recorded.elevation(at).file.clone().expect("a file");
    assert_eq!(file.arguments, "caf\u{fffd}");
}

#[test]
fn records_of_the_audit_log_are_joined() {
    let recorded = read(LINES);
    let of_kernel = |at: &usize| recorded.readings[*at].sensor == v1::SensorKind::AuditExecve;
    let at = (0..recorded.readings.len())
        .find(of_kernel)
        .expect("a start");
    let elevation = recorded.elevation(at);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(
        (file.path.as_str(), file.arguments.as_str()),
        ("/opt/raise", "'a b c'")
    );
    assert_eq!(
        elevation.device.as_ref().expect("a device").device_name,
        "web1"
    );
}

#[test]
fn a_field_may_stand_twice_or_be_too_long() {
    let entry = |message: &str| {
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1795509780003040\",\"SYSLOG_IDENTIFIER\":\"doas\",\"_HOSTNAME\":\"web1\",\"MESSAGE\":{message}}}\n"
        )
    };
    let run = "anna ran command id as root from /";
    assert_eq!(
        read(&entry(&format!("\"{run}\""))).verdicts(),
        [Verdict::Elevated]
    );
    let twice = read(&entry(&format!("[\"{run}\",\"another\"]")));
    assert_eq!(twice.verdicts(), [Verdict::Elevated]);
    let bytes = read(&entry(&format!("{:?}", run.as_bytes())));
    assert_eq!(bytes.verdicts(), [Verdict::Elevated]);
    assert_eq!(
        read(&entry("null")).unreadable.len() + read(&entry("null")).skipped.len(),
        1
    );
    assert_eq!(read(&entry("[1, 300]")).unreadable.len(), 1);
    assert_eq!(read(&entry("{}")).unreadable.len(), 1);
    let timeless = entry("\"x\"").replace("1795509780003040", "soon");
    assert_eq!(read(&timeless).unreadable.len(), 1);
}

#[test]
fn an_entry_of_journald_itself_is_keyed_by_its_moment() {
    let entry = "{\"__REALTIME_TIMESTAMP\":\"1795509780003040\",\"_COMM\":\"doas\",\"_PID\":\"7\",\"_HOSTNAME\":\"web1\",\"MESSAGE\":\"anna ran command id as root from /\"}\n";
    let recorded = read(entry);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    let process = recorded.elevation(0).process.clone().expect("a process");
    assert_eq!(process.pid, 7);
    let later = read(&entry.replace("3040", "3041"));
    assert_ne!(later.keys(), recorded.keys());
}

#[test]
fn times_at_both_ends_of_what_a_number_can_say_cost_no_other_entry() {
    let at = |time: i64, message: &str| {
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"{time}\",\"_COMM\":\"su\",\"MESSAGE\":\"{message}\"}}\n"
        )
    };
    let told = "(to root) anna on pts/0";
    let opened = "pam_unix(su:session): session opened for user root(uid=0) by anna(uid=1000)";
    for (first, second) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (2, i64::MIN)] {
        let recorded = read(&[at(first, told), at(second, opened), at(second, told)].concat());
        assert_eq!(recorded.verdicts(), [Verdict::Elevated; 2]);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(
        text in "(\\{|\\}|\"MESSAGE\":|\"__REALTIME_TIMESTAMP\":\"1\",|\"SYSLOG_IDENTIFIER\":\"su\"|\\[1,2\\]|null|,|\u{1e}|\n|[ -~é]){0,30}"
    ) {
        read(&text);
    }
}
