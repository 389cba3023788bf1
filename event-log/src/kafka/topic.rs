//! The topic as the event log needs it: made with these settings where it is absent, checked against them where it is
//! there. It must not change a topic that somebody else made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::address::{KafkaAddress, LEAST_RETENTION_DAYS};
use super::client::{Asker, Context, REQUEST_TIMEOUT, meaning, settings};
use crate::error::LogError;

/// Partitions of a topic that is made now: work for as many processors one day, and few enough to read one by one.
const DEFAULT_PARTITIONS: u32 = 6;
/// How long a topic that was made may take until every partition has a leader.
const CREATION_PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Least bytes of a batch that the topic takes: what the producer makes at most. Kafka's own default is a little more.
const LEAST_MESSAGE_BYTES: i64 = 1_000_000;
/// Most bytes of a batch that the topic may take: a foreign record as large as this can still be read, and counted.
pub(super) const MOST_MESSAGE_BYTES: i64 = 64 << 20;
const DAY_MS: i64 = 86_400_000;

/// What to do where there is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMissing {
    /// Make it.
    Create,
    /// Leave everything as it is.
    Refuse,
}

/// Finds the topic, or makes it, and checks it. Returns how many partitions it has.
pub(super) async fn prepare(
    address: &KafkaAddress,
    asker: &Arc<Asker>,
    on_missing: OnMissing,
) -> Result<u32, LogError> {
    let admin = Admin::connect(address)?;
    let mut shape = shape(address, asker).await?;
    if shape.is_none() {
        if on_missing == OnMissing::Refuse {
            let topic = address.topic.clone();
            return Err(LogError::NoTopic { topic });
        }
        admin.create(address).await?;
        let deadline = Instant::now() + CREATION_PATIENCE;
        while shape.is_none() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
            shape = self::shape(address, asker).await?;
        }
    }
    let shape = shape.ok_or_else(|| LogError::NoTopic {
        topic: address.topic.clone(),
    })?;
    let config = admin.describe(address).await?;
    let misfits = misfits(address, &shape, &|name| {
        config.get(name).and_then(|entry| entry.value.clone())
    });
    if misfits.is_empty() {
        return Ok(shape.partitions);
    }
    Err(LogError::Unfit {
        topic: address.topic.clone(),
        misfits: misfits.join("; "),
    })
}

/// What the cluster says of a topic without its settings.
#[derive(Clone, Copy, Debug)]
struct Shape {
    partitions: u32,
    /// Of the partition that has fewest.
    copies: u32,
}

/// `None` where the topic is absent, or not yet led by anybody.
async fn shape(address: &KafkaAddress, asker: &Arc<Asker>) -> Result<Option<Shape>, LogError> {
    let topic = address.topic.clone();
    asker
        .ask_first("what topics there are", move |consumer, timeout| {
            // Every topic is asked for: asking for one by name would make it on a cluster that makes topics by itself.
            let metadata = consumer.fetch_metadata(None, timeout)?;
            let Some(found) = metadata.topics().iter().find(|held| held.name() == topic) else {
                return Ok(None);
            };
            if let Some(error) = found.error() {
                return Err(KafkaError::MetadataFetch(error.into()));
            }
            let is_led = found
                .partitions()
                .iter()
                .all(|partition| partition.leader() >= 0);
            let copies = found
                .partitions()
                .iter()
                .map(|partition| partition.replicas().len())
                .min();
            Ok(copies.filter(|_| is_led).map(|copies| Shape {
                partitions: found.partitions().len() as u32,
                copies: copies as u32,
            }))
        })
        .await
}

/// A connection that makes topics, reads their settings and lets records go.
pub(super) struct Admin {
    client: AdminClient<Context>,
    context: Context,
}

impl Admin {
    pub(super) fn connect(address: &KafkaAddress) -> Result<Self, LogError> {
        use rdkafka::config::FromClientConfigAndContext as _;
        let context = Context::default();
        let client = AdminClient::from_config_and_context(&settings(address)?, context.clone())
            .map_err(|error| meaning("a connection", error, &context))?;
        Ok(Self { client, context })
    }

    fn options() -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(REQUEST_TIMEOUT))
            .operation_timeout(Some(REQUEST_TIMEOUT))
    }

    async fn create(&self, address: &KafkaAddress) -> Result<(), LogError> {
        let doing = "a new topic";
        let retention = address
            .retention_days
            .map_or(-1, |days| i64::from(days) * DAY_MS)
            .to_string();
        let in_sync = address.min_insync_replicas.to_string();
        let mut topic = NewTopic::new(
            &address.topic,
            address.partitions.unwrap_or(DEFAULT_PARTITIONS) as i32,
            TopicReplication::Fixed(address.replication_factor as i32),
        )
        .set("min.insync.replicas", &in_sync)
        .set("retention.ms", &retention);
        for (name, value) in ALWAYS {
            topic = topic.set(name, value);
        }
        let made = self.client.create_topics([&topic], &Self::options()).await;
        let made = made.map_err(|error| meaning(doing, error, &self.context))?;
        match made.into_iter().next() {
            // Another role of ours was first.
            Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) | None => Ok(()),
            Some(Err((_, Code::InvalidReplicationFactor))) => Err(LogError::Unfit {
                topic: address.topic.clone(),
                misfits: format!(
                    "the cluster has fewer brokers than replication-factor={}: add brokers, or accept that a broker that is lost takes acknowledged records with it, by replication-factor=1&min-insync-replicas=1",
                    address.replication_factor
                ),
            }),
            Some(Err((_, code))) => Err(meaning(doing, KafkaError::AdminOp(code), &self.context)),
        }
    }

    async fn describe(&self, address: &KafkaAddress) -> Result<ConfigResource, LogError> {
        let topic = ResourceSpecifier::Topic(&address.topic);
        let described = self
            .client
            .describe_configs([&topic], &Self::options())
            .await;
        let first = described.and_then(|found| {
            let first = found.into_iter().next();
            first
                .ok_or(KafkaError::NoMessageReceived)?
                .map_err(KafkaError::AdminOp)
        });
        first.map_err(|error| meaning("the settings of the topic", error, &self.context))
    }

    /// Lets the records of `partition` below `before` go.
    pub(super) async fn delete_before(
        &self,
        topic: &str,
        partition: i32,
        before: u64,
    ) -> Result<(), LogError> {
        let mut list = rdkafka::TopicPartitionList::new();
        let offset = i64::try_from(before).unwrap_or(i64::MAX);
        let deleted = async {
            list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(offset))?;
            let deleted = self.client.delete_records(&list, &Self::options()).await?;
            deleted
                .elements()
                .iter()
                .try_for_each(|element| element.error())
        };
        deleted
            .await
            .map_err(|error| meaning("letting records go", error, &self.context))
    }
}

/// Settings of every topic that is made here.
const ALWAYS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("message.timestamp.type", "CreateTime"),
    ("unclean.leader.election.enable", "false"),
    ("retention.bytes", "-1"),
    ("max.message.bytes", "1048588"),
    // What our producer writes stays as it is, and what others write in a compression that is not opened here the broker
    // changes into one that is.
    ("compression.type", "lz4"),
];

/// What keeps the topic from being the event log, each with its remedy.
fn misfits(
    address: &KafkaAddress,
    shape: &Shape,
    setting: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(wanted) = address.partitions
        && wanted != shape.partitions
    {
        found.push(format!(
            "it has {} partitions and partitions={wanted} is asked for: leave the option out, or make the topic anew, because agents cannot change their partition",
            shape.partitions
        ));
    }
    if shape.copies < address.replication_factor {
        found.push(format!(
            "its replication factor is {} and must be at least {}: reassign its partitions to more brokers, or lower replication-factor",
            shape.copies, address.replication_factor
        ));
    }
    for need in needs(address) {
        let value = setting(need.name);
        if !value.as_deref().is_some_and(|value| need.fits(value)) {
            let value = value.unwrap_or_else(|| "not known".to_owned());
            found.push(format!(
                "{} is {value} and must be {}: {}",
                need.name, need.words, need.remedy
            ));
        }
    }
    found
}

/// What a setting must be.
struct Need {
    name: &'static str,
    /// One of these words, or a number in this range.
    value: Value,
    words: String,
    remedy: &'static str,
}

enum Value {
    Word(&'static str),
    /// Any word but this.
    Not(&'static str),
    AtLeast(i64),
    /// -1 stands for no limit.
    UnlimitedOrAtLeast(i64),
    Between(i64, i64),
}

impl Need {
    fn fits(&self, text: &str) -> bool {
        let number = text.parse::<i64>();
        match (&self.value, number) {
            (Value::Word(word), _) => text == *word,
            (Value::Not(word), _) => text != *word,
            (Value::AtLeast(least), Ok(number)) => number >= *least,
            (Value::UnlimitedOrAtLeast(least), Ok(number)) => number == -1 || number >= *least,
            (Value::Between(least, most), Ok(number)) => (*least..=*most).contains(&number),
            (_, Err(_)) => false,
        }
    }
}

fn needs(address: &KafkaAddress) -> Vec<Need> {
    let need = |name, value, words: &str, remedy| Need {
        name,
        value,
        words: words.to_owned(),
        remedy,
    };
    let word = |name, word, remedy| need(name, Value::Word(word), word, remedy);
    let in_sync = i64::from(address.min_insync_replicas);
    let kept_ms = i64::from(LEAST_RETENTION_DAYS) * DAY_MS;
    vec![
        need(
            "min.insync.replicas",
            Value::AtLeast(in_sync),
            &format!("at least {in_sync}"),
            "raise it with kafka-configs --alter, or lower min-insync-replicas",
        ),
        need(
            "retention.ms",
            Value::UnlimitedOrAtLeast(kept_ms),
            &format!("-1 or at least {kept_ms}, {LEAST_RETENTION_DAYS} days"),
            "raise it with kafka-configs --alter",
        ),
        need(
            "max.message.bytes",
            Value::Between(LEAST_MESSAGE_BYTES, MOST_MESSAGE_BYTES),
            &format!("from {LEAST_MESSAGE_BYTES} to {MOST_MESSAGE_BYTES}"),
            "change it with kafka-configs --alter",
        ),
        need(
            "compression.type",
            Value::Not("zstd"),
            "lz4, or any other but zstd",
            "this program does not open zstd from Kafka; set compression.type=lz4 with kafka-configs --alter",
        ),
        word(
            "retention.bytes",
            "-1",
            "records would go by size, whether the tables have them or not; limit retention.ms instead",
        ),
        word(
            "cleanup.policy",
            "delete",
            "compaction would drop all but an agent's last record; change it with kafka-configs --alter",
        ),
        word(
            "message.timestamp.type",
            "CreateTime",
            "the timestamp says when the collector received a record; change it with kafka-configs --alter",
        ),
        word(
            "unclean.leader.election.enable",
            "false",
            "a broker that lags would drop acknowledged records; change it with kafka-configs --alter",
        ),
    ]
}
