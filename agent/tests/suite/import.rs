//! Import reading: what a file is, what it holds, and what is refused.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use epm_agent::import::summary::{Counter, Summary};
use epm_agent::import::{self, ImportError, Options, Refusal};
use epm_agent::source::{Observation, ProcessKey, Reading, Readings, Verdict};
use epm_agent::sources::syslog;
use epm_proto::ids::SourceKey;
use epm_proto::v1::record::Body;
use epm_proto::v1::{AccountClass, Elevation, RecordClass, SensorKind};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::counted::Counted;
use crate::reference;

fn options() -> Options {
    Options {
        zone: Some(TimeZone::UTC),
        // 2026-11-24.
        reference_us: Some(1_795_478_400_000_000),
    }
}

fn summary(path: &Path) -> Result<Summary, ImportError> {
    let mut counter = Counter::new(path);
    import::read_file(path, &options(), &mut |_| {}, &mut counter)?;
    Ok(counter.finish())
}

fn file_with(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("the file is written");
    path
}

fn refusal(path: &Path) -> Refusal {
    match summary(path) {
        Err(ImportError::Refused { refusal, .. }) => refusal,
        other => panic!("a refusal, not {other:?}"),
    }
}

fn count(row: &Value, keys: &[&str]) -> u64 {
    let counts = &row["counts"];
    keys.iter()
        .map(|key| counts[*key].as_u64().unwrap_or_default())
        .sum()
}

#[test]
fn every_sudo_file_of_the_reference_counts_as_the_truth_does() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let mut files = 0;
    for row in reference::truth(&folder, "") {
        let records = ["sudo_command", "sudo_json_accept", "sudo_io_log"];
        if count(&row, &records) == 0 {
            continue;
        }
        let file = row["file"].as_str().expect("a row names its file");
        if file == "*TOTAL*" {
            continue;
        }
        let roots = [
            "sudo_as_root",
            "sudo_json_accept_as_root",
            "sudo_io_log_as_root",
        ];
        let summary = summary(&folder.join(file)).expect("the file is read");
        let sudo = serde_json::to_value(&summary).expect("a summary is JSON")["sudo"].clone();
        let truth = json!({
            "records": count(&row, &records),
            "elevations": count(&row, &roots),
            "denied": count(&row, &["sudo_denied", "sudo_json_reject"]),
        });
        assert_eq!(sudo, truth, "{file}");
        assert_eq!(summary.unreadable, 0, "{file}");
        files += 1;
    }
    assert_eq!(files, 9, "the truth counts nine sudo files");
}

#[test]
fn every_file_of_linux_in_the_reference_counts_as_the_truth_does() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let mut total = [0; 8];
    let mut files = 0;
    for row in reference::truth(&folder, "") {
        let file = row["file"].as_str().expect("a row names its file");
        if !file.starts_with("linux-auth/") || row["counts"].is_null() {
            continue;
        }
        let summary = summary(&folder.join(file)).expect("the file is read");
        let counted = counted_on_linux(&summary);
        assert_eq!(counted, true_counts(&row["counts"]), "{file}");
        assert_eq!(summary.unreadable, 0, "{file}");
        assert_eq!((summary.su, summary.doas), (None, None), "{file}");
        for (sum, count) in total.iter_mut().zip(counted) {
            *sum += count;
        }
        files += 1;
    }
    assert_eq!(files, 16, "the truth counts sixteen files");
    let rows = reference::truth(&folder, "*TOTAL*");
    let linux = &rows.first().expect("a row of totals")["linux"];
    let mut of_all = true_counts(linux);
    // The totals leave out the JSON event log, which has no lines.
    let json = reference::truth(&folder, "sudo-event-json.log");
    let json = true_counts(&json.first().expect("a row")["counts"]);
    for (sum, count) in of_all.iter_mut().zip(json) {
        *sum += count;
    }
    assert_eq!(total, of_all);
}

// sudo's commands, as root and refused; pkexec as root; starts that the audit log saw, elevated ones, and sudo's own
// records of it, refused ones.
fn counted_on_linux(summary: &Summary) -> [u64; 8] {
    let runs = |runs: &Option<epm_agent::import::summary::Runs>| runs.clone().unwrap_or_default();
    let (sudo, audit) = (runs(&summary.sudo), runs(&summary.audit));
    let commands = runs(&summary.audit_user_cmd);
    let pkexec = runs(&summary.pkexec);
    [
        sudo.records,
        sudo.elevations,
        sudo.denied,
        pkexec.elevations,
        audit.records,
        audit.elevations,
        commands.records + commands.denied,
        commands.denied,
    ]
}

fn true_counts(counts: &Value) -> [u64; 8] {
    let sum = |keys: &[&str]| -> u64 {
        keys.iter()
            .map(|key| counts[*key].as_u64().unwrap_or_default())
            .sum()
    };
    let commands = sum(&["audit_USER_CMD"]);
    [
        sum(&["sudo_command", "sudo_json_accept", "sudo_io_log"]),
        sum(&[
            "sudo_as_root",
            "sudo_json_accept_as_root",
            "sudo_io_log_as_root",
        ]),
        sum(&["sudo_denied", "sudo_json_reject"]),
        sum(&["pkexec_as_root"]),
        sum(&["audit_execve"]),
        sum(&["audit_execve_euid0_real_auid"]),
        commands,
        commands - sum(&["audit_user_cmd_success"]),
    ]
}

#[test]
fn every_event_log_of_the_reference_counts_as_the_truth_does() {
    let Some(folder) = reference::folder() else {
        return;
    };
    for row in reference::truth(&folder, ".evtx") {
        counts_as_the_truth(&folder, &row);
    }
}

#[test]
fn every_json_file_of_windows_events_counts_as_the_truth_does() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let mut files = 0;
    for row in reference::truth(&folder, ".json") {
        if ["4688", "sysmon1"]
            .iter()
            .all(|sensor| row[sensor].is_null())
        {
            continue;
        }
        let summary = counts_as_the_truth(&folder, &row);
        assert_eq!(Some(summary.unreadable), row["unreadable"].as_u64());
        let starts = [&summary.security_4688, &summary.sysmon_1];
        let starts: u64 = starts
            .into_iter()
            .flatten()
            .map(|starts| starts.records)
            .sum();
        let skipped: u64 = summary.skipped.values().sum();
        assert_eq!(
            Some(starts + skipped),
            row["records"].as_u64(),
            "{}",
            summary.file
        );
        files += 1;
    }
    assert_eq!(files, 85, "the truth counts 85 such files");
}

fn counts_as_the_truth(folder: &Path, row: &Value) -> Summary {
    let file = row["file"].as_str().expect("a row names its file");
    let summary = summary(&folder.join(file)).expect("the file is read");
    let truth = |sensor: &str, key: &str| row[sensor][key].as_u64().unwrap_or_default();
    let starts = summary.security_4688.clone().unwrap_or_default();
    assert_eq!(starts.records, truth("4688", "total"), "{file}");
    assert_eq!(starts.elevations, truth("4688", "elevated"), "{file}");
    assert_eq!(starts.by_user, truth("4688", "elevated_user"), "{file}");
    assert_eq!(
        starts.by_service,
        truth("4688", "elevated_service"),
        "{file}"
    );
    let undecided = truth("4688", "undecided_1936_no_label");
    assert_eq!(starts.undecided, undecided, "{file}");
    let starts = summary.sysmon_1.clone().unwrap_or_default();
    assert_eq!(starts.records, truth("sysmon1", "total"), "{file}");
    assert_eq!(starts.elevations, truth("sysmon1", "elevated"), "{file}");
    assert_eq!(starts.by_user, truth("sysmon1", "elevated_user"), "{file}");
    assert_eq!(
        starts.by_service,
        truth("sysmon1", "elevated_service"),
        "{file}"
    );
    let pairs = row["same_process_in_both"]["elevated_pairs"].as_u64();
    assert_eq!(summary.same_process, pairs.unwrap_or_default(), "{file}");
    summary
}

#[test]
fn an_event_log_and_the_same_events_as_json_give_the_same_observations() {
    let Some(folder) = reference::folder() else {
        return;
    };
    let mut twins = 0;
    for row in reference::truth(&folder, ".evtx") {
        let file = row["file"].as_str().expect("a row names its file");
        let twin = file
            .replacen("evtx/", "sysmon-json/", 1)
            .replace(".evtx", ".json");
        if !folder.join(&twin).is_file() {
            continue;
        }
        let read = |file: &str| {
            let mut counted = Counted::default();
            import::read_file(&folder.join(file), &options(), &mut |_| {}, &mut counted)
                .expect("the file is read");
            assert!(
                counted.readings.iter().all(|reading| {
                    let observation = reading.observation.as_ref();
                    observation.is_none_or(|seen| seen.source_key.is_some())
                }),
                "an observation of {file} has no key"
            );
            counted
                .readings
                .into_iter()
                .map(without_trailing_blanks)
                .collect::<Vec<_>>()
        };
        assert_eq!(read(file), read(&twin), "{file}");
        twins += 1;
    }
    assert_eq!(twins, 44, "the reference holds 44 events in both forms");
}

// Whoever made the JSON of the reference took blanks from the ends of its texts.
fn without_trailing_blanks(mut reading: Reading) -> Reading {
    let body = reading.observation.as_mut().map(|seen| &mut seen.body);
    if let Some(Body::Elevation(elevation)) = body {
        let file = elevation.file.iter_mut().map(|file| &mut file.arguments);
        let process = elevation.process.iter_mut();
        for text in file.chain(process.map(|process| &mut process.parent_arguments)) {
            text.truncate(text.trim_end().len());
        }
    }
    reading
}

#[test]
fn no_two_events_of_the_reference_share_a_key() {
    let Some(folder) = reference::folder() else {
        return;
    };
    for row in reference::truth(&folder, "") {
        let file = row["file"].as_str().expect("a row names its file");
        if ["4688", "sysmon1"]
            .iter()
            .all(|sensor| row[sensor].is_null())
            || file == "*TOTAL*"
        {
            continue;
        }
        let mut counted = Counted::default();
        import::read_file(&folder.join(file), &options(), &mut |_| {}, &mut counted)
            .expect("the file is read");
        let observations = counted
            .readings
            .iter()
            .filter_map(|reading| reading.observation.as_ref());
        let keys: Vec<_> = observations.filter_map(|seen| seen.source_key).collect();
        let distinct: HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{file}");
    }
}

#[test]
fn the_summary_is_one_line_with_the_agreed_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "\
Nov 23 05:29:20 web1 sudo: anna : PWD=/ ; USER=root ; COMMAND=/bin/ls
Nov 23 05:29:20 web1 sudo: anna : PWD=/ ; USER=bob ; COMMAND=/bin/ls
Nov 23 05:29:21 web1 sudo: anna : user NOT in sudoers ; PWD=/ ; USER=root ; COMMAND=/bin/ls
Nov 23 05:29:22 web1 sudo: anna : PWD=/ ; USER=root ; COMMAND=/bin/ls ; EXIT=0
Nov 23 05:29:22 web1 cron[1]: x
noise
";
    let path = file_with(&folder, "auth.log", text.as_bytes());
    let mut summary = summary(&path).expect("the file is read");
    summary.file = "auth.log".to_owned();
    assert_eq!(
        summary.to_json(),
        r#"{"file":"auth.log","sudo":{"records":2,"elevations":1,"denied":1},"same_process":0,"unreadable":1,"skipped":{"other_program":1}}"#
    );
}

#[test]
fn a_process_that_both_sensors_saw_is_counted_once() {
    use SensorKind::{Security4688, Sysmon1};
    use Verdict::{Elevated, NotElevated};
    let start = |sensor, pid, verdict, at_us: i64| Reading {
        sensor,
        verdict,
        account: AccountClass::Service,
        process: Some(ProcessKey {
            device: "pc".to_owned(),
            pid,
            image: r"c:\x.exe".to_owned(),
        }),
        observation: Some(Observation {
            observed_at_us: at_us,
            source_key: Some(SourceKey::derive(&[
                &(sensor as i32).to_le_bytes(),
                &pid.to_le_bytes(),
                &at_us.to_le_bytes(),
            ])),
            class: RecordClass::Unmanaged,
            body: Body::Elevation(Elevation::default()),
        }),
    };
    let mut counter = Counter::new(Path::new("x"));
    for reading in [
        start(Security4688, 1, Elevated, 5_000),
        start(Sysmon1, 1, Elevated, 0),
        // The same event again, and the process id again a while later.
        start(Security4688, 1, Elevated, 5_000),
        start(Sysmon1, 1, Elevated, 0),
        start(Sysmon1, 1, Elevated, 60_000_000),
        start(Sysmon1, 2, Elevated, 0),
        start(Security4688, 2, NotElevated, 0),
        start(Security4688, 3, Elevated, 0),
        start(Sysmon1, 3, Elevated, 2_000_001),
    ] {
        assert!(counter.reading(reading).is_continue());
    }
    let summary = counter.finish();
    assert_eq!(summary.same_process, 1);
    assert_eq!(summary.sysmon_1.expect("Sysmon records").by_service, 5);
}

#[test]
fn a_copy_under_another_name_gives_the_same_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "Nov 23 05:29:20 web1 sudo: anna : PWD=/ ; USER=root ; COMMAND=/bin/ls\n";
    let read = |name: &str| {
        let path = file_with(&folder, name, line.as_bytes());
        let mut counted = Counted::default();
        import::read_file(&path, &options(), &mut |_| {}, &mut counted).expect("the file is read");
        counted.readings
    };
    assert_eq!(read("auth.log"), read("auth.log.1"));
}

#[test]
fn progress_reaches_the_end_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = b"Nov 23 05:29:20 web1 cron[1]: nothing to see here\n".repeat(20_000);
    let path = file_with(&folder, "syslog", &line);
    let mut told = Vec::new();
    let format = import::read_file(
        &path,
        &options(),
        &mut |progress| told.push(progress),
        &mut Counted::default(),
    )
    .expect("the file is read");
    assert_eq!(format, &syslog::FORMAT);
    assert!(told.is_sorted_by_key(|progress| progress.done_bytes));
    let last = told.last().expect("progress is told");
    assert_eq!(last.done_bytes, line.len() as u64);
    assert_eq!(last.total_bytes, line.len() as u64);
}

#[test]
fn what_is_no_record_file_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert_eq!(
        refusal(&file_with(&folder, "noise.evtx", &noise)),
        Refusal::Unknown
    );
    assert_eq!(refusal(&file_with(&folder, "empty", b"")), Refusal::Empty);
    let packed = file_with(&folder, "auth.log.2.gz", b"\x1f\x8b\x08\0\0\0");
    assert_eq!(refusal(&packed), Refusal::Compressed("gzip"));
    assert!(
        summary(&packed)
            .expect_err("refused")
            .to_string()
            .contains("gzip")
    );
    assert_eq!(
        refusal(&file_with(&folder, "x.json", b"{\"a\": 1}")),
        Refusal::OtherJson
    );
    assert!(matches!(
        summary(folder.path()),
        Err(ImportError::NotAFile { .. })
    ));
    let missing = folder.path().join("missing");
    assert!(matches!(summary(&missing), Err(ImportError::Open { .. })));
}

#[test]
fn a_sparse_file_of_four_gigabytes_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sparse");
    let file = File::create(&path).expect("the file is made");
    file.set_len(4 << 30).expect("a sparse file");
    assert_eq!(refusal(&path), Refusal::Zeros(import::HEAD_BYTES));
    // A log behind which only a hole follows: no newline ends the last line.
    let path = folder.path().join("log");
    let mut file = File::create(&path).expect("the file is made");
    file.write_all(b"Nov 23 05:29:20 web1 sudo: anna : USER=root ; COMMAND=/bin/ls\n")
        .expect("a line is written");
    file.set_len(64 << 20).expect("a sparse file");
    let summary = summary(&path).expect("the file is read");
    assert_eq!(summary.sudo.expect("sudo records").elevations, 1);
    assert_eq!(summary.unreadable, 1);
}

#[test]
fn whoever_takes_the_readings_can_stop_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let line = "Nov 23 05:29:20 web1 sudo: anna : PWD=/ ; USER=root ; COMMAND=/bin/ls\n";
    let path = file_with(&folder, "auth.log", line.repeat(50).as_bytes());
    let mut counted = Counted {
        stop_after: Some(3),
        ..Counted::default()
    };
    import::read_file(&path, &options(), &mut |_| {}, &mut counted).expect("the file is read");
    assert_eq!(counted.readings.len(), 3);
}
