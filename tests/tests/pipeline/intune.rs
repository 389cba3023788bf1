//! A whole tenant's exports of 30 days from Intune, imported in one command: the five reports count what the product's own
//! reports count of the same events.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde_json::Value;

use crate::programs::{Running, free_port, must, wait_for_port};

// Made by the agent's tests, which prove the same without a server.
#[path = "../../../agent/tests/suite/tenant.rs"]
mod tenant;

use tenant::{Reports, Tenant, zip_of};

const DAYS: u32 = 30;
const PEOPLE: usize = 200;

/// The rows of a report, as objects.
fn rows(data: &str, report: &str, columns: &str, filter: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["report", report, "--data", data, "--columns", columns];
    arguments.extend(["--format", "ndjson"]);
    arguments.extend(filter);
    let printed = must("epm", &arguments);
    let row = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    printed.lines().map(row).collect()
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

fn count(row: &Value, column: &str) -> u64 {
    row[column].as_u64().expect("a count")
}

/// What the five reports and the denied elevations say.
fn reports(data: &str) -> Reports {
    let mut said = Reports::default();
    let elevated = ["--where", "outcome=elevated"];
    let columns = "observed_at,device,file_name,management,user_name,user_name_raw";
    for row in rows(data, "elevations", columns, &elevated) {
        let moment: Timestamp = text(&row, "observed_at").parse().expect("a moment");
        // As the export writes it.
        let moment = moment.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
        let moment = moment.trim_end_matches('0').to_owned();
        let at = [moment, text(&row, "device"), text(&row, "file_name")];
        *said.elevations.entry(at).or_default() += 1;
        assert!(
            !text(&row, "user_name_raw").is_empty(),
            "the name as recorded stays"
        );
    }
    said.managed = rows(data, "managed-elevations", "event_id", &elevated).len() as u64;
    let columns = "file_name,internal_name,file_version,publisher,sha256,elevation_type,total";
    for row in rows(data, "by-application", columns, &elevated) {
        let key = [
            "file_name",
            "internal_name",
            "file_version",
            "publisher",
            "sha256",
            "elevation_type",
        ];
        let key = key.map(|column| text(&row, column));
        said.by_application.insert(key, count(&row, "total"));
    }
    for row in rows(
        data,
        "by-publisher",
        "publisher,elevation_type,total",
        &elevated,
    ) {
        let key = ["publisher", "elevation_type"].map(|column| text(&row, column));
        said.by_publisher.insert(key, count(&row, "total"));
    }
    for row in rows(data, "by-user", "user_name,managed,unmanaged", &elevated) {
        let counts = (count(&row, "managed"), count(&row, "unmanaged"));
        said.by_user.insert(text(&row, "user_name"), counts);
    }
    let denied = ["--where", "outcome=denied"];
    for row in rows(
        data,
        "elevations",
        "user_name,file_name,repeat_count",
        &denied,
    ) {
        let key = ["user_name", "file_name"].map(|column| text(&row, column));
        *said.denied.entry(key).or_default() += count(&row, "repeat_count");
    }
    said
}

#[test]
fn a_tenants_exports_imported_in_one_command_give_the_products_own_figures() {
    let work = tempfile::tempdir().expect("a temporary folder");
    let place = |name: &str| work.path().join(name).to_string_lossy().into_owned();
    let tenant = Tenant::new(2026, PEOPLE, DAYS);
    assert!(
        tenant.under_other_names() > 1000,
        "people have several names"
    );
    let export = |name: &str, bytes: Vec<u8>| {
        fs::write(place(name), bytes).expect("an export is written");
        place(name)
    };
    let exports = [
        export(
            "EpmElevationReportElevationEvent.zip",
            zip_of(
                "EpmElevationReportElevationEvent.csv",
                &tenant.csv(0..DAYS, 0),
            ),
        ),
        // The same events again, as later exports repeat them.
        export("later.csv", tenant.csv(10..DAYS, 5)),
        export("later.json", tenant.json(20..DAYS, 3)),
        export("EpmDeniedReport.csv", tenant.denied_csv()),
    ];
    let (data, port, http) = (place("data"), free_port(), free_port());
    let (grpc, http) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{http}"));
    let server = ["serve", "--data", &data, "--grpc", &grpc, "--http", &http];
    let server = Running::start("epm", &server);
    wait_for_port(port);
    let collector = format!("http://{grpc}");
    let import = |state: &str| {
        let state = place(state);
        let mut arguments = vec!["import", "--collector", &collector, "--state", &state];
        arguments.extend(exports.iter().map(String::as_str));
        must("epm-agent", &arguments);
    };
    import("one");
    import("one");
    import("two");
    assert_eq!(server.terminate(), Some(0));
    let (said, expected) = (reports(&data), tenant.reports());
    assert_eq!(said.by_user, expected.by_user);
    assert_eq!(said.by_publisher, expected.by_publisher);
    assert_eq!(said.by_application, expected.by_application);
    assert_eq!(said.managed, expected.managed);
    assert_eq!(said.denied, expected.denied);
    assert_eq!(said, expected);
    let people: BTreeMap<_, _> = expected.by_user.iter().collect();
    assert_eq!(people.len(), PEOPLE, "each person once");
    must("epm", &["verify", "--data", &data]);
}
