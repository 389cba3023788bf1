//! TLS on the agents' listener: the server's certificate, which can be replaced while it runs, and the agents'. It must not
//! decide who may deliver: an agent's certificate that has ended is let through here, because it may still renew, and
//! because a refusal is an event only where it is known whose it was.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use epm_proto::certificate::{AgentCertificate, CertificateParts};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::authority::{Authority, AuthorityError};

/// Handshakes at once: each costs a millisecond of one core, so more would only make all of them late.
const MAX_HANDSHAKES: usize = 256;
/// A slow link needs a few round trips; a stranger gets no more.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// Before accepting again when the system had no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The certificate that agents see. Clones share it.
#[derive(Clone, Debug)]
pub struct ServerCertificate(Arc<RwLock<Arc<CertifiedKey>>>);

impl ServerCertificate {
    /// A chain, the server's own certificate first, and its key.
    ///
    /// # Errors
    ///
    /// Where the key cannot be used, or is another one's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let certified = certified(chain, key)?;
        Ok(Self(Arc::new(RwLock::new(certified))))
    }

    /// Shows another one from the next handshake on.
    ///
    /// # Errors
    ///
    /// As [`ServerCertificate::new`]; then the one before stays.
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<(), Error> {
        let certified = certified(chain, key)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, Error> {
    let certified = CertifiedKey::new(chain, any_supported_type(key)?);
    certified.keys_match()?;
    Ok(Arc::new(certified))
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// Verifies as webpki does, at the last moment of a certificate that has ended.
#[derive(Debug)]
struct AlsoEnded(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AlsoEnded {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now);
        let ended = matches!(
            verified,
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. }
            ))
        );
        let last = CertificateParts::read(end_entity)
            .ok()
            .and_then(|parts| u64::try_from(parts.not_after_s - 1).ok());
        match last {
            Some(last) if ended => self.0.verify_client_cert(
                end_entity,
                intermediates,
                UnixTime::since_unix_epoch(Duration::from_secs(last)),
            ),
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Who is on the other side of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What its certificate says; none where it showed none, as an agent that enrols.
    pub(crate) certificate: Option<Arc<AgentCertificate>>,
}

/// A connection whose handshake is done.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
}

/// Accepts what `authority` made, and whoever shows no certificate.
pub(crate) fn acceptor(
    authority: &Authority,
    shown: ServerCertificate,
) -> Result<TlsAcceptor, AuthorityError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(AuthorityError::Untrusted)?
        .with_client_cert_verifier(Arc::new(AlsoEnded(authority.verifier()?)))
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would bring an identity that nobody looked at again.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections of `listener`, each once its handshake is done. Ends when the receiver is dropped.
pub(crate) fn incoming(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    trust_domain: String,
) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(MAX_HANDSHAKES);
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    tokio::spawn(async move {
        loop {
            // Only closed with the program.
            let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = ready.closed() => return,
            };
            let Ok((stream, address)) = accepted else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let (acceptor, ready) = (acceptor.clone(), ready.clone());
            let trust_domain = trust_domain.clone();
            tokio::spawn(async move {
                let shaken = shake(stream, address, &acceptor, &trust_domain);
                match tokio::time::timeout(HANDSHAKE_PATIENCE, shaken).await {
                    Ok(Ok(connection)) => {
                        // The server stops: nobody waits for it.
                        let _ = ready.send(Ok(connection)).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS with a stranger"),
                    Err(_) => tracing::debug!(%address, "a stranger's handshake takes too long"),
                }
                drop(permit);
            });
        }
    });
    ReceiverStream::new(connections)
}

async fn shake(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    trust_domain: &str,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let shown = stream.get_ref().1.peer_certificates();
    let certificate = shown
        .and_then(|shown| shown.first())
        .map(|own| AgentCertificate::read(own))
        .transpose()
        .map_err(io::Error::other)?;
    if certificate
        .as_ref()
        .is_some_and(|own| own.trust_domain != trust_domain)
    {
        return Err(io::Error::other("a certificate of another trust domain"));
    }
    let certificate = certificate.map(Arc::new);
    Ok(Connection {
        stream,
        peer: Peer {
            address,
            certificate,
        },
    })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
