//! Where a topic is and how it is reached, as one address: `kafka://broker:9092/topic?option=value`.
//!
//! The address names files that hold secrets and never a secret, so that it may stand in a process list or a log. It
//! must not open a connection.

use std::path::PathBuf;

use super::options::{Options, read_properties};

/// Port of a broker that names none.
const DEFAULT_PORT: u16 = 9092;
/// Days that a topic made by us keeps entries: three times what the processor asks for, so that it may be down for two
/// months before the first entry goes that no table has.
const DEFAULT_RETENTION_DAYS: u32 = 90;
/// Days that any topic must keep entries.
pub(super) const LEAST_RETENTION_DAYS: u32 = 30;

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Write another address.
    #[error("write kafka://BROKER:9092/TOPIC, or kafkas:// for TLS: {0}")]
    Form(String),
    /// Remove the credentials.
    #[error(
        "credentials do not belong into an address: name them with sasl-username and sasl-password-file"
    )]
    Credentials,
    /// Use an option that exists.
    #[error("{place}: there is no option {name}; the options are {known}")]
    Unknown {
        /// Where it was found.
        place: String,
        /// Its name.
        name: String,
        /// All there are.
        known: String,
    },
    /// Name it once.
    #[error("{place}: option {name} is named twice")]
    Twice {
        /// Where it was found.
        place: String,
        /// Its name.
        name: String,
    },
    /// Write another value.
    #[error("{place}: {name}={value}: {need}")]
    Value {
        /// Where it was found.
        place: String,
        /// Its name.
        name: String,
        /// What it was given.
        value: String,
        /// What it needs.
        need: String,
    },
    /// Options that do not go together.
    #[error("{0}")]
    Contradiction(String),
    /// The properties file cannot be read.
    #[error("properties file {path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
}

/// A topic and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAddress {
    /// `host:port` of brokers to ask first, separated by commas.
    pub brokers: String,
    /// Name of the topic.
    pub topic: String,
    /// TLS, where the connection uses it.
    pub tls: Option<Tls>,
    /// How we say who we are, where we do.
    pub sasl: Option<Sasl>,
    /// Name before those of the consumer groups under which positions are kept.
    pub group: String,
    /// Partitions of a topic that is made now; an existing one must have as many where this is given.
    pub partitions: Option<u32>,
    /// Copies of each entry.
    pub replication_factor: u32,
    /// Copies that are written before an entry counts as durable.
    pub min_insync_replicas: u32,
    /// Days that a topic which is made now keeps entries; `None` for ever.
    pub retention_days: Option<u32>,
}

/// Files of a TLS connection, in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities that may sign a broker's certificate; the system's where this is absent.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: Mechanism,
    /// Name.
    pub username: String,
    /// File that holds the password.
    pub password_file: PathBuf,
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password is sent, so the connection must be TLS.
    Plain,
    /// SCRAM with SHA-256.
    ScramSha256,
    /// SCRAM with SHA-512.
    ScramSha512,
}

impl Mechanism {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("plain", Self::Plain),
        ("scram-sha-256", Self::ScramSha256),
        ("scram-sha-512", Self::ScramSha512),
    ];
}

impl KafkaAddress {
    /// True where `text` is meant to be the address of a topic.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        ["kafka://", "kafkas://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    }

    /// Reads an address, and the properties file that it may name.
    ///
    /// # Errors
    ///
    /// [`AddressError`] names the option and the remedy.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let form = |why: &str| AddressError::Form(why.to_owned());
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| form("the scheme is missing"))?;
        let over_tls = match scheme {
            "kafka" => false,
            "kafkas" => true,
            _ => return Err(form("the scheme is another one")),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if place.contains('@') {
            return Err(AddressError::Credentials);
        }
        let (brokers, topic) = place
            .split_once('/')
            .ok_or_else(|| form("the topic is missing"))?;
        let mut options = Options::of_query(query)?;
        if let Some(path) = options.take("properties") {
            options.fill(read_properties(&PathBuf::from(path.text))?);
        }
        let address = Self {
            brokers: brokers_of(brokers)?,
            topic: topic_of(topic)?,
            tls: tls_of(&mut options, over_tls)?,
            sasl: sasl_of(&mut options)?,
            group: options
                .take("group")
                .map_or_else(|| "epm".to_owned(), |group| group.text),
            partitions: options.number("partitions", 1, 1000)?,
            replication_factor: options.number("replication-factor", 1, 100)?.unwrap_or(3),
            min_insync_replicas: options.number("min-insync-replicas", 1, 100)?.unwrap_or(2),
            retention_days: retention_of(&mut options)?,
        };
        address.check()?;
        Ok(address)
    }

    fn check(&self) -> Result<(), AddressError> {
        let contradiction = |words: String| Err(AddressError::Contradiction(words));
        if self.min_insync_replicas > self.replication_factor {
            return contradiction(format!(
                "min-insync-replicas is {} and replication-factor {}: there would never be enough copies; raise replication-factor",
                self.min_insync_replicas, self.replication_factor
            ));
        }
        let sends_password = self
            .sasl
            .as_ref()
            .is_some_and(|sasl| sasl.mechanism == Mechanism::Plain);
        if sends_password && self.tls.is_none() && !self.is_loopback() {
            return contradiction(
                "sasl=plain sends the password as it is: write kafkas:// for TLS, or use sasl=scram-sha-512"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// True where every broker is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.brokers.split(',').all(|broker| {
            let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        })
    }
}

impl std::fmt::Display for KafkaAddress {
    /// Without options.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() {
            "kafkas"
        } else {
            "kafka"
        };
        write!(f, "{scheme}://{}/{}", self.brokers, self.topic)
    }
}

fn brokers_of(text: &str) -> Result<String, AddressError> {
    let broker = |text: &str| {
        let has_port = text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let is_bare = !text.is_empty() && (!text.contains(':') || text.ends_with(']'));
        match (has_port, is_bare) {
            (true, _) => Ok(text.to_owned()),
            (_, true) => Ok(format!("{text}:{DEFAULT_PORT}")),
            _ => Err(AddressError::Form(format!(
                "{text:?} is not a broker and its port"
            ))),
        }
    };
    let brokers: Result<Vec<_>, _> = text.split(',').map(broker).collect();
    Ok(brokers?.join(","))
}

fn topic_of(text: &str) -> Result<String, AddressError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // Kafka's own rule.
    let is_name =
        (1..=249).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
    if is_name {
        return Ok(text.to_owned());
    }
    Err(AddressError::Form(format!(
        "{text:?} is not the name of a topic: it has letters, digits, '.', '_' and '-'"
    )))
}

fn tls_of(options: &mut Options, over_tls: bool) -> Result<Option<Tls>, AddressError> {
    let ca = options.path("tls-ca");
    let certificate = options.path("tls-certificate");
    let key = options.path("tls-key");
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(AddressError::Contradiction(
                "tls-certificate and tls-key go together: name both files".to_owned(),
            ));
        }
    };
    let any = ca.is_some() || client.is_some();
    Ok((over_tls || any).then_some(Tls { ca, client }))
}

fn sasl_of(options: &mut Options) -> Result<Option<Sasl>, AddressError> {
    let mechanism = options.one_of("sasl", &Mechanism::ALL)?;
    let username = options.take("sasl-username").map(|name| name.text);
    let password_file = options.path("sasl-password-file");
    match (mechanism, username, password_file) {
        (None, None, None) => Ok(None),
        (Some(mechanism), Some(username), Some(password_file)) => Ok(Some(Sasl {
            mechanism,
            username,
            password_file,
        })),
        _ => Err(AddressError::Contradiction(
            "sasl, sasl-username and sasl-password-file go together: name all three".to_owned(),
        )),
    }
}

fn retention_of(options: &mut Options) -> Result<Option<u32>, AddressError> {
    if options.take_if("retention-days", "forever") {
        return Ok(None);
    }
    // Kafka counts in milliseconds, which leaves room for 290 million years; a thousand are enough.
    let days = options.number("retention-days", LEAST_RETENTION_DAYS, 365_000)?;
    Ok(Some(days.unwrap_or(DEFAULT_RETENTION_DAYS)))
}

#[cfg(test)]
mod tests;
