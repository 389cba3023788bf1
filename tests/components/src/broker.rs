//! A real Kafka broker in a process of its own, alone in its cluster (KRaft), with its data in a temporary folder.
//!
//! It ends with the process that started it, however that ends: the shell around it waits for the end of its input.

mod secured;
mod tools;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use secured::Secured;
pub use tools::ForeignRecord;

/// Version that `scripts/test` fetches, as `broker.pom.xml` says.
const VERSION: &str = "4.3.1";
/// How long the broker may take to listen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// A port that looked free may be taken by another program before the broker listens on it.
const ATTEMPTS: usize = 3;
/// Any will do; it has to be a UUID in this form.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
/// Runs the broker until a line with a signal's name, or the end of input, which also removes the folder.
const GUARD: &str = r#"
folder=$1; shift
"$@" >"$folder/output" 2>&1 &
broker=$!
if read -r signal; then
  kill "-$signal" $broker; wait $broker
else
  kill -KILL $broker; wait $broker; rm -rf "$folder"
fi
"#;

/// A broker that runs, or was stopped by its test.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    libraries: PathBuf,
    /// For clients without TLS; the same after a restart.
    port: u16,
    secured: Option<Secured>,
    running: Option<(Child, ChildStdin)>,
}

impl Broker {
    /// The broker that all tests of this process share, each with topics of its own. `None` where there is no Kafka.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Broker>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A broker that the test may stop. `None` where there is no Kafka.
    ///
    /// # Panics
    ///
    /// Where it is there and does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(|| None)
    }

    /// As [`Broker::start`], with more listeners.
    fn start_with(secured: impl Fn() -> Option<Secured>) -> Option<Self> {
        let libraries = super::or_missing(
            libraries(),
            "Kafka broker (Java 17 and the folder EPM_TEST_KAFKA)",
        )?;
        for attempt in 1..=ATTEMPTS {
            match Self::start_on_free_ports(&libraries, secured()) {
                Ok(broker) => return Some(broker),
                Err(said) if attempt == ATTEMPTS => {
                    panic!("the Kafka broker does not start: {said}")
                }
                Err(_) => {}
            }
        }
        None
    }

    fn start_on_free_ports(libraries: &Path, secured: Option<Secured>) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("epm-kafka-").tempdir();
        // The guard removes it.
        let folder = folder.unwrap().keep();
        let (port, controller) = (free_port(), free_port());
        let more = secured.as_ref();
        let listeners = more.map(Secured::listeners).unwrap_or_default();
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             log.dirs={}\n\
             num.network.threads=2\n\
             num.io.threads=4\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\n\
             group.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms=2000\n\
             broker.heartbeat.interval.ms=500\n\
             log.retention.check.interval.ms=500\n\
             log.initial.task.delay.ms=500\n\
             log.segment.delete.delay.ms=500\n\
             {}",
            folder.join("data").display(),
            more.map(|more| more.properties(&folder))
                .unwrap_or_default(),
        );
        std::fs::write(folder.join("server.properties"), properties).unwrap();
        let mut broker = Self {
            folder,
            libraries: libraries.to_owned(),
            port,
            secured,
            running: None,
        };
        broker.format()?;
        broker.run()?;
        Ok(broker)
    }

    fn java(&self) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-cp")
            .arg(self.libraries.join("*"));
        java
    }

    fn format(&self) -> Result<(), String> {
        let output = self
            .java()
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(self.folder.join("server.properties"))
            .args(self.secured.iter().flat_map(Secured::format_arguments))
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn run(&mut self) -> Result<(), String> {
        let java = self.java();
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD, "guard"])
            .arg(&self.folder)
            .arg(java.get_program())
            .args(java.get_args())
            .arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut guard = guard.spawn().map_err(|error| error.to_string())?;
        let input = guard.stdin.take().unwrap();
        self.running = Some((guard, input));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let guard = self.running.as_mut().map(|(guard, _)| guard);
            let ended = guard.is_none_or(|guard| !matches!(guard.try_wait(), Ok(None)));
            if ended || self.has_ended() || Instant::now() > deadline {
                let said = std::fs::read_to_string(self.folder.join("output"));
                self.running = None;
                return Err(said.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The broker says why before it ends, while its guard still waits for a signal.
    fn has_ended(&self) -> bool {
        std::fs::read_to_string(self.folder.join("output"))
            .is_ok_and(|said| said.contains("Exception"))
    }

    /// The address of `topic` on this broker, which keeps one copy of everything.
    pub fn address(&self, topic: &str) -> String {
        format!(
            "kafka://127.0.0.1:{}/{topic}?replication-factor=1&min-insync-replicas=1",
            self.port
        )
    }

    /// `host:port` for clients without TLS.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the broker with a signal, `TERM` or `KILL`, and waits until it is gone. Its data stays.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub fn stop(&mut self, signal: &str) {
        let (mut guard, mut input) = self.running.take().expect("the broker runs");
        writeln!(input, "{signal}").unwrap();
        guard.wait().unwrap();
    }

    /// Starts the broker again on its data and its port.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "the broker was stopped");
        self.run().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((mut guard, input)) = self.running.take() {
            drop(input);
            let _ = guard.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Folder of the broker's libraries, where it and Java are there.
fn libraries() -> Option<PathBuf> {
    let folder = match std::env::var_os("EPM_TEST_KAFKA") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = PathBuf::from(std::env::var_os("HOME")?);
            home.join(".cache/epm-test-kafka").join(VERSION)
        }
    };
    let has = |jar: &str| folder.join(format!("{jar}-{VERSION}.jar")).is_file();
    let has_java = Command::new("java").arg("-version").output();
    let is_there = has("kafka_2.13")
        && has("kafka-tools")
        && has_java.is_ok_and(|output| output.status.success());
    is_there.then_some(folder)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn the_version_is_the_one_that_is_fetched() {
        let fetched = include_str!("../broker.pom.xml");
        assert!(fetched.contains(&format!("<version>{VERSION}</version>")));
        let versions = fetched
            .lines()
            .filter(|line| line.trim_start().starts_with("<version>") && line.contains('.'));
        assert!(versions.into_iter().all(|line| line.contains(VERSION)));
    }
}
