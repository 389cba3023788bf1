//! From `elevate` to the report: what another user really ran, and what was refused, is what the table says. How `elevate`
//! itself behaves is tested in the agent.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use epm_test_components::or_missing;
use serde_json::{Value, json};

use crate::programs::{Running, free_port, must, program, wait_for_port, wait_until_delivered};

/// The user `nobody` of every Debian.
const NOBODY: &str = "65534";
/// How long an agent may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is read of each row.
const COLUMNS: &str = "file_name,arguments,outcome,management,decision_source,elevation_type,rule_id,result_code,user_id,target_user_id";

/// What is launched, the exit code where it runs, what it prints, and its row. In CSV an argument that a spreadsheet would take
/// for a formula has a quote before it.
const LAUNCHES: [(&[&str], Option<i32>, &str, &str); 5] = [
    (
        &["/usr/bin/id", "-u"],
        Some(0),
        "0\n",
        "id,\"'-u\",elevated,managed,rule,automatic,id,0,65534,0",
    ),
    (
        &["/usr/bin/id", "--wrong"],
        Some(1),
        "",
        "id,\"'--wrong\",elevated,managed,rule,automatic,id,1,65534,0",
    ),
    (
        &["/usr/bin/true"],
        None,
        "",
        "true,,denied,managed,rule,deny,true,,65534,",
    ),
    (
        &["/usr/bin/nproc", "--all"],
        None,
        "",
        "nproc,\"'--all\",denied,managed,rule,deny,nproc,,65534,",
    ),
    (
        &["/usr/bin/uptime"],
        None,
        "",
        "uptime,,denied,managed,default_response,deny,,,65534,",
    ),
];

fn rule(program: &str, elevation_type: &str, arguments: Value) -> Value {
    let path = Path::new("/usr/bin").join(program);
    let output = Command::new("sha256sum").arg(path).output();
    let output = output.expect("coreutils are there");
    let hash = String::from_utf8_lossy(&output.stdout[..64]).into_owned();
    let mut rule = json!({
        "id": program, "name": program, "elevation_type": elevation_type, "child_behaviour": "allow_all",
        "detection": {
            "file_name": program, "file_path": "/usr/bin", "file_hash": hash, "signature": "not_configured",
        },
    });
    if !arguments.is_null() {
        rule["allowed_arguments"] = arguments;
    }
    rule
}

fn policies() -> Value {
    json!({
        "version": 1,
        "settings": [{
            "id": "settings", "name": "settings", "assignment": {"include": ["all_devices"]},
            "enabled": true, "default_response": "deny_all",
        }],
        "rules": [{
            "id": "tools", "name": "tools", "platform": "linux", "assignment": {"include": ["all_devices"]},
            "rules": [
                rule("id", "automatic", Value::Null),
                rule("true", "deny", Value::Null),
                rule("nproc", "automatic", json!(["--ignore=1"])),
            ],
        }],
    })
}

#[test]
fn what_a_user_ran_as_root_and_what_was_refused_is_what_the_report_says() {
    let root = rustix::process::geteuid().is_root().then_some(());
    if or_missing(root, "root, who alone can run programs for others").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    // The user has to reach the tool, wherever it was built.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let elevate = text("elevate");
    let copied = Command::new("cp")
        .arg(program("elevate"))
        .arg(&elevate)
        .status();
    assert!(copied.is_ok_and(|copied| copied.success()));
    fs::write(text("policies.json"), policies().to_string()).expect("it can be written");

    let (data, port, http) = (text("data"), free_port(), free_port());
    let [grpc, http] = [port, http].map(|port| format!("127.0.0.1:{port}"));
    let server = Running::start(
        "epm",
        &["serve", "--data", &data, "--grpc", &grpc, "--http", &http],
    );
    wait_for_port(port);
    let (collector, state, socket) = (format!("http://{grpc}"), text("agent"), text("socket"));
    let policy = text("policies.json");
    let agent = Running::start(
        "epm-agent",
        &[
            "run",
            "--collector",
            &collector,
            "--state",
            &state,
            "--sudo-log-server",
            "off",
            "--policy",
            &policy,
            "--socket",
            &socket,
        ],
    );
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(&socket).exists() {
        assert!(Instant::now() < deadline, "no agent answers");
        std::thread::sleep(Duration::from_millis(10));
    }
    for (launch, code, printed, row) in LAUNCHES {
        let output = Command::new("setpriv")
            .args([
                "--reuid",
                NOBODY,
                "--regid",
                NOBODY,
                "--clear-groups",
                &elevate,
            ])
            .args(launch)
            .env("EPM_SOCKET", &socket)
            .output()
            .expect("util-linux is there");
        let said = String::from_utf8_lossy(&output.stderr);
        // What `elevate` itself refuses ends with 1 too, and says so by its name.
        assert_eq!(
            said.starts_with("elevate: "),
            code.is_none(),
            "{row}: {said}"
        );
        assert_eq!(
            output.status.code(),
            Some(code.unwrap_or(1)),
            "{row}: {said}"
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{row}");
    }
    wait_until_delivered(&state);
    assert_eq!(agent.terminate(), Some(0));
    assert_eq!(server.terminate(), Some(0), "it folds what it has");

    let report = [
        "report",
        "elevations",
        "--data",
        &data,
        "--columns",
        COLUMNS,
        "--format",
        "csv",
    ];
    let table = must("epm", &report);
    let mut rows: Vec<&str> = table.lines().skip(1).collect();
    rows.sort_unstable();
    let mut expected: Vec<&str> = LAUNCHES.iter().map(|(_, _, _, row)| *row).collect();
    expected.sort_unstable();
    assert_eq!(rows, expected);
    must("epm", &["verify", "--data", &data]);
}

/// Waits until the agent says that its life cycle stands there.
fn until_life_cycle(state: &str, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = Command::new(program("epm-agent"))
            .args(["status", "--json", "--state", state])
            .output()
            .expect("it runs");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if said["agent"]["life_cycle"]["state"] == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "not {wanted}: {said:#}");
    }
}

#[test]
fn a_device_whose_policy_disables_management_is_disabled_in_the_report_and_says_until_when() {
    let root = rustix::process::geteuid().is_root().then_some(());
    if or_missing(root, "root, whose policies alone count").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let settings = |version: u32, enabled: bool| {
        let settings = json!({
            "version": version,
            "settings": [{
                "id": "settings", "name": "settings", "assignment": {"include": ["all_devices"]},
                "enabled": enabled,
            }],
        });
        fs::write(text("next"), settings.to_string()).expect("it can be written");
        fs::rename(text("next"), text("policies.json")).expect("it can be put in place");
    };
    settings(1, true);
    let (data, port, http) = (text("data"), free_port(), free_port());
    let [grpc, http] = [port, http].map(|port| format!("127.0.0.1:{port}"));
    let server = Running::start(
        "epm",
        &["serve", "--data", &data, "--grpc", &grpc, "--http", &http],
    );
    wait_for_port(port);
    let (collector, state) = (format!("http://{grpc}"), text("agent"));
    let (policy, socket) = (text("policies.json"), text("socket"));
    let options = [
        "--policy",
        &policy,
        "--socket",
        &socket,
        "--sudo-log-server",
        "off",
    ];
    let place = ["run", "--collector", &collector, "--state", &state];
    let agent = Running::start("epm-agent", &[&place[..], &options].concat());
    until_life_cycle(&state, "active");
    settings(2, false);
    until_life_cycle(&state, "disabled");
    assert_eq!(agent.terminate(), Some(0), "it delivers what it has");
    assert_eq!(server.terminate(), Some(0), "it folds what it has");

    let columns = "life_cycle,applicable,not_applicable_reason,management_authority,policy_revision,life_cycle_since,removal_at";
    let report = ["report", "devices", "--data", &data, "--columns", columns];
    let said = must("epm", &[&report[..], &["--format", "json"]].concat());
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let rows = said["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{said:#}");
    let row = &rows[0];
    assert_eq!(row["life_cycle"], "disabled", "{row:#}");
    assert_eq!(row["applicable"], true, "{row:#}");
    assert_eq!(row["management_authority"], "policy_file");
    assert_eq!(row["policy_revision"], "2");
    let time = |name: &str| -> jiff::Timestamp {
        let text = row[name].as_str().expect("a time");
        text.parse().expect("a time")
    };
    let until = time("removal_at").duration_since(time("life_cycle_since"));
    // The removal is told in whole minutes.
    let week_s = 7 * 24 * 60 * 60;
    assert!((week_s - 60..=week_s).contains(&until.as_secs()), "{row:#}");
    let filtered = must(
        "epm",
        &[&report[..], &["--where", "life_cycle=active"]].concat(),
    );
    assert!(filtered.contains("matches the filters"), "{filtered}");
    must("epm", &["verify", "--data", &data]);
}
