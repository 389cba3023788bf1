//! A collector that speaks the protocol and keeps records in memory, with the faults that a network has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use epm_proto::batch::{open_batch, records};
use epm_proto::head::RecordHead;
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::collector_message::Message as Answer;
use epm_proto::v1::delivery_server::{Delivery, DeliveryServer};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

pub(crate) const LIMITS: v1::Limits = v1::Limits {
    max_in_flight_bytes: 64 * 1024,
    max_record_bytes: 8 * 1024,
    max_batch_bytes: 16 * 1024,
    max_batch_records: 16,
};

/// Far more than anything takes that a test waits for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the peer has and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// By epoch and sequence.
    pub(crate) records: BTreeMap<(u64, u64), Bytes>,
    pub(crate) hellos: Vec<v1::ClientHello>,
    pub(crate) lanes: Vec<v1::Lane>,
    /// Records that came more than once, always with the same bytes.
    pub(crate) repeated: u64,
    /// After so many batches, keep this one and end the stream without an answer; counted down.
    pub(crate) drop_unanswered: u32,
    /// Sequences that are refused.
    pub(crate) refused: BTreeSet<u64>,
    /// Told at the hello as if they were known.
    pub(crate) claimed_before: u64,
    /// How far its clock is ahead, microseconds.
    pub(crate) clock_ahead_us: i64,
    /// Answer with ranges instead of a position.
    pub(crate) ranges_only: bool,
    /// A collector that knows nothing of policies.
    pub(crate) is_older: bool,
    /// What the agent said of its policies.
    pub(crate) echoes: Vec<v1::PolicyEcho>,
    /// Sent after each hello, and by [`Peer::push_policies`].
    pub(crate) policies: Option<Vec<u8>>,
    /// The stream that was opened last; it must not be kept open by this.
    answers: Option<mpsc::WeakSender<Result<v1::CollectorMessage, Status>>>,
}

impl State {
    fn durable_before(&self, epoch: u64) -> u64 {
        let mut before = 1;
        while self.records.contains_key(&(epoch, before)) || self.refused.contains(&before) {
            before += 1;
        }
        match before {
            1 => 0,
            before => before,
        }
    }

    pub(crate) fn bodies(&self) -> Vec<v1::record::Body> {
        self.records
            .values()
            .map(|bytes| v1::Record::decode(bytes.clone()).expect("it is a record"))
            .filter_map(|record| record.body)
            .collect()
    }

    pub(crate) fn elevations(&self) -> Vec<u64> {
        self.bodies()
            .into_iter()
            .filter_map(|body| match body {
                v1::record::Body::Elevation(elevation) => {
                    Some(elevation.process.expect("it has one").pid)
                }
                _ => None,
            })
            .collect()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Peer {
    state: Arc<Mutex<State>>,
    news: watch::Sender<()>,
}

impl Peer {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }

    /// Sends policies on the stream that is open, and on later ones.
    pub(crate) async fn push_policies(&self, envelope: Vec<u8>) {
        let answers = {
            let mut state = self.state();
            state.policies = Some(envelope.clone());
            state.answers.clone()
        };
        if let Some(answers) = answers.and_then(|answers| answers.upgrade()) {
            // A stream that has just ended gets them when it is opened again.
            let _ = answers.send(Ok(bundle(envelope))).await;
        }
    }

    /// Waits until what the peer has is as wanted, and gives what `wanted` found.
    pub(crate) async fn until<T>(&self, wanted: impl Fn(&State) -> Option<T>) -> T {
        let mut news = self.news.subscribe();
        let found = async {
            loop {
                if let Some(found) = wanted(&self.state()) {
                    return found;
                }
                news.changed().await.expect("the peer is there");
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.expect("it comes within a minute")
    }

    /// Serves until the token is cancelled.
    pub(crate) async fn serve(&self) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        self.serve_on(listener.expect("it can listen"))
    }

    pub(crate) fn serve_on(&self, listener: TcpListener) -> (SocketAddr, CancellationToken) {
        let address = listener.local_addr().expect("it has an address");
        let stop = CancellationToken::new();
        let (service, stopped) = (DeliveryServer::new(self.clone()), stop.clone());
        tokio::spawn(async move {
            let serving = tonic::transport::Server::builder()
                .serve_with_incoming(service, TcpListenerStream::new(listener));
            tokio::select! {
                served = serving => served.expect("it serves"),
                () = stopped.cancelled() => {}
            }
        });
        (address, stop)
    }

    fn take(&self, batch: &v1::Batch) -> Option<v1::Ack> {
        let list = open_batch(batch, &LIMITS).expect("batches keep the limits");
        let mut state = self.state();
        state.lanes.push(batch.lane());
        let mut ack = v1::Ack {
            epoch: batch.epoch,
            ..v1::Ack::default()
        };
        for record in records(&list) {
            let record = record.expect("the list is whole");
            let name = RecordHead::scan(&record).expect("it has a head").name;
            assert_eq!(name.epoch.0, batch.epoch);
            if state.refused.contains(&name.sequence.0) {
                ack.rejects.push(v1::Reject {
                    sequence: name.sequence.0,
                    code: v1::RejectCode::TooLarge.into(),
                });
                continue;
            }
            ack.durable_ranges.push(v1::SequenceRange {
                first: name.sequence.0,
                last: name.sequence.0,
            });
            let key = (name.epoch.0, name.sequence.0);
            if let Some(before) = state.records.insert(key, record.clone()) {
                assert_eq!(before, record, "a name means the same bytes for ever");
                state.repeated += 1;
            }
        }
        self.news.send_replace(());
        if state.drop_unanswered > 0 {
            state.drop_unanswered -= 1;
            return None;
        }
        if !state.ranges_only {
            ack.durable_ranges.clear();
            ack.durable_before = state.durable_before(batch.epoch);
        }
        Some(ack)
    }
}

#[tonic::async_trait]
impl Delivery for Peer {
    type DeliverStream = ReceiverStream<Result<v1::CollectorMessage, Status>>;

    async fn deliver(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let (answers, waiting) = mpsc::channel(16);
        self.state().answers = Some(answers.downgrade());
        let peer = self.clone();
        let mut inbound = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = inbound.message().await {
                let mut policies = None;
                let answer = match message.message.expect("no empty message") {
                    Sent::PolicyEcho(echo) => {
                        peer.state().echoes.push(echo);
                        peer.news.send_replace(());
                        continue;
                    }
                    Sent::Hello(hello) => {
                        let mut state = peer.state();
                        let before = state.durable_before(hello.epoch).max(state.claimed_before);
                        state.claimed_before = 0;
                        state.hellos.push(hello);
                        policies = state.policies.clone();
                        Some(Answer::Hello(v1::ServerHello {
                            durable_before: before,
                            server_time_us: epm_agent::clock::now_us() + state.clock_ahead_us,
                            limits: Some(LIMITS),
                            takes_policy_echoes: !state.is_older,
                            ..v1::ServerHello::default()
                        }))
                    }
                    Sent::Batch(batch) => peer.take(&batch).map(Answer::Ack),
                };
                let Some(answer) = answer else {
                    return;
                };
                let message = v1::CollectorMessage {
                    message: Some(answer),
                };
                if answers.send(Ok(message)).await.is_err() {
                    return;
                }
                if let Some(envelope) = policies {
                    let _ = answers.send(Ok(bundle(envelope))).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(waiting)))
    }
}

fn bundle(envelope: Vec<u8>) -> v1::CollectorMessage {
    v1::CollectorMessage {
        message: Some(Answer::PolicyBundle(v1::PolicyBundle { envelope })),
    }
}
