//! Where the event log is, a folder on this machine or a topic of Kafka, and how a command opens it. Every command that
//! runs until it is stopped waits for a log that is not there yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use epm_event_log::{
    EmbeddedConfig, EmbeddedLog, EventLog, KafkaAddress, KafkaLog, LogError, OnMissing,
};
use tokio_util::sync::CancellationToken;

use crate::failure::{ExitCode, Failure, with_causes};
use crate::terminal::note;

/// Time between two looks for a log that is not there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Where the event log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// Segment files in a folder.
    Folder(PathBuf),
    /// A topic.
    Kafka(Box<KafkaAddress>),
}

impl LogPlace {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// The remedy, where it is the address of something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        if KafkaAddress::is_meant(text) {
            let address = KafkaAddress::parse(text).map_err(|error| error.to_string())?;
            return Ok(Self::Kafka(Box::new(address)));
        }
        if text.contains("://") || text.is_empty() {
            return Err("write a folder, or kafka://BROKER:9092/TOPIC".to_owned());
        }
        Ok(Self::Folder(PathBuf::from(text)))
    }
}

impl std::fmt::Display for LogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Kafka(address) => write!(f, "{address}"),
        }
    }
}

/// The log for appending; makes it where it is absent. `None` where the wait for a broker was ended.
pub(crate) async fn open_to_append(
    place: &LogPlace,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    match place {
        LogPlace::Folder(folder) => open_folder(folder).map(Some),
        LogPlace::Kafka(address) => wait_for_topic(address, OnMissing::Create, stop).await,
    }
}

/// The log for reading; a collector that starts at the same time may not have made it yet. `None` where the wait was
/// ended.
pub(crate) async fn open_to_follow(
    place: &LogPlace,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    match place {
        LogPlace::Folder(folder) => wait_for_folder(folder, stop).await,
        LogPlace::Kafka(address) => wait_for_topic(address, OnMissing::Refuse, stop).await,
    }
}

/// The log as it is now, for a command that ends.
pub(crate) async fn open_to_examine(place: &LogPlace) -> Result<Arc<dyn EventLog>, Failure> {
    match place {
        LogPlace::Folder(folder) => open_folder(folder),
        LogPlace::Kafka(address) => match KafkaLog::open(address, OnMissing::Refuse).await {
            Ok(log) => Ok(Arc::new(log)),
            Err(error) => Err(log_failure(&error)),
        },
    }
}

fn open_folder(folder: &Path) -> Result<Arc<dyn EventLog>, Failure> {
    match EmbeddedLog::open(folder, EmbeddedConfig::default()) {
        Ok(log) => Ok(Arc::new(log)),
        Err(error) => Err(log_failure(&error)),
    }
}

async fn wait_for_folder(
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    let mut is_told = false;
    loop {
        match EmbeddedLog::open_read_only(folder) {
            Ok(log) => return Ok(Some(Arc::new(log))),
            Err(error @ (LogError::Io { .. } | LogError::Format { .. }))
                if !folder.join("partitions").exists() =>
            {
                tell_once(
                    &mut is_told,
                    "waiting for a collector to make the log",
                    &error,
                );
            }
            Err(error) => return Err(log_failure(&error)),
        }
        if !again(stop).await {
            return Ok(None);
        }
    }
}

async fn wait_for_topic(
    address: &KafkaAddress,
    on_missing: OnMissing,
    stop: &CancellationToken,
) -> Result<Option<Arc<dyn EventLog>>, Failure> {
    let mut is_told = false;
    loop {
        let opened = tokio::select! {
            opened = KafkaLog::open(address, on_missing) => opened,
            () = stop.cancelled() => return Ok(None),
        };
        match opened {
            Ok(log) => return Ok(Some(Arc::new(log))),
            Err(error) if error.is_retryable() => {
                tell_once(&mut is_told, "waiting for Kafka", &error);
            }
            Err(error @ LogError::NoTopic { .. }) => {
                tell_once(
                    &mut is_told,
                    "waiting for a collector to make the log",
                    &error,
                );
            }
            Err(error) => return Err(log_failure(&error)),
        }
        if !again(stop).await {
            return Ok(None);
        }
    }
}

fn tell_once(is_told: &mut bool, what: &str, error: &LogError) {
    if !std::mem::replace(is_told, true) {
        note(format_args!("{what}: {}", with_causes(error)));
    }
}

/// False where the wait was ended.
async fn again(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(LOOK_AGAIN) => true,
        () = stop.cancelled() => false,
    }
}

/// What a log that cannot be opened means for the command.
fn log_failure(error: &LogError) -> Failure {
    let code = match error {
        LogError::Locked { .. } => ExitCode::InUse,
        LogError::Unavailable { .. }
        | LogError::Refused { .. }
        | LogError::KeptOut { .. }
        | LogError::NoTopic { .. }
        | LogError::Unfit { .. }
        | LogError::Configuration(_) => ExitCode::Failed,
        _ => ExitCode::DataFolder,
    };
    Failure::because("the event log cannot be opened", error).with(code, "")
}
