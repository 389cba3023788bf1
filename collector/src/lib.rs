//! The collector: takes batches of records from agents, makes them durable in the event log, and then acknowledges them.
//!
//! Acknowledged means durable. It checks who sent a record and how large it is, and must not look at what it says: that
//! is the processor's.

mod admit;
pub mod authority;
mod budget;
mod config;
mod delivery;
mod enrolment;
mod identity;
mod metrics;
mod positions;
mod ranges;
mod recovery;
mod refusal;
mod routes;
mod seats;
mod session;
mod stage;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use epm_control::StoreError;
use epm_event_log::{EventLog, LogError};
use epm_proto::v1::delivery_server::DeliveryServer;
use epm_proto::v1::enrolment_server::EnrolmentServer;
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use self::config::Config;
pub use self::identity::Security;
pub use self::metrics::SharedRegistry;
pub use self::tls::ServerCertificate;

use self::authority::AuthorityError;
use self::delivery::Service;
use self::identity::expel_the_revoked;
use self::metrics::Metrics;
use self::positions::Positions;
use self::routes::Routes;
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
        "{0} can be reached from other machines, and without TLS agents are not authenticated: listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// Change what makes certificates.
    #[error("TLS cannot be offered")]
    Authority(#[from] AuthorityError),
    /// Start again once the control store answers.
    #[error("the control store cannot be used")]
    Control(#[from] StoreError),
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

/// Where agents connect, and how they are known.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    security: Option<Security>,
}

impl Door {
    /// With TLS: an agent is who its certificate says, and may enrol to get one.
    #[must_use]
    pub fn secured(listener: TcpListener, security: Security) -> Self {
        Self {
            listener,
            security: Some(security),
        }
    }
}

/// Without TLS, on this machine only: an agent is who it says.
impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            security: None,
        }
    }
}

/// Serves agents at `door` until `shutdown`, then finishes what it holds within the grace time.
///
/// The log's retained envelopes are read first; connections wait in the listener's backlog meanwhile.
///
/// # Errors
///
/// Where it cannot start, or the log stopped under it.
pub async fn run(
    config: Config,
    door: impl Into<Door>,
    log: Arc<dyn EventLog>,
    registry: SharedRegistry,
    shutdown: CancellationToken,
) -> Result<(), CollectorError> {
    if let Some(contradiction) = config.contradiction() {
        return Err(CollectorError::Config(contradiction));
    }
    let Door { listener, security } = door.into();
    let address = listener.local_addr().map_err(CollectorError::Listener)?;
    if security.is_none() && !address.ip().is_loopback() {
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
    let stage = Stage::new(config, log, positions, metrics, security, &shutdown);
    let stage = Arc::new(stage);
    let served = serve(&stage, listener).await;
    wait_for_streams(&stage).await;
    match stage.failure.get() {
        Some(error) => Err(error.clone().into()),
        None => served,
    }
}

/// Serves until every connection is closed after the draining began, or the grace time is over.
async fn serve(stage: &Arc<Stage>, listener: TcpListener) -> Result<(), CollectorError> {
    let config = &stage.config;
    let delivery = DeliveryServer::new(Service {
        stage: Arc::clone(stage),
    })
    .max_decoding_message_size(config.max_batch_bytes as usize + MESSAGE_OVERHEAD_BYTES);
    let drained = stage.drain.clone().cancelled_owned();
    let server = Server::builder()
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION);
    let mut routes = Routes {
        delivery,
        enrolment: None,
    };
    let serving = match &stage.security {
        None => {
            // The builder's own setting of no-delay does not reach sockets that it did not accept itself.
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            server
                .serve_with_incoming_shutdown(routes, incoming, drained)
                .boxed()
        }
        Some(security) => {
            let acceptor = tls::acceptor(&security.authority, security.server.clone())?;
            let trust_domain = security.authority.trust_domain().to_owned();
            let seen = security.store.head().await?.sequence;
            let store = security.store.clone();
            tokio::spawn(expel_the_revoked(Arc::clone(stage), store, seen));
            let enrolment = enrolment::Service::new(security.clone(), stage.metrics.clone());
            let enrolment = EnrolmentServer::new(enrolment)
                .max_decoding_message_size(enrolment::MAX_MESSAGE_BYTES);
            routes.enrolment = Some(enrolment);
            let incoming = tls::incoming(listener, acceptor, trust_domain);
            server
                .serve_with_incoming_shutdown(routes, incoming, drained)
                .boxed()
        }
    };
    let grace_is_over = async {
        stage.drain.cancelled().await;
        tokio::time::sleep(config.shutdown_grace).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
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
