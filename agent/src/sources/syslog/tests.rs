//! Every form in which logging programs write a line.

use proptest::prelude::*;

use super::super::recorded::{Recorded, read_text};
use super::*;
use crate::source::Verdict;

fn read_lines(text: &str) -> Recorded {
    read_text(&FORMAT, text)
}

const MESSAGE: &str =
    "anna : TTY=pts/0 ; PWD=/home/anna ; USER=root ; COMMAND=/usr/bin/apt install x";

#[test]
fn one_message_is_read_from_every_form_of_a_line() {
    for head in [
        "Nov 23 05:29:20 web1 sudo:     ",
        "<86>Nov 23 05:29:20 web1 sudo[77]: ",
        "2026-11-23T05:29:20+00:00 web1 sudo: ",
        "2026-11-23T05:29:20+0000 web1 sudo[77]: ",
        "2026-11-23T05:29:20.000000Z web1 /usr/bin/sudo: ",
        "<86>1 2026-11-23T05:29:20Z web1 sudo 77 - - ",
        "<86>1 2026-11-23T05:29:20.000000+00:00 web1 sudo - - -  ",
        "<86>1 2026-11-23T05:29:20Z web1 sudo - ID47 [a@1 k=\"]\\\"]\"][b x=\"y\"] \u{feff}",
        // busybox syslogd.
        "Nov 23 05:29:20 web1 authpriv.notice sudo: ",
        "Nov 23 05:29:20 web1 sudo-rs[7]: ",
    ] {
        let recorded = read_lines(&format!("{head}{MESSAGE}\n"));
        assert_eq!(recorded.verdicts(), [Verdict::Elevated], "{head}");
        let elevation = recorded.elevation(0);
        assert_eq!(
            elevation.device.as_ref().expect("a device").device_name,
            "web1",
            "{head}"
        );
        assert_eq!(
            elevation.user.as_ref().expect("a user").user_name_raw,
            "anna",
            "{head}"
        );
        let observation = recorded.readings[0].observation.as_ref().expect("stored");
        assert_eq!(observation.observed_at_us, 1_795_411_760_000_000, "{head}");
    }
}

#[test]
fn the_key_of_a_line_is_what_it_was_in_every_version() {
    let recorded = read_lines(&format!("Nov 23 05:29:20 WEB1 sudo: {MESSAGE}\n"));
    let key: String = recorded.keys()[0]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(key, "b84f66f525843225828199ebea958354");
}

#[test]
fn a_priority_in_front_changes_no_key() {
    let plain = read_lines(&format!("Nov 23 05:29:20 web1 sudo[7]: {MESSAGE}\n"));
    let sent = read_lines(&format!("<86>Nov 23 05:29:20 web1 sudo[7]: {MESSAGE}\n"));
    assert_eq!(plain.keys(), sent.keys());
    let iso = read_lines(&format!("2026-11-23T05:29:20Z web1 sudo[7]: {MESSAGE}\n"));
    let protocol = read_lines(&format!(
        "<86>1 2026-11-23T05:29:20Z web1 sudo 7 - - {MESSAGE}\n"
    ));
    assert_eq!(iso.keys(), protocol.keys());
}

#[test]
fn other_programs_headings_and_damage_are_told_apart() {
    let recorded = read_lines(
        "-- Journal begins at Mon 2026-11-23 05:00:00 UTC. --\n\
         Nov 23 05:29:20 web1 sshd[3]: sudo: anna : USER=root ; COMMAND=/bin/ls\n\
         <86>1 2026-11-23T05:29:20Z web1 cron 3 - - x\n\
         Nov 23 05:29:20 web1 authpriv.info crond[3]: x\n\
         <86>1 - web1 sudo - - - x\n\
         <86>1 2026-11-23T05:29:20Z web1 sudo - - [a k=\"never closed] x\n\
         <86> x\n",
    );
    assert_eq!(
        recorded.skipped,
        ["heading", "other_program", "other_program", "other_program"]
    );
    assert_eq!(recorded.unreadable.len(), 3);
    assert!(recorded.readings.is_empty());
}

#[test]
fn a_tag_names_its_program_with_and_without_a_path() {
    for tag in [
        "sudo",
        "sudo[1]",
        "/usr/bin/sudo[1]",
        "sudo(pam_unix)[1]",
        "sudo.ws",
    ] {
        assert_eq!(Program::of(tag.as_bytes()), Some(Program::Sudo), "{tag}");
    }
    for tag in ["", "[1]", "sudox", "xsudo", "/", "sudo/x"] {
        assert_eq!(Program::of(tag.as_bytes()), None, "{tag}");
    }
}

proptest! {
    #[test]
    fn any_line_is_taken_apart_without_a_panic(
        line in "(<86>|1 |2026-11-23T05:29:20Z |Nov 23 05:29:20 |web1 |sudo |sudo: |7 |- |\\[a k=\"|\\\\|\"|\\]|\u{feff}|[ -~é]){0,20}"
    ) {
        read_lines(&line);
        split(line.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        split(&bytes);
    }
}
