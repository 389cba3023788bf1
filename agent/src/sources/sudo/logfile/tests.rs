//! Plain and wrapped records.

use super::super::super::recorded::{Recorded, time};
use super::*;
use crate::source::Verdict;
use crate::sources::format::LogReader;

fn read_text(text: &str) -> Recorded {
    let mut recorded = Recorded::default();
    let mut lines = Lines::new(Log::new());
    let _ = lines.bytes(text.as_bytes(), &time(), &mut recorded);
    let _ = lines.finish(&time(), &mut recorded);
    recorded
}

#[test]
fn a_wrapped_record_reads_like_a_plain_one() {
    let wrapped = "\
Nov 23 05:29:20 : anna : HOST=web1 ; PWD=/srv/build ; USER=root ;
    ENV=FOO=bar ; COMMAND=/usr/bin/printf 'tab\\\\tnew
    line'
";
    let recorded = read_text(wrapped);
    assert_eq!(recorded.verdicts(), [Verdict::Elevated]);
    let elevation = recorded.elevation(0);
    let file = elevation.file.as_ref().expect("a file");
    assert_eq!(file.arguments, r"'tab\\tnew line'");
    assert_eq!(
        elevation.device.as_ref().expect("a device").device_name,
        "web1"
    );
    let plain = "Nov 23 05:29:20 : anna : HOST=web1 ; PWD=/srv/build ; USER=root ; ENV=FOO=bar ; COMMAND=/usr/bin/printf 'tab\\\\tnew line'\n";
    assert_eq!(read_text(plain).keys(), recorded.keys());
}

#[test]
fn a_year_in_the_stamp_is_taken_as_written() {
    let recorded = read_text("Nov 23 05:29:20 2019 : anna : PWD=/ ; USER=root ; COMMAND=/bin/ls\n");
    let observation = recorded.readings[0].observation.as_ref().expect("stored");
    assert_eq!(observation.observed_at_us, 1_574_486_960_000_000);
}

#[test]
fn exits_join_their_starts() {
    let run = "Nov 23 05:29:20 2026 : anna : PWD=/ ; USER=root ; COMMAND=/bin/sh -c 'exit 3'";
    let recorded = read_text(&format!("{run}\n{run} ; EXIT=3\n"));
    assert_eq!(recorded.verdicts(), [Verdict::Elevated, Verdict::Exit]);
    assert_eq!(recorded.exit(1).start_key, recorded.keys()[0]);
    assert_eq!(recorded.exit(1).result_code, Some(3));
}

#[test]
fn lines_that_belong_to_no_record_are_unreadable() {
    let recorded = read_text("    COMMAND=/bin/ls\nnoise\n\nNov 23 05:29:20 : a : USER=root ;\n");
    assert_eq!(recorded.unreadable.len(), 3);
}

#[test]
fn a_cut_at_any_byte_is_survived() {
    let text = "Nov 23 05:29:20 : anna : PWD=/ ; USER=root ;\n    COMMAND=/bin/ls ; EXIT=1\n";
    for end in 0..text.len() {
        read_text(&text[..end]);
    }
}
