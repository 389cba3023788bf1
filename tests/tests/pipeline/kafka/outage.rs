//! A broker that lets in only whom it knows, over TLS, stops in the middle of an import and comes back.

use std::path::Path;

use epm_test_components::{Broker, Secured};

use super::{Server, delivered};
use crate::log::TestLog;
use crate::programs::run;
use crate::sudo_runs::RunsOfSudo;

/// Runs of sudo in one file: so many that an import is not over by the time a broker stops.
const RUNS: usize = 10_000;
/// Records that are durable before the broker stops.
const BEFORE: f64 = 500.0;

/// The address of a topic for the user of `broker`, with `password`.
fn address(broker: &Secured, folder: &Path, password: &str) -> String {
    let file = folder.join(format!("password-{}", password.len()));
    std::fs::write(&file, password).unwrap();
    format!(
        "kafkas://{}/outage?replication-factor=1&min-insync-replicas=1&tls-ca={}&sasl=scram-sha-512&sasl-username={}&sasl-password-file={}",
        broker.sasl_bootstrap(),
        broker.authority().display(),
        broker.user().0,
        file.display()
    )
}

/// A collector with a wrong password ends at once and says what to change.
fn is_kept_out(address: &str) {
    let output = run(
        "epm",
        &["collector", "--log", address, "--grpc", "127.0.0.1:0"],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("correct the file that sasl-password-file names"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_broker_that_stops_in_the_middle_of_an_import_loses_and_doubles_nothing() {
    let Some(mut broker) = Broker::start_secured() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let secured = broker.secured();
    is_kept_out(&address(secured, folder.path(), "hunter2"));
    let log = TestLog::Topic(address(secured, folder.path(), secured.user().1));
    let server = Server::start(folder.path(), &log);
    let mut runs = RunsOfSudo::new(folder.path(), RUNS);
    let stored = || server.metric("epm_collector_stored_total");
    for signal in ["KILL", "TERM"] {
        let before = stored();
        let mut import = server.import(&runs.write_file());
        server.wait_until("some of the file is durable", || stored() > before + BEFORE);
        broker.stop(signal);
        // A broker that is asked to stop goes on for a moment, and the import may have come to its end meanwhile.
        if import.0.try_wait().unwrap().is_some() {
            import = server.import(&runs.write_file());
        }
        server.wait_until("the collector says that it waits", || !server.is_ready());
        let status = server.agent_status();
        let waiting = status["waiting_records"].as_u64().unwrap();
        assert!(
            waiting > 0,
            "{signal}: the agent keeps its records: {status}"
        );
        let ended = import.0.try_wait().unwrap();
        assert_eq!(ended, None, "{signal}: the import waits");
        println!(
            "{signal}: {} records were durable and {waiting} waited on the device",
            stored() - before
        );
        broker.start_again();
        delivered(import);
        assert!(
            server.is_ready(),
            "{signal}: the collector goes on by itself"
        );
        assert_eq!(server.agent_status()["waiting_records"], 0, "{signal}");
    }
    let data = server.data.clone();
    assert_eq!(server.running.terminate(), Some(0));
    runs.are_in_the_tables_once(&data, &log, "after two outages");
}
