//! Policies from the collector's stream to what is in force, and back what became of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epm_agent::clock::now_us;
use epm_agent::policies::{PolicySource, deliver};
use epm_agent::{Agent, AgentConfig};
use epm_policy::bundle::{Bundle, SigningKey, TrustedKeys};
use epm_policy::{Assignment, Audience, DeviceId, Policies, PolicyVersion, SettingsPolicy};
use epm_proto::v1::{self, PolicyState};
use tokio_util::sync::CancellationToken;

use crate::peer::Peer;
use crate::spool::numbered;

/// The public half of the key by which [`sealed`] signs.
pub(crate) const KEY_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n\
-----END PUBLIC KEY-----\n";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn sealed_by(seed: u8, version: u64, audience: Audience, life_s: i64) -> Vec<u8> {
    let now_s = now_us() / 1_000_000;
    let bundle = Bundle {
        audience,
        not_before_s: now_s - 60,
        expires_s: now_s + life_s,
        policies: Policies {
            version: PolicyVersion(version),
            settings: vec![SettingsPolicy {
                id: "settings".into(),
                name: "Settings".to_owned(),
                assignment: Assignment::all_devices(),
                ..SettingsPolicy::default()
            }],
            ..Policies::default()
        },
    };
    let sealed = bundle.seal(&[&key(seed)]);
    sealed.expect("it can be sealed").into_bytes()
}

pub(crate) fn sealed(version: u64) -> Vec<u8> {
    sealed_by(1, version, Audience::AllDevices, 3600)
}

/// An agent that takes its policies from a peer.
struct Device {
    agent: Arc<Agent>,
    source: Arc<PolicySource>,
    stop: CancellationToken,
    work: Vec<tokio::task::JoinHandle<()>>,
}

impl Device {
    fn start(state: &Path, address: &str) -> Self {
        let config = AgentConfig {
            heartbeat_interval: None,
            longest_wait: Duration::from_millis(20),
            takes_policies: true,
            ..AgentConfig::new(state, address.to_owned())
        };
        let agent = Arc::new(Agent::start(config).expect("it starts"));
        let keys = TrustedKeys::new(vec![key(1).public()]).expect("a key");
        let (source, findings) =
            PolicySource::of_bundles(state, keys, agent.agent_id()).expect("it opens");
        assert!(findings.is_empty(), "{findings:?}");
        let (source, stop) = (Arc::new(source), CancellationToken::new());
        let work = vec![
            tokio::spawn(Arc::clone(&source).follow(stop.clone())),
            tokio::spawn(deliver(
                Arc::clone(&source),
                Arc::clone(&agent),
                stop.clone(),
            )),
        ];
        Self {
            agent,
            source,
            stop,
            work,
        }
    }

    fn version(&self) -> u64 {
        self.source.current().policies().version.0
    }

    async fn stop(self) {
        self.stop.cancel();
        for work in self.work {
            work.await.expect("it ends");
        }
        self.agent.stop().await.expect("it stops");
    }
}

async fn echoed(peer: &Peer, state: PolicyState, version: u64) -> v1::PolicyEcho {
    let wanted = |echo: &&v1::PolicyEcho| echo.state() == state && echo.version == version;
    peer.until(|seen| seen.echoes.iter().find(wanted).cloned())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_arrive_are_in_force_are_echoed_and_outlive_a_restart() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let address = format!("http://{address}");
    let device = Device::start(state.path(), &address);
    let none = echoed(&peer, PolicyState::None, 0).await;
    assert!(none.sha256.is_empty() && !none.detail.is_empty());
    peer.push_policies(sealed(7)).await;
    let echo = echoed(&peer, PolicyState::InForce, 7).await;
    assert_eq!((echo.sha256.len(), device.version()), (32, 7));
    device.stop().await;

    peer.state().echoes.clear();
    peer.state().policies = None;
    let device = Device::start(state.path(), &address);
    let again = echoed(&peer, PolicyState::InForce, 7).await;
    assert_eq!((again.sha256, device.version()), (echo.sha256, 7));
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_are_refused_leave_the_last_good_ones_and_say_why() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let device = Device::start(state.path(), &format!("http://{address}"));
    peer.push_policies(sealed(7)).await;
    echoed(&peer, PolicyState::InForce, 7).await;
    let other = Audience::Device(DeviceId::from("another"));
    for (refused, word) in [
        (sealed(6), "older"),
        (sealed_by(2, 8, Audience::AllDevices, 3600), "key"),
        (sealed_by(1, 8, other, 3600), "another"),
        (b"nonsense".to_vec(), "envelope"),
    ] {
        peer.state().echoes.clear();
        peer.push_policies(refused).await;
        let echo = echoed(&peer, PolicyState::Refused, 7).await;
        assert!(echo.detail.contains(word), "{word}: {}", echo.detail);
        assert_eq!(device.version(), 7);
    }
    let own = Audience::Device(DeviceId::from(device.agent.agent_id().to_string().as_str()));
    peer.push_policies(sealed_by(1, 8, own, 3600)).await;
    echoed(&peer, PolicyState::InForce, 8).await;
    assert_eq!(device.source.trouble(), None);
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_whose_life_is_over_are_in_force_no_longer() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let device = Device::start(state.path(), &format!("http://{address}"));
    peer.push_policies(sealed_by(1, 7, Audience::AllDevices, 2))
        .await;
    echoed(&peer, PolicyState::InForce, 7).await;
    let over = echoed(&peer, PolicyState::None, 7).await;
    assert!(over.detail.contains("expired"), "{}", over.detail);
    assert!(device.source.current().policies().settings.is_empty());
    peer.push_policies(sealed(8)).await;
    echoed(&peer, PolicyState::InForce, 8).await;
    assert_eq!(device.version(), 8);
    device.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_knows_nothing_of_policies_is_told_nothing_of_them() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    peer.state().is_older = true;
    let (address, _stop) = peer.serve().await;
    let device = Device::start(state.path(), &format!("http://{address}"));
    // The stream works, and goes on to work when policies come about otherwise.
    let observation = numbered(1, v1::RecordClass::Unmanaged);
    let observed = device.agent.observe(vec![observation]).await;
    observed.expect("it is durable");
    device.agent.wait_delivered().await;
    device.source.offer(&sealed(7)).expect("it is good");
    let observation = numbered(2, v1::RecordClass::Unmanaged);
    let observed = device.agent.observe(vec![observation]).await;
    observed.expect("it is durable");
    device.agent.wait_delivered().await;
    device.stop().await;
    assert!(peer.state().echoes.is_empty());
    assert_eq!(peer.state().hellos.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_keys_does_not_even_keep_a_bundle() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    peer.state().policies = Some(sealed(7));
    let (address, _stop) = peer.serve().await;
    let config = AgentConfig {
        heartbeat_interval: None,
        ..AgentConfig::new(state.path(), format!("http://{address}"))
    };
    let agent = Agent::start(config).expect("it starts");
    // What is acknowledged now came after the bundle on the same stream.
    let observed = agent.observe(vec![numbered(1, v1::RecordClass::Unmanaged)]);
    observed.await.expect("it is durable");
    agent.wait_delivered().await;
    assert_eq!(*agent.offered_policies().borrow(), None);
    agent.stop().await.expect("it stops");
    assert!(peer.state().echoes.is_empty());
}
