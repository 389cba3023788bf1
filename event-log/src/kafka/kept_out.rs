//! Why a broker and we do not let each other in, and which option of the address to change. It must not repeat a secret,
//! and must not take a broker that is away for one that does not want us.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::address::KafkaAddress;
use crate::error::LogError;

/// Who does not accept whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptOut {
    /// The broker does not accept name and password.
    Credentials,
    /// We do not accept the broker's certificate.
    BrokerCertificate,
    /// The broker does not accept our certificate, or that there is none.
    OurCertificate,
    /// The two do not come to TLS terms at all.
    Tls,
}

impl KeptOut {
    /// Reads the code of an error, and the words that the connection had for it.
    pub(super) fn of(code: Code, words: &str) -> Option<Self> {
        // OpenSSL's name for what the other side said before it closed the connection.
        if words.contains("tls alert") {
            return Some(Self::OurCertificate);
        }
        match code {
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState => Some(Self::Credentials),
            Code::SSL if words.contains("certificate verify failed") => {
                Some(Self::BrokerCertificate)
            }
            Code::SSL => Some(Self::Tls),
            _ => None,
        }
    }

    /// What to change in `address`.
    pub(super) fn remedy(self, address: &KafkaAddress) -> String {
        let tls = address.tls.as_ref();
        match self {
            Self::Credentials => match &address.sasl {
                Some(sasl) => format!(
                    "it does not accept the password of sasl-username={}: correct the file that sasl-password-file names, {}, or the user or mechanism on the broker",
                    sasl.username,
                    sasl.password_file.display()
                ),
                None => "it asks who we are: name sasl, sasl-username and sasl-password-file"
                    .to_owned(),
            },
            Self::BrokerCertificate => {
                let trusted = tls.and_then(|tls| tls.ca.as_ref()).map_or_else(
                    || "tls-ca is not set, so the system's authorities count".to_owned(),
                    |ca| format!("tls-ca is {}", ca.display()),
                );
                format!(
                    "its certificate is not one that we trust for {}; {trusted}: name the authority that signed it with tls-ca, and the brokers as their certificates do",
                    address.brokers
                )
            }
            Self::OurCertificate => match tls.and_then(|tls| tls.client.as_ref()) {
                Some((certificate, _)) => format!(
                    "it does not accept tls-certificate {}: name one that has not expired and that an authority of the broker signed",
                    certificate.display()
                ),
                None => "it asks for a certificate: name one with tls-certificate and tls-key"
                    .to_owned(),
            },
            Self::Tls => "TLS does not come about: write kafka:// where that port of the broker is without TLS"
                .to_owned(),
        }
    }
}

/// Options of the library that name files, ours, and what the file must hold.
const FILES: [(&str, &str, &str); 3] = [
    (
        "ssl.ca.location",
        "tls-ca",
        "it must hold certificates in PEM",
    ),
    (
        "ssl.certificate.location",
        "tls-certificate",
        "it must hold a certificate in PEM",
    ),
    (
        "ssl.key.location",
        "tls-key",
        "it must hold the key of tls-certificate, in PEM and without a password",
    ),
];

/// The error of a client that cannot even be made: it names the option.
pub(super) fn unusable(error: &KafkaError) -> Option<LogError> {
    let words = match error {
        KafkaError::ClientCreation(words) => words.clone(),
        // Its own words repeat the value, which may be a password.
        KafkaError::ClientConfig(_, _, name, _) => format!("setting {name} is not accepted"),
        _ => return None,
    };
    let named = FILES.iter().find(|(library, ..)| words.contains(library));
    Some(LogError::Configuration(match named {
        Some((library, option, need)) => {
            let words = words.replace(library, "reading it");
            format!("{option}: {need} ({words})")
        }
        None => words,
    }))
}
