//! Whether somebody between the agent and its collector opens the connection: whoever answers by TLS is compared with whom
//! the agent expects. A proxy that inspects shows a certificate of its own authority, and no policy comes through it.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use rustls_pki_types::pem::PemObject as _;
use tonic::transport::Uri;

use super::Check;
use super::handshake::shown_by;
use super::link::CERTIFICATE_WARNING_US;
use crate::cli::failure::with_causes;
use crate::cli::queue::stamp;
use crate::file_facts::authenticode::Certificate;

const CHECK: &str = "inspection";
/// Where a system keeps the authorities that it trusts: Debian and SUSE, then Red Hat, then Alpine and others.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Port of https where an address names none.
const HTTPS: u16 = 443;

/// Whom the agent expects to have issued the collector's certificate.
struct Expected {
    roots: RootCertStore,
    /// The file, as it is told; none where the system's own authorities are taken.
    file: Option<PathBuf>,
}

/// Where TLS is spoken.
struct Place {
    host: String,
    port: u16,
    name: ServerName<'static>,
}

/// Who answers at `url`, and how long that certificate holds. `authority` is the file of the collector's authority.
pub(super) async fn inspection(url: &str, authority: Option<&Path>, now_us: i64) -> Vec<Check> {
    let place = match Place::of(url) {
        Ok(place) => place,
        Err(check) => return vec![*check],
    };
    let expected = match Expected::of(authority) {
        Ok(expected) => expected,
        Err(check) => return vec![*check],
    };
    let shown = match shown_by(&place.host, place.port, &place.name).await {
        Ok(shown) => shown,
        Err(error) => {
            return vec![Check::warning(
                CHECK,
                format!("not known: {place} {}", with_causes(&error)),
                "Make the collector reachable, or correct --collector URL.",
            )];
        }
    };
    let own = shown.first().and_then(|own| Certificate::read(own));
    let Some(own) = own else {
        return vec![Check::failed(
            CHECK,
            format!("{place} shows a certificate that cannot be read"),
            "See who answers there; it is no collector.",
        )];
    };
    let shows = format!("{place} shows a certificate that");
    match expected.judged(&shown, &place.name, now_us) {
        // The second is an authority that only has the name of the right one.
        Err(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => {
            vec![expected.inspected(&place, &shown, &own, now_us)]
        }
        // How long it holds is a check of its own.
        Err(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ))
        | Ok(()) => vec![
            Check::ok(
                CHECK,
                format!("{shows} {} issued, {}", own.issuer, expected.as_words()),
            ),
            life(&place, &own, now_us),
        ],
        Err(error) => vec![
            Check::failed(
                CHECK,
                format!("{shows} cannot be taken: {error}"),
                "Correct --collector URL to a name in the collector's certificate, or renew that certificate.",
            ),
            life(&place, &own, now_us),
        ],
    }
}

impl Place {
    /// Where `url` leads by TLS; otherwise what is to be said of it.
    fn of(url: &str) -> Result<Self, Box<Check>> {
        let uri: Option<Uri> = url.trim().parse().ok();
        let uri = uri.as_ref();
        let parts = uri.and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
        let (host, port) = match parts {
            Some(("https", host, port)) => (host, port.unwrap_or(HTTPS)),
            Some(("http", ..)) => {
                return Err(Box::new(Check::ok(
                    CHECK,
                    "http:// reaches collectors on this device only, so nothing lies between; TLS is not used",
                )));
            }
            _ => {
                return Err(Box::new(Check::warning(
                    CHECK,
                    "not known without the address of a collector",
                    "Correct --collector URL.",
                )));
            }
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match ServerName::try_from(bare.to_owned()) {
            Ok(name) => Ok(Self {
                host: bare.to_owned(),
                port,
                name,
            }),
            Err(_) => Err(Box::new(Check::failed(
                CHECK,
                format!("{host} is no name of a server"),
                "Correct --collector URL.",
            ))),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Expected {
    fn of(authority: Option<&Path>) -> Result<Self, Box<Check>> {
        let (path, file) = match authority {
            Some(path) => (Some(path), Some(path.to_owned())),
            None => (
                SYSTEM_ROOTS
                    .iter()
                    .map(Path::new)
                    .find(|path| path.exists()),
                None,
            ),
        };
        let mut roots = RootCertStore::empty();
        if let Some(path) = path {
            let read = CertificateDer::pem_file_iter(path).map(Iterator::flatten);
            match (read, &file) {
                (Ok(certificates), _) => {
                    roots.add_parsable_certificates(certificates);
                }
                (Err(error), Some(_)) => {
                    let reason = format!("{} cannot be read: {error}", path.display());
                    return Err(Box::new(Check::failed(
                        CHECK,
                        reason,
                        "Correct --collector-ca FILE.",
                    )));
                }
                (Err(_), None) => {}
            }
        }
        match (roots.is_empty(), &file) {
            (true, Some(path)) => Err(Box::new(Check::failed(
                CHECK,
                format!("there is no certificate in {}", path.display()),
                "Correct --collector-ca FILE: certificates in PEM.",
            ))),
            _ => Ok(Self { roots, file }),
        }
    }

    fn as_words(&self) -> String {
        match &self.file {
            Some(file) => format!("as {} has it", file.display()),
            None => "whom this device trusts; only --collector-ca FILE can tell whether it is the collector's own".to_owned(),
        }
    }

    /// As the agent would judge it.
    fn judged(
        &self,
        shown: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now_us: i64,
    ) -> Result<(), Error> {
        let (own, others) = shown.split_first().ok_or(Error::NoCertificatesPresented)?;
        let own = ParsedCertificate::try_from(own)?;
        let seconds = u64::try_from(now_us / 1_000_000).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        verify_server_cert_signed_by_trust_anchor(&own, &self.roots, others, now, algorithms.all)?;
        verify_server_name(&own, name)
    }

    /// What stands between, as far as its certificate tells.
    fn inspected(
        &self,
        place: &Place,
        shown: &[CertificateDer<'_>],
        own: &Certificate,
        now_us: i64,
    ) -> Check {
        let issuer = &own.issuer;
        let remedy = format!(
            "Except {place} from TLS inspection on the proxy or firewall: policies do not come through one."
        );
        let Some(file) = &self.file else {
            return Check::failed(
                CHECK,
                format!(
                    "{place} shows a certificate that {issuer} issued, whom this device does not trust"
                ),
                format!(
                    "Name the collector's authority with --collector-ca FILE. If it is another: {remedy}"
                ),
            );
        };
        // Whoever inspects has its authority installed on the device first.
        let is_trusted_here =
            Self::of(None).is_ok_and(|system| system.judged(shown, &place.name, now_us).is_ok());
        let trusted = match is_trusted_here {
            true => ", whom this device trusts,",
            false => "",
        };
        Check::failed(
            CHECK,
            format!(
                "a TLS-inspecting proxy or another server answers at {place}: its certificate is issued by {issuer}{trusted} and \
                 not by the authority in {}",
                file.display()
            ),
            format!(
                "{remedy} If the collector has a new authority, give its file with --collector-ca."
            ),
        )
    }
}

/// How long the certificate of whoever answers holds.
fn life(place: &Place, own: &Certificate, now_us: i64) -> Check {
    const CHECK: &str = "certificate";
    let us = |seconds: i64| seconds.saturating_mul(1_000_000);
    let (begins_us, ends_us) = (us(own.not_before_s), us(own.not_after_s));
    let remedy = "Renew the collector's certificate, and see why it was not renewed by itself.";
    let reason = format!("that of {place} holds until {}", stamp(ends_us));
    // A certificate that lives for days is renewed in its last third.
    let warning_us = CERTIFICATE_WARNING_US.min((ends_us - begins_us) / 3);
    match ends_us - now_us {
        left if left <= 0 => Check::failed(CHECK, reason, remedy),
        left if left < warning_us => Check::warning(CHECK, reason, remedy),
        _ if begins_us > now_us => Check::failed(
            CHECK,
            format!("that of {place} holds from {} on only", stamp(begins_us)),
            "Set the clock of this device, or of the collector's authority.",
        ),
        _ => Check::ok(CHECK, reason),
    }
}
