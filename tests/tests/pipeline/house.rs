//! Every stage in this process on a folder of its own, real agents that deliver to it, and a reader of its REST
//! interface. It must not stand in for a stage, and must not reach past the joints between them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use epm_agent::source::Observation;
use epm_agent::sources::simulated::{Fleet, FleetDevice};
use epm_agent::{Agent, AgentConfig};
use epm_event_log::{EventLog, PartitionId};
use epm_proto::ids::AgentId;
use epm_proto::v1::{self, record::Body};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::log::TestLog;

/// Observations that an agent is handed at once.
const CHUNK: usize = 500;
/// How long a stage may take for what a test waits for, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at a figure that no stage announces.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

type Running = JoinHandle<Result<(), String>>;

/// A stage, and the way to end it.
struct Stage {
    name: &'static str,
    stop: CancellationToken,
    running: Running,
}

impl Stage {
    fn start<F, E>(name: &'static str, stage: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let stop = CancellationToken::new();
        let stage = stage(stop.clone());
        let running = tokio::spawn(async move { stage.await.map_err(|error| error.to_string()) });
        Self {
            name,
            stop,
            running,
        }
    }

    async fn finish(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.running)
            .await
            .unwrap_or_else(|_| panic!("the {} did not end", self.name))
            .expect("a stage does not panic");
        assert_eq!(ended, Ok(()), "the {} ended well", self.name);
    }
}

/// Every stage, running.
pub(crate) struct House {
    folder: tempfile::TempDir,
    log: Arc<dyn EventLog>,
    /// In the order in which records flow.
    stages: Vec<Stage>,
    /// Where people read.
    pub(crate) http: SocketAddr,
    /// Where agents deliver.
    pub(crate) grpc: SocketAddr,
}

/// What devices were made to record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Agents.
    pub(crate) devices: usize,
    /// Elevations, without their ends.
    pub(crate) elevations: usize,
}

/// An answer of the HTTP interface.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As sent, in lower case.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl House {
    /// Starts every stage on a log in a folder.
    pub(crate) async fn open() -> Self {
        Self::open_on(&TestLog::Folder).await
    }

    /// Starts every stage on `log`.
    pub(crate) async fn open_on(log: &TestLog) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = log.open(folder.path()).await;
        let tables = folder.path().join("tables");
        std::fs::create_dir_all(&tables).unwrap();
        let tables = Url::from_directory_path(tables.canonicalize().unwrap()).unwrap();
        let registry = Arc::new(Mutex::new(prometheus_client::registry::Registry::default()));
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (grpc_address, http_address) = (grpc.local_addr().unwrap(), http.local_addr().unwrap());
        let collector = Stage::start("collector", |stop| {
            let config = epm_collector::Config::default();
            epm_collector::run(config, grpc, Arc::clone(&log), Arc::clone(&registry), stop)
        });
        let processor = Stage::start("processor", |stop| {
            let config = epm_processor::Config::new(tables.clone());
            epm_processor::run(config, Arc::clone(&log), Arc::clone(&registry), stop)
        });
        let query_api = Stage::start("query API", |stop| {
            let config = epm_query_api::Config {
                tables: tables.to_string(),
                control: None,
                access: epm_query_api::ReadAccess::Open,
            };
            epm_query_api::run(config, http, Arc::clone(&registry), stop)
        });
        Self {
            folder,
            log,
            stages: vec![collector, processor, query_api],
            http: http_address,
            grpc: grpc_address,
        }
    }

    /// A house on `log` in which `fleet` has delivered its whole history from `from_us` to `until_us`.
    pub(crate) async fn with_history(
        log: &TestLog,
        fleet: &Fleet,
        from_us: i64,
        until_us: i64,
    ) -> (Self, Recorded) {
        let house = Self::open_on(log).await;
        let mut recorded = Recorded::default();
        for device in fleet.devices() {
            let agent = house.agent(device);
            let history: Vec<Observation> =
                fleet.history(device.index, from_us, until_us).collect();
            recorded.devices += 1;
            recorded.elevations += history
                .iter()
                .filter(|seen| matches!(seen.body, Body::Elevation(_)))
                .count();
            for chunk in history.chunks(CHUNK) {
                agent.observe(chunk.to_vec()).await.unwrap();
            }
            delivered(&agent).await;
            agent.observe(vec![heartbeat(device)]).await.unwrap();
            delivered(&agent).await;
            agent.stop().await.unwrap();
        }
        house.folded().await;
        (house, recorded)
    }

    /// The agent of a simulated device.
    pub(crate) fn agent(&self, device: &FleetDevice) -> Agent {
        let state = self.folder.path().join("devices").join(&device.name);
        let mut config = AgentConfig::new(state, format!("http://{}", self.grpc));
        config.device_name.clone_from(&device.name);
        config.device_id.clone_from(&device.device_id);
        config.os_version.clone_from(&device.os_version);
        config.agent_id = uuid::Uuid::parse_str(&device.device_id)
            .ok()
            .map(AgentId::from);
        // A test sends them itself, so that none changes numbers while it compares them.
        config.heartbeat_interval = None;
        Agent::start(config).unwrap()
    }

    /// Waits until everything that is in the log is in every table.
    pub(crate) async fn folded(&self) {
        let folded = async {
            for partition in 0..self.log.partitions() {
                let end = self.log.bounds(PartitionId(partition)).await.unwrap().end.0;
                let position = format!("epm_processor_position{{partition=\"{partition}\"}} ");
                loop {
                    let metrics = self.get("/metrics").await.body;
                    let at = metrics
                        .lines()
                        .find_map(|line| line.strip_prefix(&position));
                    if at.is_some_and(|at| at.parse::<u64>().unwrap() >= end) {
                        break;
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, folded)
            .await
            .expect("the processor folds what is in the log");
    }

    /// Folder of the tables.
    pub(crate) fn tables(&self) -> PathBuf {
        self.folder.path().join("tables")
    }

    /// The address of a page.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// What the HTTP interface answers.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        // 1.0, so that the body comes in one piece and ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).await.unwrap();
        let whole = String::from_utf8(whole).unwrap();
        let (headers, body) = whole.split_once("\r\n\r\n").unwrap();
        Answer {
            status: headers.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// A JSON answer.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Every row of a report, page after page; `query` without cursor.
    pub(crate) async fn rows(&self, report: &str, query: &str) -> Vec<Value> {
        let first = format!("/api/v1/reports/{report}?{query}");
        let mut path = first.clone();
        let mut rows = Vec::new();
        loop {
            let page = self.json(&path).await;
            rows.extend(page["rows"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => {
                    assert_eq!(page["meta"]["total_rows"], rows.len(), "{first}");
                    return rows;
                }
            }
        }
    }

    /// Ends the stages in the order in which records flow.
    pub(crate) async fn close(self) {
        for stage in self.stages {
            stage.finish().await;
        }
        self.folder.close().unwrap();
    }
}

async fn delivered(agent: &Agent) {
    tokio::time::timeout(PATIENCE, agent.wait_delivered())
        .await
        .expect("the collector acknowledges what an agent has");
}

/// What a device says once everything that it had is delivered.
fn heartbeat(device: &FleetDevice) -> Observation {
    let beat = v1::Heartbeat {
        device_name: device.name.clone(),
        os_version: device.os_version.clone(),
        effective_scope: v1::ReportingScope::All.into(),
        interval_s: 3600,
        ..Default::default()
    };
    Observation {
        observed_at_us: jiff::Timestamp::now().as_microsecond(),
        source_key: None,
        class: v1::RecordClass::Health,
        body: Body::Heartbeat(beat),
    }
}
