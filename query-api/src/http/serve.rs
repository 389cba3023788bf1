//! Runs the query API on a listener that is already bound, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use epm_control::ControlStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::SharedRegistry;
use crate::{AppState, QueryError, ReadAccess, ReportEngine, router};

/// How long answers on their way may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// What the query API needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder or address of the tables.
    pub tables: String,
    /// Who may read, and everything that people change. None: whoever reaches the address may read.
    pub control: Option<ControlStore>,
    /// Whether reports can be read without signing in.
    pub access: ReadAccess,
}

/// Why the query API ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Anybody who reaches the address could read every report. Refuse.
    #[error(
        "{address} can be reached from other machines, and there is neither encryption nor sign-in yet; \
         listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// What the listener is bound to.
        address: SocketAddr,
    },
    /// The listener failed. Stop.
    #[error("the listener failed")]
    Listener(#[from] std::io::Error),
    /// The tables' address cannot be understood. Refuse.
    #[error(transparent)]
    Tables(#[from] QueryError),
}

/// Serves reports and the console until `shutdown`, then lets answers on their way finish.
///
/// # Errors
/// See [`ServeError`].
pub async fn run(
    config: Config,
    listener: TcpListener,
    registry: SharedRegistry,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    let state = AppState::new(
        ReportEngine::open(&config.tables)?,
        config.control,
        config.access,
        registry,
    );
    // Answers are written whole: waiting to fill a packet only delays them.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let stopping = shutdown.clone();
    let serving = axum::serve(
        listener,
        router(state).into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move { stopping.cancelled().await });
    let out_of_grace = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = async { serving.await } => Ok(ended?),
        () = out_of_grace => {
            tracing::warn!(grace_s = GRACE.as_secs(), "answers were cut off at the end");
            Ok(())
        }
    }
}
