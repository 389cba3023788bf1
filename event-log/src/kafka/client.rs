//! What every connection to Kafka shares: its settings, what becomes of the library's words, and what an error means.
//!
//! It must not log a setting: one of them is a password.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::address::{KafkaAddress, Mechanism, Sasl, Tls};
use super::kept_out::{KeptOut, guessed, in_our_words, unusable as cannot_be_made};
use crate::entry::{Bounds, Offset, PartitionId};
use crate::error::{BrokerError, LogError};

/// How long a broker may take to answer: an election of another leader takes a few seconds.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first question waits before it looks whether we were let in at all.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long events of a connection that did not answer may take one after another.
const EVENT_WAIT: Duration = Duration::from_millis(20);
/// Events that are taken at once: more than a connection makes in the time of an answer.
const MAX_EVENTS: usize = 100;
/// What the library calls a line about a connection that ended.
const CONNECTION_FAILED: &str = "FAIL";
/// Least time between two lines about a connection that does not work.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);
/// Longest wait before a broker that is gone is tried again: agents wait meanwhile.
const RECONNECT_MAX_MS: &str = "2000";
/// Longest password: a file that is longer is the wrong one.
const MAX_PASSWORD_BYTES: usize = 4096;

/// Settings of a connection. Secrets are read now, so that a new password is used by the next connection.
pub(super) fn settings(address: &KafkaAddress) -> Result<ClientConfig, LogError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &address.brokers)
        .set("client.id", "epm")
        .set("reconnect.backoff.max.ms", RECONNECT_MAX_MS)
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("log.connection.close", "false");
    let protocol = match (&address.tls, &address.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &address.tls {
        set_tls(&mut config, tls)?;
    }
    if let Some(sasl) = &address.sasl {
        set_sasl(&mut config, sasl)?;
    }
    Ok(config)
}

fn set_tls(config: &mut ClientConfig, tls: &Tls) -> Result<(), LogError> {
    config.set("ssl.endpoint.identification.algorithm", "https");
    match &tls.ca {
        Some(ca) => config.set("ssl.ca.location", file("tls-ca", ca)?),
        // Where the system keeps its own; the library knows the usual places.
        None => config.set("ssl.ca.location", "probe"),
    };
    if let Some((certificate, key)) = &tls.client {
        config.set(
            "ssl.certificate.location",
            file("tls-certificate", certificate)?,
        );
        config.set("ssl.key.location", file("tls-key", key)?);
    }
    Ok(())
}

fn set_sasl(config: &mut ClientConfig, sasl: &Sasl) -> Result<(), LogError> {
    let mechanism = match sasl.mechanism {
        Mechanism::Plain => "PLAIN",
        Mechanism::ScramSha256 => "SCRAM-SHA-256",
        Mechanism::ScramSha512 => "SCRAM-SHA-512",
    };
    let path = file("sasl-password-file", &sasl.password_file)?;
    let text = std::fs::read_to_string(&path)
        .map_err(|error| unusable("sasl-password-file", &path, &error.to_string()))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.len() > MAX_PASSWORD_BYTES {
        return Err(unusable(
            "sasl-password-file",
            &path,
            "it does not hold a password",
        ));
    }
    config
        .set("sasl.mechanism", mechanism)
        .set("sasl.username", &sasl.username)
        .set("sasl.password", password);
    Ok(())
}

/// A file's path in the words of the library, where the file can be read.
fn file(option: &str, path: &std::path::Path) -> Result<String, LogError> {
    let text = path.display().to_string();
    match std::fs::File::open(path) {
        Ok(_) => Ok(text),
        Err(error) => Err(unusable(option, &text, &error.to_string())),
    }
}

fn unusable(option: &str, path: &str, why: &str) -> LogError {
    LogError::Configuration(format!("{option} {path}: {why}"))
}

/// What a connection said last of its trouble, and when that was told.
#[derive(Debug, Default)]
struct Trouble {
    code: Option<Code>,
    words: Option<String>,
    told: Option<Instant>,
}

impl Trouble {
    /// That every broker is down follows from a cause that was told before.
    fn is_news(&self, code: Code) -> bool {
        code != Code::AllBrokersDown || self.code.is_none()
    }
}

/// Takes the library's words to our log, and keeps the last for errors that know less.
#[derive(Clone, Debug, Default)]
pub(super) struct Context(Arc<Mutex<Trouble>>);

impl Context {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an error event. Not every kind of client brings its words with it.
    pub(super) fn note(&self, error: &KafkaError) {
        let mut trouble = self.trouble();
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if trouble.is_news(code) {
            trouble.code = Some(code);
        }
        let is_due = trouble
            .told
            .is_none_or(|told| told.elapsed() >= COMPLAINT_INTERVAL);
        if is_due {
            trouble.told = Some(Instant::now());
            let words = trouble.words.as_deref();
            tracing::warn!(%error, words, "a connection to Kafka does not work");
        }
    }

    /// Forgets trouble that is over.
    pub(super) fn works(&self) {
        let mut trouble = self.trouble();
        (trouble.code, trouble.words) = (None, None);
    }

    /// Why the broker and we do not let each other in, where that is the trouble.
    fn kept_out(&self) -> Option<KeptOut> {
        let trouble = self.trouble();
        let words = trouble.words.as_deref().unwrap_or_default();
        KeptOut::of(trouble.code?, words)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if level as i32 <= RDKafkaLogLevel::Error as i32 || facility == CONNECTION_FAILED {
            self.trouble().words = Some(in_our_words(message));
        }
        // What matters arrives as an error too; the rest is for somebody who looks for it.
        tracing::debug!(?level, facility, message, "Kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut trouble = self.trouble();
        if trouble.words.is_none() || error.rdkafka_error_code() != Some(Code::AllBrokersDown) {
            trouble.words = Some(reason.to_owned());
        }
        drop(trouble);
        self.note(&error);
    }
}

impl ConsumerContext for Context {}

/// What `error` means for the caller, with what the connection of `context` said.
pub(super) fn meaning(doing: &'static str, error: KafkaError, context: &Context) -> LogError {
    if let Some(error) = cannot_be_made(&error) {
        return error;
    }
    let passes = error.rdkafka_error_code().is_none_or(is_passing);
    let cause = Arc::new(BrokerError {
        kafka: error,
        connection: context.trouble().words.clone(),
    });
    if passes {
        LogError::Unavailable { doing, cause }
    } else {
        LogError::Refused { doing, cause }
    }
}

/// True for what the same request may not meet later, without anybody changing anything but a broker or a clock.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::QueueFull
            | Code::Retry
            | Code::WaitCache
            | Code::WaitingForCoordinator
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotController
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::ThrottlingQuotaExceeded
            // The clock of this server is wrong, which somebody will see and set.
            | Code::InvalidTimestamp
    )
}

/// A connection that asks for bounds and for what topics there are. Every call blocks, so it runs on a thread for that.
pub(super) struct Asker {
    consumer: BaseConsumer<Context>,
    context: Context,
    address: KafkaAddress,
}

impl Asker {
    pub(super) fn connect(address: &KafkaAddress) -> Result<Arc<Self>, LogError> {
        let context = Context::default();
        let consumer = settings(address)?
            // It says why a connection was closed, which the first question wants to know.
            .set("log.connection.close", "true")
            .set_log_level(RDKafkaLogLevel::Info)
            // Otherwise a partition would seem to end where another program left a transaction open.
            .set("isolation.level", "read_uncommitted")
            .create_with_context(context.clone())
            .map_err(|error| meaning("a connection", error, &context))?;
        Ok(Arc::new(Self {
            consumer,
            context,
            address: address.clone(),
        }))
    }

    /// As [`Asker::ask`] for the first time: a connection that is not let in will not be later either, and looks like
    /// one that does not answer. The question is asked anew until its time is over.
    pub(super) async fn ask_first<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        question: impl Fn(&BaseConsumer<Context>, Duration) -> Result<T, KafkaError>
        + Clone
        + Send
        + 'static,
    ) -> Result<T, LogError> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        loop {
            let question = question.clone();
            let asked = self.ask(doing, move |consumer| question(consumer, FIRST_LOOK));
            let answer = asked.await;
            let Err(LogError::Unavailable { doing, cause }) = &answer else {
                return answer;
            };
            if let Some(why) = self.context.kept_out() {
                return Err(LogError::KeptOut {
                    remedy: why.remedy(&self.address),
                    cause: Arc::clone(cause),
                });
            }
            if Instant::now() >= deadline {
                let (doing, cause) = (*doing, guessed(cause, &self.address));
                return Err(LogError::Unavailable { doing, cause });
            }
        }
    }

    /// Asks on a thread for blocking work.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let asker = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&asker.consumer);
            asker.take_events(match answer {
                Ok(_) => Duration::ZERO,
                Err(_) => EVENT_WAIT,
            });
            match answer {
                Ok(answer) => {
                    asker.context.works();
                    Ok(answer)
                }
                Err(error) => Err(meaning(doing, error, &asker.context)),
            }
        });
        answer.await.map_err(|_| LogError::Closed)?
    }

    /// Its events are trouble only. They are taken so that they do not pile up, and say why there was no answer; a line of
    /// the library's log among them ends a look that does not wait.
    fn take_events(&self, wait: Duration) {
        for _ in 0..MAX_EVENTS {
            match self.consumer.poll(wait) {
                Some(Err(error)) => self.context.note(&error),
                Some(Ok(_)) => {}
                None => return,
            }
        }
    }

    pub(super) async fn bounds(
        self: &Arc<Self>,
        topic: &Arc<str>,
        partition: PartitionId,
    ) -> Result<Bounds, LogError> {
        let topic = Arc::clone(topic);
        let (low, high) = self
            .ask("the bounds of a partition", move |consumer| {
                consumer.fetch_watermarks(&topic, partition.0 as i32, REQUEST_TIMEOUT)
            })
            .await?;
        let offset = |raw: i64| Offset(u64::try_from(raw).unwrap_or(0));
        Ok(Bounds {
            start: offset(low),
            end: offset(high),
        })
    }
}
