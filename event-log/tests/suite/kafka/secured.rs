//! Brokers that let in only whom they know: the log works with what is right, and one line says which option is wrong and
//! what to do about it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use epm_event_log::contract::{numbered, read_all};
use epm_event_log::{EventLog, KafkaAddress, KafkaLog, LogError, Offset, OnMissing};
use epm_test_components::{Authority, Broker, Identity, Secured};

use crate::P0;

/// Somebody waits for the message.
const SOON: Duration = Duration::from_secs(8);

/// The broker, and a folder for passwords, of all tests here.
fn shared() -> Option<(&'static Secured, &'static Path)> {
    static SHARED: OnceLock<Option<(Broker, tempfile::TempDir)>> = OnceLock::new();
    let started =
        SHARED.get_or_init(|| Some((Broker::start_secured()?, tempfile::tempdir().ok()?)));
    let (broker, folder) = started.as_ref()?;
    Some((broker.secured(), folder.path()))
}

/// A file that holds a password.
fn password_file(folder: &Path, name: &str, password: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{password}\n")).unwrap();
    text(&path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A topic whose address has these options.
fn topic(brokers: &str, topic: &str, options: &[(&str, &str)]) -> KafkaAddress {
    let mut address = format!(
        "kafkas://{brokers}/{topic}?replication-factor=1&min-insync-replicas=1&retention-days=forever&partitions=1"
    );
    for (name, value) in options {
        address.push_str(&format!("&{name}={value}"));
    }
    KafkaAddress::parse(&address).unwrap()
}

async fn takes_and_gives(address: &KafkaAddress) {
    let log = KafkaLog::open(address, OnMissing::Create).await.unwrap();
    let receipt = log.append(P0, vec![numbered(1), numbered(2)]).await;
    let first = receipt.unwrap().first;
    assert_eq!(read_all(&log, P0, first).await.len(), 2);
    log.store_position("reader", P0, Offset(1)).await.unwrap();
    assert_eq!(log.position("reader", P0).await.unwrap(), Some(Offset(1)));
    log.trim(P0, Offset(1)).await.unwrap();
}

/// What a user reads where the topic at `address` cannot be opened.
async fn refusal(address: &KafkaAddress) -> String {
    let began = Instant::now();
    let error = KafkaLog::open(address, OnMissing::Create)
        .await
        .unwrap_err();
    assert!(!error.is_retryable(), "it does not pass: {error}");
    assert!(began.elapsed() < SOON, "{error}: {:?}", began.elapsed());
    if let LogError::KeptOut { cause, .. } = &error {
        assert!(!cause.to_string().is_empty());
    }
    error.to_string()
}

#[tokio::test]
async fn name_and_password_over_tls_are_let_in() {
    let Some((secured, folder)) = shared() else {
        return;
    };
    let (user, password) = secured.user();
    let file = password_file(folder, "right", password);
    let ca = text(&secured.authority());
    for mechanism in ["plain", "scram-sha-256", "scram-sha-512"] {
        let address = topic(
            &secured.sasl_bootstrap(),
            mechanism,
            &[
                ("tls-ca", &ca),
                ("sasl", mechanism),
                ("sasl-username", user),
                ("sasl-password-file", &file),
            ],
        );
        takes_and_gives(&address).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_with_its_options_and_never_shown() {
    let Some((secured, folder)) = shared() else {
        return;
    };
    let (user, password) = secured.user();
    let ca = text(&secured.authority());
    let wrong = password_file(folder, "wrong", "hunter2");
    let right = password_file(folder, "right-for-another", password);
    for (mechanism, user, file) in [
        ("plain", user, &wrong),
        ("scram-sha-512", user, &wrong),
        ("scram-sha-256", "bob", &right),
    ] {
        let address = topic(
            &secured.sasl_bootstrap(),
            "refused",
            &[
                ("tls-ca", &ca),
                ("sasl", mechanism),
                ("sasl-username", user),
                ("sasl-password-file", file),
            ],
        );
        let said = refusal(&address).await;
        let named = format!("sasl-username={user}");
        for word in [&named, "sasl-password-file", file] {
            assert!(said.contains(word), "{mechanism} should say {word}: {said}");
        }
        assert!(
            !said.contains("hunter2") && !said.contains(password),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_broker_whose_certificate_is_not_trusted_is_told_with_the_option() {
    let Some((secured, folder)) = shared() else {
        return;
    };
    let Some(other) = Authority::new("other") else {
        return;
    };
    let (user, password) = secured.user();
    let file = password_file(folder, "right-here", password);
    let (ca, other) = (text(&secured.authority()), text(&other.certificate()));
    let ours = secured.sasl_bootstrap();
    // Its certificate names the address and not this name of it.
    let by_name = ours.replace("127.0.0.1", "localhost");
    let credentials = [
        ("sasl", "scram-sha-512"),
        ("sasl-username", user),
        ("sasl-password-file", file.as_str()),
    ];
    for (brokers, ca, words) in [
        (&ours, Some(&other), format!("tls-ca is {other}")),
        (&ours, None, "tls-ca is not set".to_owned()),
        (&by_name, Some(&ca), format!("trust for {by_name}")),
    ] {
        let mut options = credentials.to_vec();
        options.extend(ca.map(|ca| ("tls-ca", ca.as_str())));
        let said = refusal(&topic(brokers, "refused", &options)).await;
        assert!(said.contains(&words), "{said}");
        assert!(
            said.contains("name the authority that signed it with tls-ca"),
            "{said}"
        );
    }
}

fn certificate(ca: &Path, client: Option<(&PathBuf, &PathBuf)>) -> Vec<(&'static str, String)> {
    let mut options = vec![("tls-ca", text(ca))];
    if let Some((certificate, key)) = client {
        options.push(("tls-certificate", text(certificate)));
        options.push(("tls-key", text(key)));
    }
    options
}

#[tokio::test]
async fn a_certificate_is_let_in_and_a_missing_or_foreign_one_is_told_with_the_option() {
    let Some((secured, _)) = shared() else {
        return;
    };
    let Some(other) = Authority::new("other") else {
        return;
    };
    let at = |client: Option<(&PathBuf, &PathBuf)>| {
        let options = certificate(&secured.authority(), client);
        let options: Vec<_> = options
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        topic(&secured.mutual_bootstrap(), "mutual", &options)
    };
    fn pair(identity: &Identity) -> Option<(&PathBuf, &PathBuf)> {
        Some((&identity.certificate, &identity.key))
    }
    let (client, stranger) = (secured.client("collector"), other.sign("stranger"));
    takes_and_gives(&at(pair(&client))).await;

    let said = refusal(&at(None)).await;
    assert!(said.contains("it asks for a certificate"), "{said}");
    assert!(said.contains("tls-certificate and tls-key"), "{said}");
    let said = refusal(&at(pair(&stranger))).await;
    let named = format!(
        "does not accept tls-certificate {}",
        text(&stranger.certificate)
    );
    assert!(said.contains(&named), "{said}");
    let said = refusal(&at(Some((&client.certificate, &stranger.key)))).await;
    assert!(
        said.contains("tls-key: it must hold the key of tls-certificate"),
        "{said}"
    );
    let said = refusal(&at(Some((&client.key, &client.key)))).await;
    assert!(
        said.contains("tls-certificate: it must hold a certificate"),
        "{said}"
    );
}

// A broker that stops closes connections without a word too.
#[tokio::test]
async fn a_broker_that_expects_another_protocol_is_waited_for_with_a_word_about_it() {
    let Some((secured, _)) = shared() else {
        return;
    };
    let ca = text(&secured.authority());
    let without_sasl = topic(&secured.sasl_bootstrap(), "t", &[("tls-ca", &ca)]);
    let without_tls = KafkaAddress::parse(&format!("kafka://{}/t", secured.sasl_bootstrap()));
    let without_tls = without_tls.unwrap();
    let (sasl, tls) = tokio::join!(
        KafkaLog::open(&without_sasl, OnMissing::Create),
        KafkaLog::open(&without_tls, OnMissing::Create)
    );
    for (error, words) in [
        (sasl.unwrap_err(), "name sasl if"),
        (tls.unwrap_err(), "write kafkas:// if"),
    ] {
        assert!(error.is_retryable(), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(words), "{cause}");
    }
}

#[tokio::test]
async fn an_authority_that_is_no_certificate_is_told_with_the_option() {
    let Some((secured, folder)) = shared() else {
        return;
    };
    let file = password_file(folder, "no-certificate", "this is not a certificate");
    let said = refusal(&topic(
        &secured.mutual_bootstrap(),
        "mutual",
        &[("tls-ca", &file)],
    ))
    .await;
    assert!(
        said.contains("tls-ca: it must hold certificates in PEM"),
        "{said}"
    );
}
