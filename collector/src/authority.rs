//! The authority that makes agents' certificates: built in, or an organisation's own. It must not read files or a clock:
//! key material and time are given to it.
//!
//! Its own certificate is what agents trust, so a server certificate that it makes needs no other authority.

mod name;
mod request;

use std::sync::Arc;
use std::time::Duration;

use epm_proto::asn1::Damaged;
use epm_proto::certificate::{CertificateParts, hexadecimal, spiffe_id};
use epm_proto::ids::AgentId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, crypto};

pub use request::AgentKey;

/// The built-in authority's life. Its end is in the certificate's own words, and `epm` tells of it long before.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How far a device's clock may be behind the server's for a new certificate to hold there at once.
const BACKDATED: Duration = Duration::from_secs(5 * 60);
/// Bytes of a serial number, all of them random: it cannot be guessed, and needs no counter.
const SERIAL_BYTES: usize = 16;
/// An authority's file holds its certificate and perhaps those above it.
const MAX_AUTHORITIES: usize = 8;

/// Why an authority cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Correct the file.
    #[error("the authority's certificate cannot be read")]
    Certificate(#[source] rustls::pki_types::pem::Error),
    /// Correct the file.
    #[error("the authority's certificate cannot be used: {0}")]
    Unfit(#[from] Damaged),
    /// Correct the file: at least one, at most a few.
    #[error("the authority's file holds {0} certificates; it may hold 1 to {MAX_AUTHORITIES}")]
    Certificates(usize),
    /// Correct the file.
    #[error("the authority's key cannot be used: it must be a PKCS #8 key in PEM form")]
    Key(#[source] rcgen::Error),
    /// The key is another one's, the certificate may not sign or has ended, or its subject has a form that cannot be
    /// written again.
    #[error("what the authority signs would not be trusted")]
    Untrusted(#[source] rustls::Error),
    /// A certificate could not be made.
    #[error("a certificate cannot be made")]
    Making(#[from] rcgen::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The signing request does not hold, or its key is of another kind than P-256.
    #[error("the signing request does not hold")]
    Request,
}

/// The built-in authority as files keep it.
#[derive(Clone)]
pub struct AuthorityFiles {
    /// Its certificate, PEM. Agents get it; it is no secret.
    pub certificate: String,
    /// Its key, PEM. Whoever has it can be any device.
    pub key: String,
}

impl std::fmt::Debug for AuthorityFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityFiles").finish_non_exhaustive()
    }
}

/// A certificate that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its number, in lower-case hexadecimal digits.
    pub serial: String,
    /// First second in which it no longer holds, since 1970.
    pub not_after_s: i64,
}

/// Makes certificates.
pub struct Authority {
    trust_domain: String,
    certificates: Vec<CertificateDer<'static>>,
    issuer: Issuer<'static, KeyPair>,
    not_after_s: i64,
    random: SystemRandom,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a built-in authority for `trust_domain`, with a P-256 key.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`] and [`AuthorityError::Random`].
    pub fn make(trust_domain: &str, now_s: i64) -> Result<AuthorityFiles, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("EPM agents of {trust_domain}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(SerialNumber::from_slice(&serial(&SystemRandom::new())?));
        set_validity(&mut params, now_s, now_s + seconds(AUTHORITY_LIFE));
        Ok(AuthorityFiles {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// Takes an authority from PEM texts: its certificate, perhaps with those above it, and its key. A certificate is made
    /// and verified, so that what cannot work is told now and not by agents.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`].
    pub fn read(
        trust_domain: &str,
        files: &AuthorityFiles,
        now_s: i64,
    ) -> Result<Self, AuthorityError> {
        let certificates = CertificateDer::pem_slice_iter(files.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(AuthorityError::Certificate)?;
        let own = match certificates.first() {
            Some(own) if certificates.len() <= MAX_AUTHORITIES => own,
            _ => return Err(AuthorityError::Certificates(certificates.len())),
        };
        let parts = CertificateParts::read(own)?;
        let key = KeyPair::from_pem(&files.key).map_err(AuthorityError::Key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name::read(&parts.subject)?;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = Self {
            trust_domain: trust_domain.to_owned(),
            not_after_s: parts.not_after_s,
            issuer: Issuer::new(params, key),
            random: SystemRandom::new(),
            certificates,
        };
        authority.try_out(now_s)?;
        Ok(authority)
    }

    fn try_out(&self, now_s: i64) -> Result<(), AuthorityError> {
        let agent = AgentId::default();
        let made = self.issue(agent, &KeyPair::generate()?, now_s, BACKDATED)?;
        let now = u64::try_from(now_s).map_err(|_| Damaged)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.verifier()?
            .verify_client_cert(&made.certificate, &[], now)
            .map(drop)
            .map_err(AuthorityError::Untrusted)
    }

    /// Verifies that a certificate is one of this authority's.
    pub(crate) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, AuthorityError> {
        let untrusted = |error: String| AuthorityError::Untrusted(rustls::Error::General(error));
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificates[0].clone())
            .map_err(AuthorityError::Untrusted)?;
        let provider = Arc::new(crypto::ring::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|error| untrusted(error.to_string()))
    }

    /// Whose fleet it is.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// What agents trust.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Makes the certificate of an agent for `life`, or for as long as the authority itself lasts.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`] and [`AuthorityError::Random`].
    pub fn issue(
        &self,
        agent_id: AgentId,
        key: &impl PublicKeyData,
        now_s: i64,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&agent_id.to_string());
        let name = spiffe_id(&self.trust_domain, agent_id);
        params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, key, now_s, life)
    }

    /// Makes a certificate for a server with these names or addresses, and its key.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Making`] and [`AuthorityError::Random`].
    pub fn issue_for_server(
        &self,
        names: &[String],
        now_s: i64,
        life: Duration,
    ) -> Result<(Issued, PrivateKeyDer<'static>), AuthorityError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name("EPM collector");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let issued = self.sign(params, &key, now_s, life)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((issued, PrivateKeyDer::Pkcs8(key)))
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        now_s: i64,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        let number = serial(&self.random)?;
        let not_after_s = (now_s + seconds(life)).min(self.not_after_s);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.serial_number = Some(SerialNumber::from_slice(&number));
        set_validity(&mut params, now_s - seconds(BACKDATED), not_after_s);
        let certificate = params.signed_by(key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.der().clone(),
            serial: hexadecimal(&number),
            not_after_s,
        })
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX / 2)
}

/// Positive, and with a first byte that is not zero, so that every reader writes the same digits.
fn serial(random: &SystemRandom) -> Result<[u8; SERIAL_BYTES], AuthorityError> {
    let mut bytes = [0; SERIAL_BYTES];
    random
        .fill(&mut bytes)
        .map_err(|_| AuthorityError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(bytes)
}

fn set_validity(params: &mut CertificateParams, from_s: i64, to_s: i64) {
    let at = |second: i64| {
        let since = Duration::from_secs(u64::try_from(second).unwrap_or(0));
        rcgen::date_time_ymd(1970, 1, 1) + since
    };
    params.not_before = at(from_s);
    params.not_after = at(to_s);
}
