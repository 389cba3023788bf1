//! Sends prepared batches as agents do, and takes the time until each is acknowledged. It must not make batches.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use epm_proto::v1;
use epm_proto::v1::agent_message::Message as Sent;
use epm_proto::v1::collector_message::Message as Answer;
use epm_proto::v1::delivery_client::DeliveryClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::prepared::{EPOCH, Stream};

/// No acknowledgement takes this long; a run that waits for one has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open stream behind its hello.
#[derive(Debug)]
pub(crate) struct Open {
    sending: mpsc::Sender<v1::AgentMessage>,
    answers: Streaming<v1::CollectorMessage>,
}

impl Open {
    pub(crate) async fn connect(grpc: &str, agent_id: [u8; 16]) -> anyhow::Result<Self> {
        let mut client = DeliveryClient::connect(format!("http://{grpc}")).await?;
        let (sending, sent) = mpsc::channel(4);
        let hello = v1::ClientHello {
            agent_id: agent_id.to_vec(),
            epoch: EPOCH,
            first_sequence: 1,
            next_sequence: 1,
            ..v1::ClientHello::default()
        };
        let hello = v1::AgentMessage {
            message: Some(Sent::Hello(hello)),
        };
        sending.send(hello).await?;
        let answers = client.deliver(ReceiverStream::new(sent)).await?;
        let mut open = Self {
            sending,
            answers: answers.into_inner(),
        };
        match open.answer().await? {
            Answer::Hello(_) => Ok(open),
            Answer::Ack(_) => bail!("an acknowledgement before the hello"),
            Answer::PolicyBundle(_) => bail!("policies for nobody"),
        }
    }

    pub(crate) async fn send(&self, batch: &v1::Batch) -> anyhow::Result<()> {
        let message = v1::AgentMessage {
            message: Some(Sent::Batch(batch.clone())),
        };
        Ok(self.sending.send(message).await?)
    }

    /// Every sequence below the answer is durable.
    pub(crate) async fn durable_before(&mut self) -> anyhow::Result<u64> {
        match self.answer().await? {
            Answer::Ack(ack) => {
                ensure!(ack.rejects.is_empty(), "records were rejected");
                Ok(ack.durable_before)
            }
            Answer::Hello(_) => bail!("a second hello"),
            Answer::PolicyBundle(_) => bail!("policies for nobody"),
        }
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        let answer = answer.context("no answer in a minute")??;
        answer
            .and_then(|answer| answer.message)
            .context("the stream ended")
    }
}

/// Sends every stream at once, each with at most `in_flight` unacknowledged batches; how long each batch waited.
pub(crate) async fn deliver(
    grpc: &str,
    streams: &[Stream],
    in_flight: usize,
) -> anyhow::Result<Vec<Duration>> {
    let open = streams
        .iter()
        .map(|stream| Open::connect(grpc, stream.agent_id));
    let open = futures::future::try_join_all(open).await?;
    let tasks: Vec<_> = open
        .into_iter()
        .zip(streams)
        .map(|(open, stream)| tokio::spawn(saturate(open, stream.batches.clone(), in_flight)))
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    Ok(waits)
}

async fn saturate(
    mut open: Open,
    batches: Vec<(v1::Batch, u64)>,
    in_flight: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut waits = Vec::with_capacity(batches.len());
    let mut unacknowledged = VecDeque::new();
    let mut batches = batches.into_iter();
    loop {
        while unacknowledged.len() < in_flight
            && let Some((batch, next)) = batches.next()
        {
            unacknowledged.push_back((next, Instant::now()));
            open.send(&batch).await?;
        }
        if unacknowledged.is_empty() {
            return Ok(waits);
        }
        let durable_before = open.durable_before().await?;
        while let Some((next, sent)) = unacknowledged.front()
            && *next <= durable_before
        {
            waits.push(sent.elapsed());
            unacknowledged.pop_front();
        }
    }
}
