//! Lines as distributions write them, and the traps among them.

use proptest::prelude::*;

use super::super::super::recorded::{Recorded, read_text};
use super::*;
use crate::source::Verdict;

fn read_lines(text: &str) -> Recorded {
    read_text(&crate::sources::syslog::FORMAT, text)
}

const RUN: &str = "Nov 23 05:29:20 web1 sudo:     anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND=/usr/bin/apt install x";

#[test]
fn a_run_as_root_is_an_elevation_with_its_fields() {
    let recorded = read_lines(RUN);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    let elevation = recorded.elevation(0);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(file.path, "/usr/bin/apt");
    assert_eq!(file.file_name, "apt");
    assert_eq!(file.arguments, "install x");
    assert_eq!(
        elevation.user.as_ref().expect("a user").user_name_raw,
        "anna"
    );
    assert_eq!(
        elevation.device.as_ref().expect("a device").device_name,
        "web1"
    );
    assert_eq!(elevation.run_as(), v1::RunAs::Root);
    assert_eq!(elevation.trigger(), v1::Trigger::Sudo);
    let observation = recorded.readings[0].observation.as_ref().expect("stored");
    assert_eq!(observation.observed_at_us, 1_795_411_760_000_000);
}

#[test]
fn an_iso_stamp_and_a_process_id_are_read() {
    let recorded = read_lines(
        "2026-11-23T06:29:20.5+01:00 web1 sudo[77]: anna : PWD=/ ; USER=root ; COMMAND=/bin/ls\n",
    );
    let observation = recorded.readings[0].observation.as_ref().expect("stored");
    assert_eq!(observation.observed_at_us, 1_795_411_760_500_000);
}

#[test]
fn another_account_is_counted_and_not_stored() {
    let recorded = read_lines(&RUN.replace("USER=root", "USER=nobody"));
    assert_eq!(recorded.verdicts(), [Verdict::NotElevated]);
    assert!(recorded.readings[0].observation.is_none());
}

#[test]
fn a_command_in_several_lines_is_one_run() {
    let text = "\
Nov 23 05:29:20 web1 sudo:     anna : PWD=/ ; USER=root ; COMMAND=/bin/echo one
Nov 23 05:29:20 web1 sshd[3]: Accepted publickey
Nov 23 05:29:20 web1 sudo:      bob : PWD=/ ; USER=root ; COMMAND=/bin/ls
Nov 23 05:29:20 web1 sudo:     anna : (command continued) two aaaa
Nov 23 05:29:20 web1 sudo:     anna : (command continued) bbbb
Nov 23 05:29:20 web1 sudo:     anna : (command continued) cccc
";
    let recorded = read_lines(text);
    assert_eq!(recorded.skipped, ["other_program"]);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated, Verdict::Elevated]);
    let file = recorded.elevation(0).file.as_ref().expect("a file");
    assert_eq!(file.arguments, "one two aaaa bbbbcccc");
    let lone = "Nov 23 05:29:20 web1 sudo: anna : (command continued) two\n";
    assert_eq!(read_lines(lone).unreadable.len(), 1);
}

#[test]
fn an_exit_names_its_start_and_is_no_second_run() {
    let text = format!(
        "{RUN}\n{RUN}\n{0} ; EXIT=1\n{0} ; SIGNAL=KILL ; EXIT=137\n",
        RUN
    )
    .replacen("05:29:20", "05:29:10", 1);
    let recorded = read_lines(&text);
    let keys = recorded.keys();
    assert_eq!(
        recorded.verdicts(),
        [
            Verdict::Elevated,
            Verdict::Elevated,
            Verdict::Exit,
            Verdict::Exit
        ]
    );
    let first = recorded.exit(2);
    assert_eq!(first.start_key, keys[0]);
    assert_eq!(first.result_code, Some(1));
    assert_eq!(first.duration_ms, Some(10_000));
    let second = recorded.exit(3);
    assert_eq!(second.start_key, keys[1]);
    assert_eq!(second.signal, "KILL");
    assert_eq!(second.result_code, Some(137));
}

#[test]
fn an_exit_of_a_run_as_somebody_else_is_not_stored() {
    let run = RUN.replace("USER=root", "USER=nobody");
    let recorded = read_lines(&format!("{run}\n{run} ; EXIT=0\n"));
    assert_eq!(recorded.verdicts(), [Verdict::NotElevated, Verdict::Exit]);
    assert!(recorded.keys().is_empty());
}

#[test]
fn an_exit_without_its_start_in_the_file_names_the_start_of_its_second() {
    let whole = read_lines(&format!("{RUN}\n{RUN} ; EXIT=0\n"));
    let rotated = read_lines(&format!("{RUN} ; EXIT=0\n"));
    assert_eq!(rotated.verdicts(), [Verdict::Exit]);
    assert_eq!(rotated.exit(0).start_key, whole.keys()[0]);
}

#[test]
fn keys_do_not_depend_on_what_stands_around_a_line() {
    let alone = read_lines(RUN);
    let grown = read_lines(&format!(
        "Nov 23 05:00:00 web1 CRON[1]: x\n{RUN}\nNov 23 05:29:21 web1 sudo: bob : command not allowed ; PWD=/ ; USER=root ; COMMAND=/bin/su\n"
    ));
    assert_eq!(grown.verdicts(), [Verdict::Elevated, Verdict::Denied]);
    assert_eq!(alone.keys()[0], grown.keys()[0]);
    assert_eq!(grown.elevation(1).reason, "command not allowed");
    let twice = read_lines(&format!("{RUN}\n{RUN}\n"));
    assert_eq!(twice.keys()[0], alone.keys()[0]);
    assert_ne!(twice.keys()[1], alone.keys()[0]);
    let elsewhere = read_lines(&RUN.replace("web1", "web2"));
    assert_ne!(elsewhere.keys()[0], alone.keys()[0]);
}

#[test]
fn escapes_of_rsyslog_are_decoded() {
    let recorded = read_lines(&format!("{RUN}#012y#011z\n"));
    let file = recorded.elevation(0).file.as_ref().expect("a file");
    assert_eq!(file.arguments, "install x\ny\tz");
}

#[test]
fn a_message_that_rsyslog_counted_stands_for_as_many() {
    let message = RUN.split_once("sudo: ").expect("a tag").1;
    let recorded = read_lines(&format!(
        "Nov 23 05:29:25 web1 sudo: message repeated 2 times: [ {message}]\n"
    ));
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    assert_eq!(recorded.elevation(0).repeat_count, 2);
}

#[test]
fn sessions_other_programs_and_damage_are_told_apart() {
    let text = "\
Nov 23 05:29:20 web1 sudo: pam_unix(sudo:session): session opened for user root(uid=0) by anna(uid=1000)
Nov 23 05:29:20 web1 sshd[3]: sudo: anna : USER=root ; COMMAND=/bin/ls
Nov 23 05:29:20 web1 last message repeated 3 times
\u{0}\u{0}\u{0}
Nov 23 05:29:20 web1 sudo: anna : TTY=pts/0 ; PW
Feb 30 05:29:20 web1 sudo: anna : USER=root ; COMMAND=/bin/ls
";
    let recorded = read_lines(text);
    assert_eq!(
        recorded.skipped,
        ["session", "other_program", "other_program"]
    );
    assert_eq!(recorded.unreadable.len(), 3);
    assert!(recorded.readings.is_empty());
}

#[test]
fn a_cut_at_any_byte_is_survived_and_never_invents_an_elevation() {
    let text = format!("{RUN}\n{RUN} ; SIGNAL=KILL ; EXIT=137\n");
    for end in 0..text.len() {
        let recorded = read_lines(&text[..end]);
        assert!(recorded.readings.len() <= 2);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(
        text in "(Nov 23 05:29:20 |h sudo: |a : |USER=root ; |COMMAND=|\\(command continued\\) |message repeated 2 times: \\[| ; EXIT=1|\n|[ -~é]){0,40}"
    ) {
        read_lines(&text);
    }
}
