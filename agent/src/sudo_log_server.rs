//! A log server for sudo: a stock sudo with `log_servers` in its sudoers tells us of every run, refusal and exit.
//!
//! It speaks the protocol of sudo_logsrv.proto(5), on loopback as plain text and elsewhere over TLS. Here connections
//! are taken and bounded; one connection is `session.rs`'s. It must not keep what a command read or wrote: that input and
//! output comes only where sudo logs it, and is acknowledged and dropped.

mod event;
mod framing;
mod message;
mod peer;
mod session;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Agent;
use framing::Frames;
use session::Ended;

pub use tls::{Tls, TlsError};

/// Connections at a time. A run of sudo holds one until its command ends, so this is how many shells may be open.
const MAX_CONNECTIONS: usize = 1_024;
/// Longest pause of a client that has not told of a run yet; sudo does so within milliseconds.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// Wait after a connection could not be taken, for example because file descriptors ran out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What came in since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Runs that were recorded, sub-commands included.
    pub accepted: AtomicU64,
    /// Refusals that were recorded.
    pub rejected: AtomicU64,
    /// Exits that were recorded.
    pub exited: AtomicU64,
    /// Alerts: problems that sudo had. They tell of no elevation and are only counted.
    pub alerts: AtomicU64,
    /// Connections that were refused, or ended because of what the client sent.
    pub refused: AtomicU64,
}

/// How connections come in.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Plain text. Only root of this device is heard: sudo connects as root, and the kernel says who connected.
    Plain,
    /// TLS. Only clients with a certificate of the named authority are heard.
    Tls(Tls),
}

/// Why a server was not started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Plain text would leave the device.
    #[error(
        "sudo's records may come in plain text only from this device, not at {0}: name a certificate, a key and the clients' authority, or listen on 127.0.0.1"
    )]
    PlainBeyondLoopback(SocketAddr),
    /// The listener does not say where it listens.
    #[error("the listener has no address")]
    NoAddress(#[source] std::io::Error),
}

/// Takes connections from `listener` and records through `agent` until `stop`; open connections are then told to end.
///
/// # Errors
///
/// At the start only. What one client does wrong ends its connection and is counted.
pub async fn run(
    listener: TcpListener,
    transport: Transport,
    agent: Arc<Agent>,
    counts: Arc<Counts>,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let address = listener.local_addr().map_err(ServerError::NoAddress)?;
    if matches!(transport, Transport::Plain) && !address.ip().is_loopback() {
        return Err(ServerError::PlainBeyondLoopback(address));
    }
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let frames = framing::budget();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            taken = listener.accept() => taken,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let Ok((stream, peer)) = stream else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            tracing::warn!("a client of the sudo log server was turned away: too many connections");
            counts.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let client = Client {
            transport: transport.clone(),
            agent: Arc::clone(&agent),
            counts: Arc::clone(&counts),
            frames: Arc::clone(&frames),
            stop: stop.clone(),
        };
        connections.spawn(async move {
            client.serve(stream, address, peer).await;
            drop(place);
        });
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// What serving one connection needs.
struct Client {
    transport: Transport,
    agent: Arc<Agent>,
    counts: Arc<Counts>,
    frames: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Client {
    async fn serve(self, stream: TcpStream, server: SocketAddr, peer: SocketAddr) {
        // Answers are small and awaited: they must not wait to be joined with others.
        let _ = stream.set_nodelay(true);
        let ended = match &self.transport {
            Transport::Plain => match peer::Client::of(peer, server) {
                Ok(client) if client.is_root() => {
                    // Before sudo is answered: until then it is there, and called sudo.
                    let sudo = tokio::task::spawn_blocking(move || client.sudo()).await;
                    self.talk(stream, sudo.ok().flatten()).await
                }
                Ok(_) => Ended::Stranger,
                Err(error) => Ended::Unknown(error),
            },
            Transport::Tls(tls) => {
                let accepted = tokio::time::timeout(HELLO_TIMEOUT, tls.accept(stream));
                match accepted.await {
                    Ok(Ok(stream)) => self.talk(stream, None).await,
                    Ok(Err(error)) => Ended::Transport(error),
                    Err(_) => Ended::Silent,
                }
            }
        };
        if let Some(why) = ended.trouble() {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(why, "a connection to the sudo log server ended early");
        }
    }

    async fn talk<S>(&self, stream: S, sudo: Option<u64>) -> Ended
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
    {
        let frames = Frames::new(stream, Arc::clone(&self.frames));
        session::Session::new(frames, &self.agent, &self.counts, sudo)
            .run(HELLO_TIMEOUT, &self.stop)
            .await
    }
}
