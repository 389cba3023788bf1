//! Who may deliver: each way in which a certificate or a device is wrong ends in one refusal, a count and an event.

use epm_collector::ServerCertificate;
use epm_collector::authority::{Authority, AuthorityError, AuthorityFiles};
use epm_control::{AdmissionRefusal, CloneSign, DeviceEvent, EnrolmentToken};
use epm_proto::certificate::AgentCertificate;
use epm_proto::ids::AgentId;
use tonic::{Code, Status};

use crate::harness::{AGENT, EPOCH, hello, records};
use crate::secured::{
    Credentials, DAY, Secured, new_authority, now_s, secured, server_certificate, token,
};

const OTHER: AgentId = AgentId([9; 16]);

fn assert_says_nothing(refusal: &Status) {
    let said = (refusal.code(), refusal.message());
    assert_eq!(said, (Code::Unauthenticated, "not accepted"));
}

fn refused(events: &[DeviceEvent], wanted: AdmissionRefusal) -> bool {
    events.iter().any(
        |event| matches!(event, DeviceEvent::ConnectionRefused { reason, .. } if *reason == wanted),
    )
}

async fn assert_refused(
    secured: &Secured,
    device: &Credentials,
    said: AgentId,
    of: AgentId,
    reason: AdmissionRefusal,
) {
    let metric = format!(
        "epm_collector_streams_refused_total{{reason=\"{}\"}}",
        reason.name()
    );
    let before = secured.collector.metric(&metric);
    assert_says_nothing(&device.refusal(secured.address(), said).await);
    assert_eq!(secured.collector.metric(&metric), before + 1.0, "{reason}");
    assert!(refused(&secured.events(of).await, reason), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_enrols_delivers_and_renews_and_the_copy_of_its_old_certificate_ends() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let address = secured.address();
    let stranger = Credentials::new(&secured.authority);
    let given = stranger.enrol(address, &token().text(), AGENT).await;
    let given = given.expect("credentials");
    assert_eq!(given.agent_id, AGENT.as_bytes());
    let own = AgentCertificate::read(&given.chain[0]).expect("certificate");
    assert_eq!((own.agent_id, &*own.trust_domain), (AGENT, "epm.test"));
    let life_s = own.not_after_s - now_s();
    assert!((29 * 86_400..=30 * 86_400).contains(&life_s), "{life_s}");
    assert!(own.not_before_s <= now_s() - 290);

    let first = stranger.with(given);
    let mut stream = first.open(address, hello(AGENT)).await.expect("stream");
    stream.hello().await;
    stream.send_batch(records(1..=3)).await;
    assert_eq!(stream.ack().await.durable_before, 4);
    let renewed = first.renew(address).await.expect("credentials");
    // Both hold until the new one is used.
    let mut stream = first.open(address, hello(AGENT)).await.expect("stream");
    stream.hello().await;
    let second = first.with(renewed);
    let mut stream = second.open(address, hello(AGENT)).await.expect("stream");
    stream.hello().await;
    assert_refused(&secured, &first, AGENT, AGENT, AdmissionRefusal::Superseded).await;
    assert_says_nothing(&first.renew(address).await.expect_err("it is a copy"));
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agents_id_in_the_hello_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let device = secured.device(AGENT, DAY).await;
    secured.device(OTHER, DAY).await;
    let reason = AdmissionRefusal::AnotherAgent;
    // The event is of the device whose certificate it is.
    assert_refused(&secured, &device, OTHER, AGENT, reason).await;
    assert!(!refused(&secured.events(OTHER).await, reason));
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_loses_its_open_stream_at_once_and_gets_no_other() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let device = secured.device(AGENT, DAY).await;
    let bystander = secured.device(OTHER, DAY).await;
    let address = secured.address();
    let mut stream = device.open(address, hello(AGENT)).await.expect("stream");
    stream.hello().await;
    let mut other = bystander.open(address, hello(OTHER)).await.expect("stream");
    other.hello().await;
    let began = std::time::Instant::now();
    secured.revoke(AGENT).await;
    assert_says_nothing(&stream.refusal().await);
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    assert_refused(&secured, &device, AGENT, AGENT, AdmissionRefusal::Revoked).await;
    assert_says_nothing(&device.renew(address).await.expect_err("it is revoked"));
    let again = device.enrol(address, &token().text(), AGENT).await;
    assert_says_nothing(&again.expect_err("it is revoked"));
    drop(other);
    let mut other = bystander.open(address, hello(OTHER)).await.expect("stream");
    other.hello().await;
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_renews_within_the_grace_time_and_not_after_it() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let address = secured.address();
    let late = secured.device(AGENT, 31 * DAY).await;
    let too_late = secured.device(OTHER, 45 * DAY).await;
    let reason = AdmissionRefusal::Expired;
    assert_refused(&secured, &late, AGENT, AGENT, reason).await;
    let renewed = late.with(late.renew(address).await.expect("credentials"));
    let mut stream = renewed.open(address, hello(AGENT)).await.expect("stream");
    stream.hello().await;

    assert_says_nothing(&too_late.renew(address).await.expect_err("too late"));
    assert!(refused(&secured.events(OTHER).await, reason));
    assert_says_nothing(&too_late.refusal(address, OTHER).await);
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_enrolled_is_refused_though_its_certificate_is_ours() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let mut forged = Credentials::new(&secured.authority);
    let issued = secured.authority.issue(OTHER, &forged.key, now_s(), DAY);
    forged.chain = vec![issued.expect("certificate").certificate];
    assert_refused(&secured, &forged, OTHER, OTHER, AdmissionRefusal::Unknown).await;
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_certificate_of_ours_delivers_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let stranger = Credentials::new(&secured.authority);
    assert_says_nothing(&stranger.refusal(secured.address(), AGENT).await);
    assert_says_nothing(
        &stranger
            .renew(secured.address())
            .await
            .expect_err("a stranger"),
    );
    let (_, elsewhere) = new_authority();
    let mut foreign = Credentials::new(&secured.authority);
    let issued = elsewhere.issue(AGENT, &foreign.key, now_s(), DAY);
    foreign.chain = vec![issued.expect("certificate").certificate];
    let refused = match foreign.channel(secured.address()).await {
        Err(_) => true,
        Ok(_) => foreign.open(secured.address(), hello(AGENT)).await.is_err(),
    };
    assert!(refused);
    assert_eq!(secured.collector.entries().await.len(), 0);
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_spool_is_seen_by_its_boots_and_by_its_sequences() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let device = secured.device(AGENT, DAY).await;
    let boot = |boot: u8, next_sequence| epm_proto::v1::ClientHello {
        boot_id: vec![boot; 16],
        next_sequence,
        ..hello(AGENT)
    };
    let signs = async || {
        let events = secured.events(AGENT).await;
        let signs = events.iter().filter_map(|event| match event {
            DeviceEvent::CloneSeen { sign, .. } => Some(*sign),
            _ => None,
        });
        signs.collect::<Vec<_>>()
    };
    // A device that is started anew is none.
    let mut open = Vec::new();
    for (number, next) in [(1, 1), (1, 1), (2, 1)] {
        let mut stream = device
            .open(secured.address(), boot(number, next))
            .await
            .expect("stream");
        stream.hello().await;
        open.push(stream);
    }
    assert_eq!(signs().await, []);
    let stream = device.open(secured.address(), boot(1, 1)).await;
    let mut stream = stream.expect("stream");
    stream.hello().await;
    assert_eq!(signs().await, [CloneSign::TwoBoots]);
    stream.send_batch(records(1..=9)).await;
    assert_eq!(stream.ack().await.durable_before, 10);
    let mut copy = device
        .open(secured.address(), boot(1, 5))
        .await
        .expect("stream");
    copy.hello().await;
    let both = [CloneSign::TwoBoots, CloneSign::SequenceWentBack];
    assert_eq!(signs().await, both);
    let row = secured.store.device(uuid::Uuid::from_bytes(AGENT.0)).await;
    assert!(row.expect("row").expect("device").clone_seen_at.is_some());
    assert_eq!(EPOCH, hello(AGENT).epoch);
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_enrols_as_the_same_agent_and_uses_nothing_up() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let address = secured.address();
    let device = Credentials::new(&secured.authority);
    let token_text = token().text();
    for said in [AGENT, AGENT, OTHER] {
        let given = device.enrol(address, &token_text, said).await;
        assert_eq!(given.expect("credentials").agent_id, AGENT.as_bytes());
    }
    let (state, _) = secured
        .store
        .load::<EnrolmentToken>(token().id())
        .await
        .expect("token");
    assert_eq!(state.enrolled(), 1);
    // Another key is another device, and takes no id from one that is there.
    let thief = Credentials::new(&secured.authority);
    let taken = thief.enrol(address, &token_text, AGENT).await;
    assert_says_nothing(&taken.expect_err("the id is taken"));
    let second = thief.enrol(address, &token_text, OTHER).await;
    assert_eq!(second.expect("credentials").agent_id, OTHER.as_bytes());
    // The quota of two is used up; that, and a wrong token, get the same answer.
    let third = Credentials::new(&secured.authority);
    let head = secured.head().await;
    for token in [
        token_text.clone(),
        token_text.replace('p', "q"),
        String::new(),
    ] {
        let refused = third.enrol(address, &token, AgentId([3; 16])).await;
        assert_says_nothing(&refused.expect_err("no token holds"));
    }
    assert_eq!(secured.head().await, head);
    let metric =
        "epm_collector_certificates_refused_total{call=\"enrol\",reason=\"token_used_up\"}";
    assert_eq!(secured.collector.metric(metric), 1.0);
    secured.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_certificate_is_replaced_while_it_runs() {
    let folder = tempfile::tempdir().expect("folder");
    let secured = secured(folder.path()).await;
    let (_, other) = new_authority();
    let trusts_other = Credentials::new(&other);
    assert!(trusts_other.channel(secured.address()).await.is_err());
    let (chain, key) = server_certificate(&other);
    let (_, wrong) = server_certificate(&other);
    assert!(secured.server.replace(chain.clone(), &wrong).is_err());
    assert!(trusts_other.channel(secured.address()).await.is_err());
    secured.server.replace(chain, &key).expect("certificate");
    assert!(trusts_other.channel(secured.address()).await.is_ok());
    secured.collector.stop().await;
}

#[test]
fn an_authority_that_nobody_would_trust_is_refused() {
    let (files, _) = new_authority();
    let (others, _) = new_authority();
    let read = |certificate: &str, key: &str| {
        let files = AuthorityFiles {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        Authority::read("epm.test", &files, now_s()).map(drop)
    };
    assert!(read(&files.certificate, &files.key).is_ok());
    let wrong_key = read(&files.certificate, &others.key).expect_err("another key");
    assert!(
        matches!(wrong_key, AuthorityError::Untrusted(_)),
        "{wrong_key}"
    );
    let nothing = read("", &files.key).expect_err("nothing");
    assert!(matches!(nothing, AuthorityError::Certificates(0)));
    assert!(read(&files.certificate, "").is_err());
    let (_, authority) = new_authority();
    let (chain, _) = server_certificate(&authority);
    let (_, other_key) = server_certificate(&authority);
    assert!(ServerCertificate::new(chain, &other_key).is_err());
}
