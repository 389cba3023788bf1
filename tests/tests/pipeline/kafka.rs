//! `epm serve` with Kafka as the log, as a user runs it, where Kafka or what is in the topic is not as it should be.

mod foreign;
mod outage;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::log::TestLog;
use crate::programs::{Running, free_port, must, wait_for_port};

/// How long the server may take for what a test waits for, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at a figure that no program announces.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A server, and an agent's state beside it.
struct Server {
    running: Running,
    data: String,
    state: String,
    http: u16,
    grpc: u16,
}

impl Server {
    fn start(folder: &Path, log: &TestLog) -> Self {
        let text = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (data, http, grpc) = (text("data"), free_port(), free_port());
        let (http_address, grpc_address) = (address(http), address(grpc));
        let mut serve = vec!["serve", "--data", &data];
        serve.extend(["--http", &http_address, "--grpc", &grpc_address]);
        serve.extend(log.beside_data());
        let running = Running::start("epm", &serve);
        wait_for_port(http);
        let state = text("state");
        let server = Self {
            running,
            data,
            state,
            http,
            grpc,
        };
        server.wait_until("the collector is ready", || server.is_ready());
        server
    }

    /// Whether the collector says that the log takes what it appends.
    fn is_ready(&self) -> bool {
        self.metric("epm_collector_ready") > 0.0
    }

    /// The sum of the metric `name` over its labels that hold `label`.
    fn metric_with(&self, name: &str, label: &str) -> f64 {
        self.get("/metrics")
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '))
            .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
            .filter(|(labels, _)| labels.contains(label))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    fn metric(&self, name: &str) -> f64 {
        self.metric_with(name, "")
    }

    /// The body of an answer; empty while the server does not answer.
    fn get(&self, path: &str) -> String {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.http))?;
            // 1.0, so that the body comes in one piece and ends with the connection.
            let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
            stream.write_all(request.as_bytes())?;
            let mut whole = String::new();
            stream.read_to_string(&mut whole)?;
            Ok(whole)
        };
        let whole = asked().unwrap_or_default();
        whole
            .split_once("\r\n\r\n")
            .map_or_else(String::new, |(_, body)| body.to_owned())
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// An agent that delivers the records of `file` and ends.
    fn import(&self, file: &Path) -> Running {
        import(self.grpc, &self.state, file)
    }

    /// What the agent says of itself.
    fn agent_status(&self) -> serde_json::Value {
        let said = must("epm-agent", &["status", "--state", &self.state, "--json"]);
        serde_json::from_str(&said).unwrap()
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn import(grpc: u16, state: &str, file: &Path) -> Running {
    let (collector, file) = (format!("http://{}", address(grpc)), file.to_string_lossy());
    let mut arguments = vec!["import", "--collector", &collector, "--state", state];
    arguments.extend(["--wait", "120s", &file]);
    Running::start("epm-agent", &arguments)
}

/// Waits for an import that must deliver everything.
fn delivered(mut import: Running) {
    let status = import.0.wait().unwrap();
    assert!(status.success(), "the import ended with {status}");
}
