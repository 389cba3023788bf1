//! The gRPC service. It opens a session for each stream and must not read one itself.

use std::sync::Arc;

use epm_proto::v1;
use epm_proto::v1::delivery_server::Delivery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::refusal::Refusal;
use crate::session::Session;
use crate::stage::Stage;
use crate::tls::Peer;

/// Answers that wait for the connection: a few small messages, since acks are cumulative and the agent waits for them.
const MAX_WAITING_ANSWERS: usize = 16;

pub(crate) struct Service {
    pub(crate) stage: Arc<Stage>,
}

#[tonic::async_trait]
impl Delivery for Service {
    type DeliverStream = ReceiverStream<Result<v1::CollectorMessage, Status>>;

    async fn deliver(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let Ok(permit) = Arc::clone(&self.stage.streams).try_acquire_owned() else {
            let refusal = Refusal::TooManyStreams;
            self.stage.metrics.refused(&refusal);
            return Err(refusal.status());
        };
        let (answers, waiting) = mpsc::channel(MAX_WAITING_ANSWERS);
        let peer = request.extensions().get::<Peer>().cloned();
        let inbound = request.into_inner();
        let session = Session::new(Arc::clone(&self.stage), inbound, answers, peer);
        // On its own, so that an append outlives the connection that asked for it.
        tokio::spawn(async move {
            session.run().await;
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(waiting)))
    }
}
