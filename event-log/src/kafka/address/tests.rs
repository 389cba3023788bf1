//! What an address says, and what is refused with which words.

use super::*;

fn refusal(text: &str) -> String {
    KafkaAddress::parse(text)
        .expect_err("the address is refused")
        .to_string()
}

#[test]
fn an_address_names_brokers_and_a_topic_and_has_safe_defaults() {
    let address = KafkaAddress::parse("kafka://a,b:9093,[::1]/epm.events").expect("an address");
    assert_eq!(address.brokers, "a:9092,b:9093,[::1]:9092");
    assert_eq!(address.topic, "epm.events");
    assert_eq!(
        (
            address.replication_factor,
            address.min_insync_replicas,
            address.retention_days
        ),
        (3, 2, Some(90))
    );
    assert!(address.tls.is_none() && address.sasl.is_none());
    assert_eq!(
        address.to_string(),
        "kafka://a:9092,b:9093,[::1]:9092/epm.events"
    );
}

#[test]
fn tls_and_sasl_are_named_by_files() {
    let address = KafkaAddress::parse(
        "kafkas://a/t?tls-ca=/etc/my%20ca.pem&tls-certificate=/c&tls-key=/k&sasl=scram-sha-512&sasl-username=epm&sasl-password-file=/p&retention-days=forever",
    )
    .expect("an address");
    let tls = address.tls.clone().expect("TLS");
    assert_eq!(tls.ca, Some(PathBuf::from("/etc/my ca.pem")));
    assert_eq!(tls.client, Some((PathBuf::from("/c"), PathBuf::from("/k"))));
    assert_eq!(
        address.sasl.as_ref().map(|sasl| sasl.mechanism),
        Some(Mechanism::ScramSha512)
    );
    assert_eq!(address.retention_days, None);
    assert_eq!(address.to_string(), "kafkas://a:9092/t");
}

#[test]
fn a_properties_file_gives_what_the_address_does_not() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(
        file.path(),
        "# ours\n\npartitions = 12\nretention-days=60\n",
    )
    .expect("written");
    let path = file.path().display();
    let address = KafkaAddress::parse(&format!("kafka://a/t?retention-days=45&properties={path}"))
        .expect("an address");
    assert_eq!(
        (address.partitions, address.retention_days),
        (Some(12), Some(45))
    );
    std::fs::write(file.path(), "partitions=2\nacks=0\n").expect("written");
    let said = refusal(&format!("kafka://a/t?properties={path}"));
    assert!(
        said.contains("line 2") && said.contains("no option acks"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_used_is_refused_with_the_remedy() {
    let cases = [
        ("kafka://a", "the topic is missing"),
        ("kafka:///t", "not a broker"),
        ("kafka://a:b/t", "not a broker"),
        ("kafka://a/t/u", "not the name of a topic"),
        ("kafka://me:secret@a/t", "credentials do not belong"),
        (
            "kafka://a/t?acks=0",
            "no option acks; the options are group",
        ),
        (
            "kafka://a/t?partitions=1&partitions=2",
            "partitions is named twice",
        ),
        ("kafka://a/t?partitions=none", "a whole number from 1"),
        ("kafka://a/t?retention-days=7", "a whole number from 30"),
        (
            "kafka://a/t?replication-factor=1",
            "raise replication-factor",
        ),
        (
            "kafka://a/t?sasl=gssapi",
            "one of plain, scram-sha-256, scram-sha-512",
        ),
        ("kafka://a/t?sasl=plain", "name all three"),
        ("kafka://a/t?tls-key=/k", "name both files"),
        (
            "kafka://a/t?sasl=plain&sasl-username=u&sasl-password-file=/p",
            "write kafkas://",
        ),
        ("kafka://a/t?properties=/nowhere/at/all", "/nowhere/at/all"),
    ];
    for (address, words) in cases {
        let said = refusal(address);
        assert!(said.contains(words), "{address}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
