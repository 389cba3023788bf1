//! One TLS handshake with whoever answers where the collector should be, to see whose certificate that is. Nothing is sent
//! but the handshake, and nothing that is learnt here is trusted: it is told to a person.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// As long as the uplink itself waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why no certificate was seen.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// Nobody could be reached.
    #[error("cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// Whoever answers does not speak TLS.
    #[error("does not speak TLS")]
    NotTls(#[source] std::io::Error),
    /// Nothing came in time.
    #[error("does not answer within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// TLS itself cannot be used.
    #[error("cannot be asked by TLS")]
    Unusable(#[source] rustls::Error),
}

/// The certificates that `host` shows, its own first.
pub(super) async fn shown_by(
    host: &str,
    port: u16,
    name: &ServerName<'static>,
) -> Result<Vec<CertificateDer<'static>>, HandshakeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let witness = Arc::new(Witness {
        provider: Arc::clone(&provider),
        shown: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(HandshakeError::Unusable)?;
    let mut config = config
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    // A proxy may answer other protocols than gRPC's with another certificate.
    config.alpn_protocols = vec![b"h2".to_vec()];
    let shaking = async {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(HandshakeError::Unreachable)?;
        let connector = TlsConnector::from(Arc::new(config));
        // What comes after the certificate is of no moment: a server that wants one of ours ends it here.
        match connector.connect(name.clone(), stream).await {
            Err(error) if witness.shown().is_empty() => Err(HandshakeError::NotTls(error)),
            _ => Ok(()),
        }
    };
    tokio::time::timeout(PATIENCE, shaking)
        .await
        .map_err(|_| HandshakeError::Silent)??;
    Ok(witness.shown())
}

/// Lets every certificate pass, and keeps what it saw. That the server has its key is still proven.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    shown: Mutex<Vec<CertificateDer<'static>>>,
}

impl Witness {
    fn shown(&self) -> Vec<CertificateDer<'static>> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(own).chain(others);
        let all = all.map(|certificate| certificate.clone().into_owned());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = all.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
