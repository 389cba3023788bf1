//! The tables as engines read them that had no part in writing them, against what the REST interface says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use epm_agent::sources::simulated::Fleet;
use serde_json::Value;

use crate::components;
use crate::house::House;
use crate::log::TestLog;

/// Seed, devices and days of the fleet: a few thousand elevations of every kind.
const SEED: u64 = 20;
const DEVICES: usize = 12;
const DAYS: u32 = 10;
const DAY_US: i64 = 86_400_000_000;
// 2026-03-02: a window that lies still.
const START_US: i64 = 20_514 * DAY_US;

/// Each dimension of the script: the report that counts by it, and the columns that it is.
const DIMENSIONS: [(&str, &str, &[&str]); 5] = [
    ("outcome", "by-user", &["outcome"]),
    ("management", "by-application", &["management"]),
    ("publisher", "by-publisher", &["publisher"]),
    ("user", "by-user", &["user_name"]),
    (
        "application",
        "by-application",
        &[
            "file_name",
            "product_name",
            "internal_name",
            "file_version",
            "publisher",
            "elevation_type",
            "sha256",
        ],
    ),
];

type Counts = BTreeMap<String, i64>;

fn still_fleet() -> Fleet {
    Fleet::new(SEED, DEVICES).with_programme(START_US, DAYS)
}

fn key(values: &[Value]) -> String {
    Value::from(values.to_vec()).to_string()
}

/// Rows of an engine: the values of the group, and the count last.
fn counts(rows: &Value) -> Counts {
    let mut counts = Counts::new();
    for row in rows.as_array().unwrap() {
        let (count, group) = row.as_array().unwrap().split_last().unwrap();
        *counts.entry(key(group)).or_default() += count.as_i64().unwrap();
    }
    counts
}

/// Rows of REST, counted by the same columns.
fn counted(rows: &[Value], columns: &[&str], times: &str) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        let group: Vec<Value> = columns.iter().map(|name| row[name].clone()).collect();
        *counts.entry(key(&group)).or_default() += row[times].as_i64().unwrap_or(1);
    }
    counts
}

fn run_engines(python: &Path, tables: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipeline/engines.py");
    let output = Command::new(python)
        .arg(script)
        .arg(tables)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the engines failed: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_independent_engines_count_what_rest_says() {
    let Some(python) = components::python() else {
        return;
    };
    let fleet = still_fleet();
    let until_us = START_US + i64::from(DAYS) * DAY_US;
    let (house, recorded) = House::with_history(&TestLog::Folder, &fleet, START_US, until_us).await;
    let tables = house.tables();
    let engines = tokio::task::spawn_blocking(move || run_engines(&python, &tables))
        .await
        .unwrap();

    let elevations = house.rows("elevations", "columns=*&limit=700").await;
    assert_eq!(
        elevations.len(),
        recorded.elevations,
        "each elevation is a row"
    );
    for (dimension, report, columns) in DIMENSIONS {
        let query = format!("columns={},total&limit=50", columns.join(","));
        let rest = counted(&house.rows(report, &query).await, columns, "total");
        assert!(rest.len() > 1, "{dimension} has more than one group");
        let rows = counted(&elevations, columns, "repeat_count");
        assert_eq!(rows, rest, "{dimension}: rows of elevations and {report}");
        for engine in ["pyarrow", "duckdb"] {
            for table in ["elevations", "usage"] {
                let found = counts(&engines[engine][table][dimension]);
                assert_eq!(found, rest, "{dimension}: {engine} on {table} and {report}");
            }
        }
    }
    let status = house.json("/api/v1/status").await;
    let known = &status["completeness"];
    assert_eq!(engines["devices"]["rows"], known["devices"]);
    assert_eq!(engines["devices"]["records"], known["records"]);
    assert_eq!(engines["devices"]["missing"], known["missing_records"]);
    assert_eq!(engines["dead_letters"], 0);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_says_how_fresh_and_complete_it_is() {
    every_report_is_complete(&TestLog::Folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_says_how_fresh_and_complete_it_is_with_kafka_as_the_log() {
    if let Some(log) = TestLog::topic("reports") {
        every_report_is_complete(&log).await;
    }
}

async fn every_report_is_complete(log: &TestLog) {
    let fleet = still_fleet();
    let until_us = START_US + i64::from(DAYS) * DAY_US;
    let (house, recorded) = House::with_history(log, &fleet, START_US, until_us).await;
    let elevations = house.rows("elevations", "limit=700").await.len();
    assert_eq!(elevations, recorded.elevations, "each elevation is a row");
    for report in [
        "elevations",
        "managed-elevations",
        "by-application",
        "by-publisher",
        "by-user",
    ] {
        let page = house
            .json(&format!("/api/v1/reports/{report}?limit=1"))
            .await;
        let meta = &page["meta"];
        let known = &meta["completeness"];
        assert_eq!(known["devices"], recorded.devices, "{report}");
        assert_eq!(known["reporting"], recorded.devices, "{report}");
        assert_eq!(known["missing_records"], 0, "{report}");
        assert_eq!(known["lost_records"], 0, "{report}");
        assert_eq!(known["waiting_records"], 0, "{report}");
        assert_eq!(known["share"], 1.0, "{report}");
        assert!(meta["as_of"]["version"].is_u64(), "{report}: {meta}");
        for time in ["last_commit_at", "newest_event_at", "newest_received_at"] {
            assert!(meta["freshness"][time].is_string(), "{report}: {meta}");
        }
    }
    house.close().await;
}
