//! What another program writes to the topic, and what retention takes from it before it was folded: each is counted and can
//! be looked at, and everything else goes its way.

use std::path::Path;

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::Int64Type;
use epm_tables::TableReader;
use epm_tables::schema::DEAD_LETTERS_TABLE;
use epm_test_components::{Broker, ForeignRecord};

use super::{Server, address, delivered, import};
use crate::log::TestLog;
use crate::programs::{Running, free_port, must, wait_for_port};
use crate::sudo_runs::RunsOfSudo;

/// Runs of sudo in one file.
const RUNS: usize = 100;
/// As long as an agent's id.
const KEY: &str = "0123456789abcdef";
const RECORD: Option<(&str, &str)> = Some(("epm-kind", "0"));
/// Larger than any record of ours, and small enough for the broker.
const OVERSIZED_BYTES: usize = 700 << 10;

/// Code, detail and bytes of each row of `dead_letters`, in order.
fn dead_letters(data: &str) -> Vec<(String, String, i64)> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let tables = format!("{data}/tables");
        let table = DEAD_LETTERS_TABLE;
        let reader = TableReader::open(&tables, table.name, table.schema()).unwrap();
        let snapshot = reader.newest().await.unwrap();
        let session = datafusion::prelude::SessionContext::new();
        snapshot.register(&session).unwrap();
        let query = "SELECT CAST(code AS VARCHAR), CAST(detail AS VARCHAR), record_bytes FROM dead_letters ORDER BY 1, 2, 3";
        let frame = session.sql(query).await.unwrap();
        let mut rows = Vec::new();
        for batch in frame.collect().await.unwrap() {
            let text = |at: usize| {
                let column = arrow::compute::cast(batch.column(at), &arrow::datatypes::DataType::Utf8);
                column.unwrap()
            };
            let (codes, details) = (text(0), text(1));
            let bytes = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                rows.push((
                    codes.as_string::<i32>().value(row).to_owned(),
                    details.as_string::<i32>().value(row).to_owned(),
                    if bytes.is_valid(row) { bytes.value(row) } else { 0 },
                ));
            }
        }
        rows
    })
}

/// Every elevation there is.
fn elevations(data: &str) -> usize {
    let arguments = ["report", "elevations", "--data", data, "--format", "ndjson"];
    must("epm", &arguments).lines().count()
}

fn completeness(data: &str) -> serde_json::Value {
    let arguments = ["report", "by-user", "--data", data, "--format", "json"];
    let page: serde_json::Value = serde_json::from_str(&must("epm", &arguments)).unwrap();
    page["meta"]["completeness"].clone()
}

/// One record of each way in which a record can be wrong.
fn write_foreign_records(broker: &Broker, topic: &str) {
    let oversized = "x".repeat(OVERSIZED_BYTES);
    let record = |header, key, value| ForeignRecord { header, key, value };
    let records = [
        record(RECORD, None, Some("keyless")),
        record(RECORD, Some("agent-7"), Some("another key")),
        record(None, Some(KEY), Some("no header")),
        record(RECORD, Some(KEY), None),
        record(RECORD, Some(KEY), Some(&oversized)),
        record(RECORD, Some(KEY), Some("poison")),
        record(Some(("epm-kind", "9")), Some(KEY), Some("a newer kind")),
    ];
    broker.produce(topic, "none", &records);
    // The topic that we make keeps nothing in a compression that we do not open.
    broker.produce(topic, "zstd", &[record(None, None, Some("squeezed"))]);
}

#[test]
fn foreign_records_and_trimmed_ones_are_counted_and_stop_nobody() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // One partition, so that each of these stands in the way of what comes behind.
    let log = TestLog::Topic(format!("{}&partitions=1", broker.address("foreign")));
    let server = Server::start(folder.path(), &log);
    let mut runs = RunsOfSudo::new(folder.path(), RUNS);
    delivered(server.import(&runs.write_file()));
    write_foreign_records(broker, "foreign");
    delivered(server.import(&runs.write_file()));
    let rejected = || server.metric_with("epm_processor_entries_total", "rejected");
    server.wait_until("foreign records are counted", || rejected() >= 8.0);
    assert_eq!(rejected(), 8.0);
    let of_code = |code| server.metric_with("epm_processor_dead_letters_total", code);
    let codes = ["foreign", "unnamed", "unknown_body"].map(of_code);
    assert_eq!(codes, [6.0, 1.0, 1.0]);
    let (data, state) = (server.data.clone(), server.state.clone());
    assert_eq!(server.running.terminate(), Some(0));
    assert_eq!(elevations(&data), 2 * RUNS);
    let letters = dead_letters(&data);
    let is = |code: &str, words: &str, bytes: usize| {
        letters.iter().any(|(found, detail, found_bytes)| {
            found == code && detail.contains(words) && *found_bytes == bytes as i64
        })
    };
    assert!(is("foreign", "no key", 7), "{letters:?}");
    assert!(is("foreign", "no key", 8), "{letters:?}");
    assert!(is("foreign", "not an agent's id", 11), "{letters:?}");
    assert!(is("foreign", "no header", 9), "{letters:?}");
    assert!(is("foreign", "no payload", 0), "{letters:?}");
    assert!(
        is("foreign", "larger than the log takes", OVERSIZED_BYTES),
        "{letters:?}"
    );
    assert!(is("unnamed", "", 6), "{letters:?}");
    assert!(is("unknown_body", "entry kind 9", 12), "{letters:?}");
    assert_eq!(letters.len(), 8, "{letters:?}");
    assert_eq!(completeness(&data)["missing_records"], 0);

    lose_a_file(broker, &log, &runs.write_file(), &state);
    let server = Server::start(folder.path(), &log);
    delivered(server.import(&runs.write_file()));
    let trimmed = || server.metric("epm_processor_trimmed_offsets_total");
    server.wait_until("the gap is counted", || trimmed() > 0.0);
    assert_eq!(trimmed(), RUNS as f64);
    let gaps = server.metric_with("epm_processor_dead_letters_total", "trimmed");
    assert_eq!(gaps, 1.0);
    assert_eq!(server.running.terminate(), Some(0));
    assert_eq!(elevations(&data), 3 * RUNS);
    let letters = dead_letters(&data);
    assert_eq!(letters.len(), 9, "{letters:?}");
    let gap = letters.iter().find(|(code, ..)| code == "trimmed");
    assert!(gap.is_some_and(|(_, detail, _)| detail.contains("before they were folded")));
    let known = completeness(&data);
    assert_eq!(known["missing_records"], RUNS, "{known}");
    assert_eq!(known["devices_with_gaps"], 1, "{known}");
    let verified = must(
        "epm",
        &[&["verify", "--data", &data], &log.beside_data()[..]].concat(),
    );
    assert!(verified.contains("retention trimmed the log"), "{verified}");
}

/// Lets a collector without a processor acknowledge the records of `file`, and retention take them.
fn lose_a_file(broker: &Broker, log: &TestLog, file: &Path, state: &str) {
    let grpc = free_port();
    let arguments = [
        "collector",
        "--log",
        &log.place(""),
        "--grpc",
        &address(grpc),
    ];
    let collector = Running::start("epm", &arguments);
    wait_for_port(grpc);
    delivered(import(grpc, state, file));
    assert_eq!(collector.terminate(), Some(0));
    broker.delete_all("foreign", 0);
}
