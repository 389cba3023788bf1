//! A broker that stops in the middle of an import, and comes back.

use epm_test_components::Broker;

use super::{Server, delivered};
use crate::log::TestLog;
use crate::sudo_runs::RunsOfSudo;

/// Runs of sudo in one file: so many that an import is not over by the time a broker stops.
const RUNS: usize = 10_000;
/// Records that are durable before the broker stops.
const BEFORE: f64 = 500.0;

#[test]
fn a_broker_that_stops_in_the_middle_of_an_import_loses_and_doubles_nothing() {
    let Some(mut broker) = Broker::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let log = TestLog::topic_of(&broker, "outage");
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
