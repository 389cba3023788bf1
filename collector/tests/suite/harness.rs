//! Starts a collector on a free port, and speaks to it as an agent does.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epm_collector::{CollectorError, Config, Door, Security, SharedRegistry, run};
use epm_event_log::contract::read_all;
use epm_event_log::{EmbeddedConfig, EmbeddedLog, Entry, EventLog, Offset, PartitionId};
use epm_proto::batch::BatchBuilder;
use epm_proto::ids::AgentId;
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::collector_message::Message as Answer;
use epm_proto::v1::delivery_client::DeliveryClient;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::disk::GatedDisk;

pub(crate) const AGENT: AgentId = AgentId([7; 16]);
pub(crate) const EPOCH: u64 = 3;
/// No answer takes this long; a test that waits for one has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) shutdown: CancellationToken,
    registry: SharedRegistry,
    running: JoinHandle<Result<(), CollectorError>>,
}

pub(crate) fn log_config() -> EmbeddedConfig {
    EmbeddedConfig {
        segment_bytes: 4 << 20,
        ..EmbeddedConfig::default()
    }
}

/// A collector with the default limits on a healthy disk.
pub(crate) async fn collector(directory: &Path) -> Collector {
    collector_with(directory, Config::default()).await
}

pub(crate) async fn collector_with(directory: &Path, config: Config) -> Collector {
    start(
        EmbeddedLog::open(directory, log_config()).expect("log"),
        config,
    )
    .await
}

pub(crate) async fn collector_on(directory: &Path, disk: &GatedDisk) -> Collector {
    let disk = Arc::new(disk.clone());
    let log = EmbeddedLog::open_on(directory, log_config(), disk).expect("log");
    start(log, Config::default()).await
}

async fn start(log: EmbeddedLog, config: Config) -> Collector {
    start_secured(log, config, None).await
}

/// With TLS where there is a `security`.
pub(crate) async fn start_secured(
    log: EmbeddedLog,
    config: Config,
    security: Option<Security>,
) -> Collector {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let log = Arc::new(log);
    let registry = SharedRegistry::default();
    let shutdown = CancellationToken::new();
    let door = match security {
        Some(security) => Door::secured(listener, security),
        None => Door::from(listener),
    };
    let running = tokio::spawn(run(
        config,
        door,
        Arc::clone(&log) as Arc<dyn EventLog>,
        Arc::clone(&registry),
        shutdown.clone(),
    ));
    Collector {
        address,
        log,
        shutdown,
        registry,
        running,
    }
}

impl Collector {
    /// What is in the log, all of it.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        read_all(&*self.log, PartitionId(0), Offset(0)).await
    }

    /// The value of a metric as Prometheus would read it; 0 where it has not been counted.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        let registry = self.registry.lock().expect("registry");
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encode");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("number"))
    }

    /// Waits for the end of `run`.
    pub(crate) async fn ended(&mut self) -> Result<(), CollectorError> {
        let ended = tokio::time::timeout(PATIENCE, &mut self.running).await;
        ended.expect("it ends").expect("it does not panic")
    }

    /// Stops, and lets go of the log, so that the folder can be opened again.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.ended().await.expect("a clean end");
    }
}

/// One stream as an agent holds it.
pub(crate) struct Stream {
    pub(crate) sending: mpsc::Sender<v1::AgentMessage>,
    pub(crate) answers: Streaming<v1::CollectorMessage>,
}

/// Opens a stream without a hello.
pub(crate) async fn try_connect(address: SocketAddr) -> Result<Stream, Status> {
    let client = DeliveryClient::connect(format!("http://{address}")).await;
    let (sending, sent) = mpsc::channel(64);
    let request = ReceiverStream::new(sent);
    let answers = client
        .expect("connect")
        .deliver(request)
        .await?
        .into_inner();
    Ok(Stream { sending, answers })
}

pub(crate) async fn connect(address: SocketAddr) -> Stream {
    try_connect(address).await.expect("stream")
}

/// Opens a stream and says hello.
pub(crate) async fn open(address: SocketAddr, agent: AgentId) -> (Stream, v1::ServerHello) {
    let mut stream = connect(address).await;
    stream.send(Sent::Hello(hello(agent))).await;
    let hello = stream.hello().await;
    (stream, hello)
}

pub(crate) fn hello(agent: AgentId) -> v1::ClientHello {
    v1::ClientHello {
        agent_id: agent.as_bytes().to_vec(),
        epoch: EPOCH,
        ..v1::ClientHello::default()
    }
}

impl Stream {
    pub(crate) async fn send(&self, message: Sent) {
        let message = v1::AgentMessage {
            message: Some(message),
        };
        self.sending.send(message).await.expect("send");
    }

    pub(crate) async fn send_batch(&self, batch: v1::Batch) {
        self.send(Sent::Batch(batch)).await;
    }

    async fn answer(&mut self) -> Result<Option<Answer>, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        Ok(answer
            .expect("an answer")?
            .map(|answer| answer.message.expect("a kind")))
    }

    pub(crate) async fn hello(&mut self) -> v1::ServerHello {
        match self.answer().await {
            Ok(Some(Answer::Hello(hello))) => hello,
            other => panic!("no hello: {other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self) -> v1::Ack {
        match self.answer().await {
            Ok(Some(Answer::Ack(ack))) => ack,
            other => panic!("no ack: {other:?}"),
        }
    }

    /// How the collector ended the stream.
    pub(crate) async fn refusal(&mut self) -> Status {
        match self.answer().await {
            Err(status) => status,
            Ok(other) => panic!("no refusal: {other:?}"),
        }
    }
}

pub(crate) fn record(agent: AgentId, sequence: u64) -> v1::Record {
    v1::Record {
        agent_id: agent.as_bytes().to_vec(),
        epoch: EPOCH,
        sequence,
        event_id: u128::from(sequence).to_be_bytes().to_vec(),
        schema_version: 1,
        reporting_scope: v1::ReportingScope::All.into(),
        body: Some(v1::record::Body::Heartbeat(v1::Heartbeat::default())),
        ..v1::Record::default()
    }
}

/// The agent's records with these sequences.
pub(crate) fn records(sequences: impl IntoIterator<Item = u64>) -> v1::Batch {
    let records = sequences
        .into_iter()
        .map(|sequence| record(AGENT, sequence).encode_to_vec());
    batch_of(records)
}

pub(crate) fn batch_of(encoded: impl IntoIterator<Item = Vec<u8>>) -> v1::Batch {
    let mut builder = BatchBuilder::default();
    for record in encoded {
        builder.push(&record);
    }
    builder.finish(EPOCH, v1::Compression::None, v1::Lane::Live)
}
