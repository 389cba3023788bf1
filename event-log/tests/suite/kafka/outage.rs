//! Brokers that go and come back: what was confirmed is there, what was not yet confirmed is confirmed later, and nobody
//! has to start again.

use epm_event_log::contract::{numbered, read_all};
use epm_event_log::{EventLog, KafkaAddress, KafkaLog, LogError, Offset, OnMissing};
use epm_test_components::Broker;

use super::{PATIENCE, open};
use crate::P0;

#[tokio::test(flavor = "multi_thread")]
async fn appends_wait_for_a_broker_that_is_away_and_stand_in_order_when_it_is_back() {
    let Some(mut broker) = Broker::start() else {
        return;
    };
    let log = open(&broker, "away", "&partitions=1").await;
    let mut sent = 0;
    for signal in ["KILL", "TERM"] {
        log.append(P0, vec![numbered(sent)]).await.unwrap();
        broker.stop(signal);
        let appends: Vec<_> = (sent + 1..sent + 101)
            .map(|number| {
                let append = log.append(P0, vec![numbered(number)]);
                let mut append = Box::pin(futures::future::maybe_done(append));
                // The first poll hands it over, so that they stand in this order.
                let _ = futures::FutureExt::now_or_never(&mut append);
                append
            })
            .collect();
        let reading = log.read(P0, Offset(sent + 1), 1024).await.unwrap_err();
        assert!(reading.is_retryable(), "{reading}");
        let broker = &mut broker;
        tokio::task::block_in_place(|| broker.start_again());
        let all = async {
            for mut append in appends {
                append.as_mut().await;
                append.as_mut().take_output().unwrap().unwrap();
            }
        };
        tokio::time::timeout(2 * PATIENCE, all)
            .await
            .expect("appends are confirmed once the broker is back");
        sent += 101;
    }
    let read = read_all(&log, P0, Offset(0)).await;
    assert_eq!(read.len() as u64, sent);
    for (number, entry) in read.iter().enumerate() {
        assert_eq!(entry.payload, numbered(number as u64).payload);
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_worth_another_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = KafkaAddress::parse(&format!("kafka://127.0.0.1:{port}/t")).unwrap();
    let error = KafkaLog::open(&address, OnMissing::Create)
        .await
        .unwrap_err();
    assert!(matches!(error, LogError::Unavailable { .. }), "{error}");
}
