//! Where consumers go on, as committed offsets of consumer groups without members, so that every tool that shows the lag
//! of a group shows ours. The tables do not depend on them: each carries its own position.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;

use super::address::KafkaAddress;
use super::client::{Context, REQUEST_TIMEOUT, meaning, settings};
use crate::entry::{Offset, PartitionId};
use crate::error::LogError;

struct Group {
    consumer: BaseConsumer<Context>,
    context: Context,
}

/// A connection for each consumer that has a position: one or two.
pub(super) struct Positions {
    address: KafkaAddress,
    groups: Mutex<HashMap<String, Arc<Group>>>,
}

impl Positions {
    pub(super) fn new(address: &KafkaAddress) -> Self {
        Self {
            address: address.clone(),
            groups: Mutex::default(),
        }
    }

    fn group(&self, consumer: &str) -> Result<Arc<Group>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(consumer) {
            return Ok(Arc::clone(group));
        }
        let context = Context::default();
        let connection = settings(&self.address)?
            .set("group.id", format!("{}-{consumer}", self.address.group))
            .set("enable.auto.commit", "false")
            .create_with_context(context.clone())
            .map_err(|error| meaning("a connection", error, &context))?;
        let group = Arc::new(Group {
            consumer: connection,
            context,
        });
        groups.insert(consumer.to_owned(), Arc::clone(&group));
        Ok(group)
    }

    pub(super) async fn get(
        &self,
        consumer: &str,
        partition: PartitionId,
    ) -> Result<Option<Offset>, LogError> {
        let topic = self.address.topic.clone();
        self.ask(consumer, "a position", move |consumer| {
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, partition.0 as i32);
            let committed = consumer.committed_offsets(list, REQUEST_TIMEOUT)?;
            let found = committed.elements();
            let found = found.first().map(|element| element.offset());
            Ok(match found {
                Some(rdkafka::Offset::Offset(offset)) => u64::try_from(offset).ok().map(Offset),
                _ => None,
            })
        })
        .await
    }

    pub(super) async fn store(
        &self,
        consumer: &str,
        partition: PartitionId,
        next: Offset,
    ) -> Result<(), LogError> {
        let topic = self.address.topic.clone();
        self.ask(consumer, "storing a position", move |consumer| {
            let mut list = TopicPartitionList::new();
            let offset = rdkafka::Offset::Offset(i64::try_from(next.0).unwrap_or(i64::MAX));
            list.add_partition_offset(&topic, partition.0 as i32, offset)?;
            consumer.commit(&list, CommitMode::Sync)
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        consumer: &str,
        doing: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let group = self.group(consumer)?;
        let asked = Arc::clone(&group);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&asked.consumer);
            while let Some(event) = asked.consumer.poll(std::time::Duration::ZERO) {
                let _ = event.map_err(|error| asked.context.note(&error));
            }
            answer
        });
        // A commit has no time limit of its own.
        let answer = match tokio::time::timeout(2 * REQUEST_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|_| LogError::Closed)?,
            Err(_) => Err(KafkaError::ConsumerCommit(
                rdkafka::error::RDKafkaErrorCode::OperationTimedOut,
            )),
        };
        answer.map_err(|error| meaning(doing, error, &group.context))
    }
}
