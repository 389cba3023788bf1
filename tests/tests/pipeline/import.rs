//! Real records from the reference folder: what the importer counts is what an independent parser counted, and what is in
//! the tables afterwards is those elevations, however often they are imported.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::log::TestLog;
use crate::programs::{Running, free_port, must, wait_for_port};

/// The folder of real records with counted truth; absent on most machines.
fn reference() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("EPM_REFERENCE_DATA").map_or(beside, PathBuf::from);
    if folder.join("truth.jsonl").is_file() {
        return Some(folder);
    }
    println!(
        "NOT RUN: there is no folder of reference records at {}",
        folder.display()
    );
    None
}

/// Every file with what an independent parser counted in it.
fn truth(folder: &Path) -> Vec<(PathBuf, Value)> {
    let text = std::fs::read_to_string(folder.join("truth.jsonl")).expect("the truth can be read");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a row of JSON"))
        .filter_map(|row| {
            let path = folder.join(row["file"].as_str()?);
            // A row with a note is about a file beside the records, such as what a program should print of one.
            (path.is_file() && row["note"].is_null()).then_some((path, row))
        })
        .collect()
}

fn number(row: &Value, part: &str, key: &str) -> u64 {
    row[part][key].as_u64().unwrap_or(0)
}

/// Elevations that a file holds, before two sensors' records of one process are joined.
fn elevations(row: &Value) -> u64 {
    number(row, "4688", "elevated")
        + number(row, "sysmon1", "elevated")
        + number(row, "counts", "sudo_as_root")
        + number(row, "counts", "sudo_json_accept_as_root")
        + number(row, "counts", "sudo_io_log_as_root")
        + number(row, "counts", "pkexec_as_root")
        + number(row, "counts", "audit_execve_euid0_real_auid")
}

/// Whether the events of a file stand in another file too: each rule of Sigma has one event as EVTX and as JSON.
fn is_twin(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains("SigmaHQ") && name.ends_with(".json")
}

#[test]
fn the_summary_of_every_file_is_the_truth() {
    let Some(folder) = reference() else { return };
    let truth = truth(&folder);
    let paths: Vec<String> = truth
        .iter()
        .map(|(path, _)| path.to_string_lossy().into_owned())
        .collect();
    let mut arguments = vec!["import", "--dry-run", "--summary", "json"];
    arguments.extend(paths.iter().map(String::as_str));
    let printed = must("epm-agent", &arguments);
    let summaries: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(summaries.len(), truth.len());
    for (summary, (path, row)) in summaries.iter().zip(&truth) {
        let said = |part: &str, key: &str| number(summary, part, key);
        let wanted = [
            (
                said("security_4688", "records"),
                number(row, "4688", "total"),
            ),
            (
                said("security_4688", "elevations"),
                number(row, "4688", "elevated"),
            ),
            (
                said("security_4688", "by_user"),
                number(row, "4688", "elevated_user"),
            ),
            (
                said("security_4688", "by_service"),
                number(row, "4688", "elevated_service"),
            ),
            (
                said("security_4688", "undecided"),
                number(row, "4688", "undecided_1936_no_label"),
            ),
            (said("sysmon_1", "records"), number(row, "sysmon1", "total")),
            (
                said("sysmon_1", "elevations"),
                number(row, "sysmon1", "elevated"),
            ),
            (
                said("sysmon_1", "by_user"),
                number(row, "sysmon1", "elevated_user"),
            ),
            (
                said("sysmon_1", "by_service"),
                number(row, "sysmon1", "elevated_service"),
            ),
            (
                said("sudo", "records"),
                number(row, "counts", "sudo_command")
                    + number(row, "counts", "sudo_json_accept")
                    + number(row, "counts", "sudo_io_log"),
            ),
            (
                said("sudo", "denied"),
                number(row, "counts", "sudo_denied") + number(row, "counts", "sudo_json_reject"),
            ),
            (
                said("audit", "elevations"),
                number(row, "counts", "audit_execve_euid0_real_auid"),
            ),
            (
                said("pkexec", "elevations"),
                number(row, "counts", "pkexec_as_root"),
            ),
            (
                summary["unreadable"].as_u64().unwrap_or(0),
                row["unreadable"].as_u64().unwrap_or_else(|| {
                    // The truth of binary and text files does not count stretches; those of ours are looked at elsewhere.
                    summary["unreadable"].as_u64().unwrap_or(0)
                }),
            ),
            (
                summary["same_process"].as_u64().unwrap_or(0),
                number(row, "same_process_in_both", "elevated_pairs"),
            ),
        ];
        for (at, (said, truth)) in wanted.iter().enumerate() {
            assert_eq!(said, truth, "count {at} of {}: {summary}", path.display());
        }
        let all = said("security_4688", "elevations")
            + said("sysmon_1", "elevations")
            + said("sudo", "elevations")
            + said("pkexec", "elevations")
            + said("audit", "elevations");
        assert_eq!(all, elevations(row), "{}", path.display());
    }
}

#[test]
fn importing_files_gives_exactly_those_elevations_and_importing_again_adds_none() {
    if let Some(folder) = reference() {
        import_three_times(&TestLog::Folder, &truth(&folder));
    }
}

#[test]
fn importing_the_files_from_the_last_to_the_first_gives_the_same_elevations() {
    if let Some(folder) = reference() {
        let mut truth = truth(&folder);
        truth.reverse();
        import_three_times(&TestLog::Folder, &truth);
    }
}

#[test]
fn importing_files_gives_exactly_those_elevations_with_kafka_as_the_log() {
    if let (Some(log), Some(folder)) = (TestLog::topic("imported"), reference()) {
        import_three_times(&log, &truth(&folder));
    }
}

/// Imports the files of `truth` in its order, then copies of them as another agent, then the files again, and looks
/// whether the tables hold what it says.
fn import_three_times(log: &TestLog, truth: &[(PathBuf, Value)]) {
    let work = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| work.path().join(name).to_string_lossy().into_owned();
    let (data, port, http) = (text("data"), free_port(), free_port());
    let (grpc_address, http_address) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{http}"));
    let mut serve = vec![
        "serve",
        "--data",
        &data,
        "--grpc",
        &grpc_address,
        "--http",
        &http_address,
    ];
    serve.extend(log.beside_data());
    let server = Running::start("epm", &serve);
    wait_for_port(port);
    let collector = format!("http://{grpc_address}");
    let import = |state: &str, paths: &[String]| {
        let state = text(state);
        let mut arguments = vec!["import", "--collector", &collector, "--state", &state];
        arguments.extend(paths.iter().map(String::as_str));
        must("epm-agent", &arguments);
    };
    let paths: Vec<String> = truth
        .iter()
        .map(|(path, _)| path.to_string_lossy().into_owned())
        .collect();
    import("one", &paths);
    // Again, by another agent, under other names.
    let copies: Vec<String> = paths
        .iter()
        .enumerate()
        .map(|(at, path)| {
            let copy = text(&format!("copy-{at}"));
            std::fs::copy(path, &copy).expect("a file can be copied");
            copy
        })
        .collect();
    import("two", &copies);
    import("one", &paths);
    assert_eq!(server.terminate(), Some(0));
    let expected: u64 = truth
        .iter()
        .filter(|(path, _)| !is_twin(path))
        .map(|(_, row)| elevations(row) - number(row, "same_process_in_both", "elevated_pairs"))
        .sum();
    let count = |filter: &str| {
        let rows = must(
            "epm",
            &[
                "report",
                "elevations",
                "--data",
                &data,
                "--where",
                filter,
                "--columns",
                "source_event_key",
                "--format",
                "csv",
            ],
        );
        rows.lines().skip(1).count() as u64
    };
    assert_eq!(count("outcome=elevated"), expected);
    let undecided: u64 = truth
        .iter()
        // A USER_CMD of the audit log does not say as whom the command ran.
        .map(|(_, row)| {
            number(row, "4688", "undecided_1936_no_label")
                + number(row, "counts", "audit_user_cmd_success")
        })
        .sum();
    assert_eq!(count("outcome=undecided"), undecided);
    let denied: u64 = truth
        .iter()
        .map(|(_, row)| {
            number(row, "counts", "sudo_denied") + number(row, "counts", "sudo_json_reject")
        })
        .sum();
    assert_eq!(count("outcome=denied"), denied);
    let mut verify = vec!["verify", "--data", &data];
    verify.extend(log.beside_data());
    must("epm", &verify);
}
