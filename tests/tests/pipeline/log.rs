//! Where the event log of a test lies: in a folder, or in a topic of a real Kafka broker. What must hold for both is one
//! function that takes a log, and two tests that name it. It must not know what is written to the log.

use std::path::Path;
use std::sync::Arc;

use epm_event_log::{EmbeddedConfig, EmbeddedLog, EventLog, KafkaAddress, KafkaLog, OnMissing};
use epm_test_components::Broker;

/// An event log that a test names to programs, or opens itself.
#[derive(Clone, Debug)]
pub(crate) enum TestLog {
    /// `log` in the data folder.
    Folder,
    /// The address of a topic.
    Topic(String),
}

impl TestLog {
    /// A topic of its own on the broker that the tests of this binary share. `None` where there is no Kafka.
    pub(crate) fn topic(name: &str) -> Option<Self> {
        Some(Self::Topic(Broker::shared()?.address(name)))
    }

    /// What follows `--data` in the commands that look there for the log.
    pub(crate) fn beside_data(&self) -> Vec<&str> {
        match self {
            Self::Folder => Vec::new(),
            Self::Topic(address) => vec!["--log", address],
        }
    }

    /// The value of `--log` for a role of its own on the data folder `data`.
    pub(crate) fn place(&self, data: &str) -> String {
        match self {
            Self::Folder => format!("{data}/log"),
            Self::Topic(address) => address.clone(),
        }
    }

    /// The log, made where it is absent.
    pub(crate) async fn open(&self, data: &Path) -> Arc<dyn EventLog> {
        match self {
            Self::Folder => {
                let config = EmbeddedConfig::default();
                Arc::new(EmbeddedLog::open(&data.join("log"), config).unwrap())
            }
            Self::Topic(address) => {
                let address = KafkaAddress::parse(address).unwrap();
                let log = KafkaLog::open(&address, OnMissing::Create).await;
                Arc::new(log.unwrap())
            }
        }
    }
}
