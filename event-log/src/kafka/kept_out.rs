//! Why a broker and we do not let each other in, and which option of the address to change. It must not repeat a secret,
//! and must not take a broker that is away for one that does not want us.

use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::address::KafkaAddress;
use crate::error::{BrokerError, LogError};

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
            let is_of_certificate = words.contains("certificate") || words.contains("unknown ca");
            return Some(match is_of_certificate {
                true => Self::OurCertificate,
                false => Self::Tls,
            });
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
            Self::Tls => "TLS does not come about: write kafka:// where that port is without TLS, or let both speak TLS 1.2 or newer"
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

/// What the library says of a connection, with our names for its options and without that of its thread.
pub(super) fn in_our_words(message: &str) -> String {
    let words = message
        .split_once("]: ")
        .map_or(message, |(_, words)| words);
    FILES
        .iter()
        .fold(words.to_owned(), |words, (library, option, _)| {
            words.replace(library, option)
        })
}

/// A connection that the broker closes over and over, without a word. It may be one that comes back, or one that wants
/// another protocol than `address` says.
pub(super) fn guessed(cause: &Arc<BrokerError>, address: &KafkaAddress) -> Arc<BrokerError> {
    let words = cause.connection.as_deref().unwrap_or_default();
    let is_closed = ["Disconnected", "Broken pipe", "Connection reset"]
        .iter()
        .any(|end| words.contains(end));
    let guess = match (&address.tls, &address.sasl) {
        (None, _) => "write kafkas:// if that port of the broker speaks TLS",
        (Some(_), None) => "name sasl if that port of the broker asks for a name and a password",
        (Some(_), Some(_)) => return Arc::clone(cause),
    };
    if !is_closed {
        return Arc::clone(cause);
    }
    Arc::new(BrokerError {
        kafka: cause.kafka.clone(),
        connection: Some(format!("{words}: {guess}")),
    })
}
