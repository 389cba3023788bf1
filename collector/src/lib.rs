//! The collector: takes batches of records from agents, makes them durable in the event log, and then acknowledges them.
//!
//! Acknowledged means durable. It checks who sent a record and how large it is, and must not look at what it says: that
//! is the processor's.

mod admit;
mod budget;
mod config;
mod delivery;
mod metrics;
mod positions;
mod ranges;
mod recovery;
mod refusal;
mod seats;
mod session;
mod stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use epm_event_log::{EventLog, LogError};
use epm_proto::v1::delivery_server::DeliveryServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use self::config::Config;
pub use self::metrics::SharedRegistry;

use self::delivery::Service;
use self::metrics::Metrics;
use self::positions::Positions;
use self::stage::Stage;

/// Bytes of a message around a batch's payload.
const MESSAGE_OVERHEAD_BYTES: usize = 4 << 10;
/// Bytes that a connection may have on its way before the collector reads them: a batch, so that a stream is never
/// stopped in the middle of one.
const WINDOW_BYTES: u32 = 2 << 20;
/// Streams of one connection: an agent has one, and its next before the last is gone. Simulated fleets and relays share
/// connections.
const MAX_STREAMS_PER_CONNECTION: u32 = 256;

/// Why the collector stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Change the configuration.
    #[error("the limits contradict each other: {0}")]
    Config(String),
    /// Listen elsewhere.
    #[error(
        "{0} can be reached from other machines, and agents are not authenticated yet: listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// Start again once the log is healthy.
    #[error("the event log cannot be used")]
    Log(#[from] LogError),
    /// The listener is not usable.
    #[error("the listener's address cannot be read")]
    Listener(#[source] std::io::Error),
    /// The server failed.
    #[error("the server stopped")]
    Server(#[from] tonic::transport::Error),
}

/// Serves agents on `listener` until `shutdown`, then finishes what it holds within the grace time.
///
/// The log's retained envelopes are read first; connections wait in the listener's backlog meanwhile.
///
/// # Errors
///
/// Where it cannot start, or the log stopped under it.
pub async fn run(
    config: Config,
    listener: TcpListener,
    log: Arc<dyn EventLog>,
    registry: SharedRegistry,
    shutdown: CancellationToken,
) -> Result<(), CollectorError> {
    if let Some(contradiction) = config.contradiction() {
        return Err(CollectorError::Config(contradiction));
    }
    let address = listener.local_addr().map_err(CollectorError::Listener)?;
    if !address.ip().is_loopback() {
        return Err(CollectorError::NotLoopback(address));
    }
    let metrics = Metrics::register(&registry);
    let positions = Positions::new(config.max_agents);
    let began = Instant::now();
    let entries = tokio::select! {
        entries = recovery::recover(&*log, &positions) => entries?,
        () = shutdown.cancelled() => return Ok(()),
    };
    metrics.agents.set(positions.len() as i64);
    metrics.ready.set(1);
    let took_ms = began.elapsed().as_millis() as u64;
    tracing::info!(entries, agents = positions.len(), took_ms, %address, "collector ready");
    let stage = Arc::new(Stage::new(config, log, positions, metrics, &shutdown));
    let served = serve(&stage, listener).await;
    wait_for_streams(&stage).await;
    match stage.failure.get() {
        Some(error) => Err(error.clone().into()),
        None => Ok(served?),
    }
}

/// Serves until every connection is closed after the draining began, or the grace time is over.
async fn serve(stage: &Arc<Stage>, listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let config = &stage.config;
    let service = DeliveryServer::new(Service {
        stage: Arc::clone(stage),
    })
    .max_decoding_message_size(config.max_batch_bytes as usize + MESSAGE_OVERHEAD_BYTES);
    // The builder's own setting of no-delay does not reach sockets that it did not accept itself.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder()
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .serve_with_incoming_shutdown(service, incoming, stage.drain.clone().cancelled_owned());
    let grace_is_over = async {
        stage.drain.cancelled().await;
        tokio::time::sleep(config.shutdown_grace).await;
    };
    tokio::select! {
        served = server => served,
        () = grace_is_over => {
            tracing::warn!("streams did not end within the grace time");
            Ok(())
        }
    }
}

/// Waits for the appends of streams whose connection is gone, so that the log has no writer when `run` returns.
async fn wait_for_streams(stage: &Stage) {
    stage.drain.cancel();
    stage.abort.cancel();
    let all = stage.streams.acquire_many(stage.config.max_streams);
    let waited = tokio::time::timeout(stage.config.shutdown_grace, all).await;
    if waited.is_err() {
        tracing::error!("an append did not end within the grace time");
    }
}
