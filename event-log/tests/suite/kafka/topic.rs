//! The topic is made with settings that keep what is acknowledged, and one that has others is refused setting by setting.

use epm_event_log::{EventLog, KafkaLog, LogError, OnMissing};
use epm_test_components::Broker;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::{address, open};

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .unwrap()
}

async fn make(broker: &Broker, name: &str, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, 2, TopicReplication::Fixed(1));
    for (name, value) in settings {
        topic = topic.set(name, value);
    }
    let made = admin(broker)
        .create_topics([&topic], &AdminOptions::new())
        .await;
    made.unwrap().remove(0).unwrap();
}

#[tokio::test]
async fn a_topic_is_made_with_settings_that_keep_what_is_acknowledged() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = open(broker, "made", "&retention-days=45").await;
    assert_eq!(log.partitions(), 6);
    let topic = ResourceSpecifier::Topic("made");
    let described = admin(broker)
        .describe_configs([&topic], &AdminOptions::new())
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    for (name, value) in [
        ("cleanup.policy", "delete"),
        ("min.insync.replicas", "1"),
        ("retention.ms", "3888000000"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("unclean.leader.election.enable", "false"),
    ] {
        let held = described.get(name).and_then(|entry| entry.value.as_deref());
        assert_eq!(held, Some(value), "{name}");
    }
    // Again, with the same options, and from elsewhere at the same time.
    let again = address(broker, "made", "&partitions=6");
    let (one, other) = tokio::join!(
        KafkaLog::open(&again, OnMissing::Create),
        KafkaLog::open(&again, OnMissing::Refuse)
    );
    assert_eq!(
        (one.unwrap().partitions(), other.unwrap().partitions()),
        (6, 6)
    );
}

#[tokio::test]
async fn a_topic_that_would_lose_records_is_refused_setting_by_setting() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    make(
        broker,
        "unfit",
        &[
            ("cleanup.policy", "compact"),
            ("retention.ms", "604800000"),
            ("retention.bytes", "1000000"),
            ("max.message.bytes", "1000"),
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
            ("unclean.leader.election.enable", "true"),
        ],
    )
    .await;
    let wanted = format!("{}&partitions=3", broker.address("unfit"))
        .replace("replication-factor=1", "replication-factor=3")
        .replace("min-insync-replicas=1", "min-insync-replicas=2");
    let wanted = epm_event_log::KafkaAddress::parse(&wanted).unwrap();
    let error = KafkaLog::open(&wanted, OnMissing::Create)
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, LogError::Unfit { .. }), "{said}");
    for words in [
        "it has 2 partitions and partitions=3",
        "its replication factor is 1 and must be at least 3",
        "min.insync.replicas is 1 and must be at least 2",
        "cleanup.policy is compact and must be delete",
        "retention.ms is 604800000 and must be -1 or at least 2592000000",
        "retention.bytes is 1000000 and must be -1",
        "max.message.bytes is 1000 and must be from",
        "message.timestamp.type is LogAppendTime and must be CreateTime",
        "compression.type is zstd and must be",
        "unclean.leader.election.enable is true and must be false",
        "kafka-configs --alter",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_cluster_with_too_few_brokers_is_told_with_the_options_that_accept_it() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let wanted = broker
        .address("copies")
        .replace("?replication-factor=1&min-insync-replicas=1", "");
    let wanted = epm_event_log::KafkaAddress::parse(&wanted).unwrap();
    let error = KafkaLog::open(&wanted, OnMissing::Create)
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("fewer brokers than replication-factor=3")
            && said.contains("replication-factor=1&min-insync-replicas=1"),
        "{said}"
    );
}

#[tokio::test]
async fn a_topic_that_is_not_to_be_made_is_not_made() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let wanted = address(broker, "absent", "");
    for _ in 0..2 {
        let error = KafkaLog::open(&wanted, OnMissing::Refuse)
            .await
            .unwrap_err();
        assert!(matches!(error, LogError::NoTopic { .. }), "{error}");
        assert!(error.to_string().contains("start the collector first"));
    }
}
