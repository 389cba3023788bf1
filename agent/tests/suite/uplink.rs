//! Delivery under faults: every record reaches the collector, with the same name and bytes however often it is sent.

use std::path::Path;
use std::time::Duration;

use epm_agent::identity::IdentityError;
use epm_agent::uplink::address::{AddressError, CollectorAddress};
use epm_agent::{Agent, AgentConfig, AgentError};
use epm_proto::v1;

use crate::peer::Peer;
use crate::spool::numbered;

fn config(state: &Path, collector: String) -> AgentConfig {
    AgentConfig {
        heartbeat_interval: None,
        longest_wait: Duration::from_millis(20),
        ..AgentConfig::new(state, collector)
    }
}

async fn observe(agent: &Agent, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let observation = numbered(number, v1::RecordClass::Unmanaged);
        agent
            .observe(vec![observation])
            .await
            .expect("it is durable");
    }
}

#[tokio::test]
async fn everything_observed_arrives_once_and_in_order() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 0..50).await;
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), (0..50).collect::<Vec<_>>());
    assert_eq!(peer.state().repeated, 0);
    let status = agent.status().await;
    assert!(status.connected && status.last_ack_us.is_some());
    assert_eq!(status.waiting.records, 0);
    agent.stop().await.expect("it stops");
    drop(agent);
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 50..60).await;
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), (0..60).collect::<Vec<_>>());
    assert_eq!(peer.state().repeated, 0, "what was delivered is remembered");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_loses_nothing() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    peer.state().drop_unanswered = 5;
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 0..100).await;
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), (0..100).collect::<Vec<_>>());
    assert!(peer.state().hellos.len() >= 6);
}

#[tokio::test]
async fn records_wait_for_a_collector_that_comes_later_and_go_as_backlog() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, stop) = peer.serve().await;
    stop.cancel();
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 0..10).await;
    let listener = loop {
        // The port is free again once the first peer is gone.
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let (_, _stop) = peer.serve_on(listener);
    agent.wait_delivered().await;
    observe(&agent, 10..12).await;
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), (0..12).collect::<Vec<_>>());
    assert_eq!(peer.state().lanes.first(), Some(&v1::Lane::Backlog));
    assert_eq!(peer.state().lanes.last(), Some(&v1::Lane::Live));
}

#[tokio::test]
async fn a_refusal_is_final_and_counted() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    peer.state().refused.extend([3, 7]);
    peer.state().ranges_only = true;
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 1..11).await;
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), [1, 2, 4, 5, 6, 8, 9, 10]);
    let status = agent.status().await;
    assert_eq!((status.rejected, status.waiting.records), (2, 0));
}

#[tokio::test]
async fn a_spool_that_was_put_back_begins_a_new_epoch() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    peer.state().claimed_before = 1000;
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 0..1).await;
    let before = agent.status().await.next.epoch;
    // The first hello made the epoch end; what follows is in the next one.
    while agent.status().await.next.epoch == before && peer.state().hellos.len() < 2 {
        tokio::task::yield_now().await;
    }
    observe(&agent, 1..2).await;
    agent.wait_delivered().await;
    let state = peer.state();
    let hellos: Vec<u64> = state.hellos.iter().map(|hello| hello.epoch).collect();
    assert!(
        hellos.windows(2).all(|pair| pair[0] < pair[1]),
        "{hellos:?}"
    );
    assert!(state.bodies().iter().any(|body| matches!(body,
        v1::record::Body::Loss(loss) if loss.reason() == v1::LossReason::SpoolReset)));
    assert!(state.elevations().contains(&1));
}

#[tokio::test]
async fn an_epoch_that_ended_is_delivered_before_the_next() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, stop) = peer.serve().await;
    stop.cancel();
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 0..3).await;
    agent.stop().await.expect("it stops");
    drop(agent);
    let segment = std::fs::read_dir(state.path().join("spool"))
        .expect("the folder is there")
        .map(|item| item.expect("it can be listed").path())
        .find(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .expect("there is one");
    let mut bytes = std::fs::read(&segment).expect("it can be read");
    // Inside the last record: how the epoch goes on cannot be known.
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).expect("it can be written");
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(config(state.path(), format!("http://{address}"))).expect("it starts");
    observe(&agent, 10..11).await;
    agent.wait_delivered().await;
    let state = peer.state();
    assert_eq!(state.elevations(), [0, 1, 10]);
    assert_eq!(state.hellos.len(), 2);
    let lost = state.bodies().into_iter().find_map(|body| match body {
        v1::record::Body::Loss(loss) => {
            Some((loss.lost_epoch, loss.first_sequence, loss.last_sequence))
        }
        _ => None,
    });
    assert_eq!(lost, Some((state.hellos[0].epoch, 3, 3)));
}

#[tokio::test]
async fn an_agent_says_at_its_start_that_it_lives() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(AgentConfig {
        heartbeat_interval: Some(Duration::from_secs(60)),
        device_name: "LAPTOP-7".to_owned(),
        ..config(state.path(), format!("http://{address}"))
    })
    .expect("it starts");
    while agent.status().await.next.sequence < 2 {
        tokio::task::yield_now().await;
    }
    agent.wait_delivered().await;
    let bodies = peer.state().bodies();
    let [v1::record::Body::Heartbeat(beat)] = bodies.as_slice() else {
        panic!("one heartbeat, not {bodies:?}");
    };
    assert_eq!(beat.device_name, "LAPTOP-7");
    assert_eq!(beat.interval_s, 60);
    assert_eq!(beat.effective_scope(), v1::ReportingScope::All);
}

#[tokio::test]
async fn a_hundred_agents_live_in_one_process() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, stop) = peer.serve().await;
    // No delivery: the peer keeps one agent's sequences apart from no other's.
    stop.cancel();
    let agents: Vec<Agent> = (0..100)
        .map(|number| {
            let folder = state.path().join(number.to_string());
            Agent::start(config(&folder, format!("http://{address}"))).expect("it starts")
        })
        .collect();
    let observed = agents.iter().map(|agent| observe(agent, 0..2));
    futures::future::join_all(observed).await;
    for agent in &agents {
        assert_eq!(agent.status().await.waiting.records, 2);
        agent.stop().await.expect("it stops");
    }
}

#[tokio::test]
async fn a_state_folder_has_one_agent_at_a_time() {
    let state = tempfile::tempdir().expect("a folder");
    let address = "http://127.0.0.1:9".to_owned();
    let first = Agent::start(config(state.path(), address.clone())).expect("it starts");
    let id = first.agent_id();
    let second = Agent::start(config(state.path(), address.clone()));
    assert!(matches!(
        second,
        Err(AgentError::State(IdentityError::InUse(_)))
    ));
    first.stop().await.expect("it stops");
    drop(first);
    let again = Agent::start(config(state.path(), address)).expect("it starts");
    assert_eq!(again.agent_id(), id);
}

#[test]
fn records_go_in_clear_to_this_device_only() {
    for good in [
        "http://127.0.0.1:8443",
        "http://localhost:1",
        "http://[::1]:8443",
    ] {
        assert!(CollectorAddress::parse(good).is_ok(), "{good}");
    }
    for (bad, expected) in [
        ("http://collector.example:8443", "InClear"),
        ("http://10.0.0.1:8443", "InClear"),
        ("https://127.0.0.1:8443", "Scheme"),
        ("kafka://127.0.0.1", "Scheme"),
        ("127.0.0.1:8443", "Malformed"),
        ("", "Malformed"),
    ] {
        let error: AddressError = CollectorAddress::parse(bad).expect_err(bad);
        assert!(
            format!("{error:?}").starts_with(expected),
            "{bad}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_out_of_scope_is_counted_and_never_leaves_the_device() {
    let state = tempfile::tempdir().expect("a folder");
    let peer = Peer::default();
    let (address, _stop) = peer.serve().await;
    let agent = Agent::start(AgentConfig {
        heartbeat_interval: Some(Duration::from_millis(20)),
        ..config(state.path(), format!("http://{address}"))
    })
    .expect("it starts");
    observe(&agent, 0..2).await;
    agent.set_reporting_scope(v1::ReportingScope::Managed).await;
    observe(&agent, 2..5).await;
    agent.set_reporting_scope(v1::ReportingScope::None).await;
    observe(&agent, 5..6).await;
    agent.set_reporting_scope(v1::ReportingScope::All).await;
    observe(&agent, 6..7).await;
    let withheld = || {
        let bodies = peer.state().bodies();
        let told = bodies.iter().rev().find_map(|body| match body {
            v1::record::Body::Heartbeat(beat) => Some(beat.drops.clone()),
            _ => None,
        });
        told.into_iter()
            .flatten()
            .filter(|drop| drop.reason == i32::from(v1::LossReason::OutOfScope))
            .map(|drop| drop.records)
            .sum::<u64>()
    };
    // Heartbeats that were due while nothing may leave are withheld too.
    while withheld() < 4 {
        agent.wait_for_news(Duration::from_secs(1)).await;
    }
    agent.wait_delivered().await;
    assert_eq!(peer.state().elevations(), [0, 1, 6]);
    agent.stop().await.expect("it stops");
}
