//! Every reason for which the collector ends a stream, and what the agent is told: the one place where errors become
//! gRPC. It must not tell a stranger why he is refused.

use epm_control::AdmissionRefusal;
use epm_event_log::LogError;
use epm_proto::batch::BatchError;
use tonic::Status;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Stop: no hello in time, or none that names an agent and an epoch. One answer for all, so that it teaches nothing.
    #[error("not accepted")]
    Hello,
    /// Stop: the certificate, or the device that it is of. The same answer, for the same reason.
    #[error("not accepted")]
    NotAdmitted(AdmissionRefusal),
    /// Retry later: the control store does not say whether the device is one of ours.
    #[error("the collector cannot tell who you are: connect again later")]
    Control,
    /// Retry later: as many streams as the limit.
    #[error("the collector has as many streams as it allows: connect again later")]
    TooManyStreams,
    /// Retry later: positions of as many agents as the limit.
    #[error("the collector knows as many agents as it allows")]
    TooManyAgents,
    /// Retry later: the agent's older stream did not finish.
    #[error("the older stream of this agent has not finished: connect again later")]
    Occupied,
    /// Stop: a newer stream of the agent.
    #[error("a newer stream of this agent took over")]
    TakenOver,
    /// Retry elsewhere or later.
    #[error("the collector is stopping: connect again")]
    Stopping,
    /// Stop: another message than a batch.
    #[error("after the hello, only batches are expected")]
    NotABatch,
    /// Stop: a batch of another epoch.
    #[error("the batch is of another epoch than the hello: open a stream for it")]
    OtherEpoch,
    /// Stop: a record that neither states its sequence nor stands where one can be told.
    #[error(
        "this record cannot be named, so it cannot be acknowledged: it was kept as a dead letter"
    )]
    Nameless,
    /// Stop: the batch cannot be used.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Stop: the transport could not read the message, or it is larger than any batch may be.
    #[error("the message cannot be read: {0}")]
    Message(Status),
    /// Retry later: the log has no room, and the stream had to end before it had.
    #[error("the event log has no room: connect again later")]
    Full,
    /// Stop: the log will never take it.
    #[error("the event log refused the batch: {0}")]
    Unstorable(LogError),
    /// Retry later: the log stopped, and the collector with it.
    #[error("the event log stopped: connect again later")]
    Log,
}

impl Refusal {
    /// True where a batch was refused, false where the stream was.
    pub(crate) fn is_of_a_batch(&self) -> bool {
        matches!(
            self,
            Self::Batch(_)
                | Self::OtherEpoch
                | Self::Nameless
                | Self::Message(_)
                | Self::Unstorable(_)
        )
    }

    /// The name for metrics and logs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::NotAdmitted(reason) => reason.name(),
            Self::Control => "control",
            Self::TooManyStreams => "too_many_streams",
            Self::TooManyAgents => "too_many_agents",
            Self::Occupied => "occupied",
            Self::TakenOver => "taken_over",
            Self::Stopping => "stopping",
            Self::NotABatch => "not_a_batch",
            Self::OtherEpoch => "other_epoch",
            Self::Nameless => "nameless",
            Self::Message(_) => "message",
            Self::Full => "full",
            Self::Unstorable(_) => "unstorable",
            Self::Log => "log",
            Self::Batch(error) => match error {
                BatchError::TooLarge { .. } => "too_large",
                BatchError::TooManyRecords { .. } => "too_many_records",
                BatchError::Checksum => "checksum",
                BatchError::Compression(_) => "compression",
                BatchError::Decompress(_) => "decompress",
                BatchError::Length { .. } => "length",
                BatchError::Records { .. } => "records",
            },
        }
    }

    /// What the agent is told.
    pub(crate) fn status(&self) -> Status {
        let words = self.to_string();
        match self {
            Self::Hello | Self::NotAdmitted(_) => Status::unauthenticated(words),
            Self::TooManyStreams | Self::TooManyAgents => Status::resource_exhausted(words),
            Self::TakenOver => Status::aborted(words),
            Self::Control | Self::Occupied | Self::Stopping | Self::Full | Self::Log => {
                Status::unavailable(words)
            }
            Self::OtherEpoch => Status::failed_precondition(words),
            Self::Batch(BatchError::Checksum) => Status::data_loss(words),
            Self::Message(status) => Status::new(status.code(), words),
            Self::NotABatch | Self::Nameless | Self::Batch(_) | Self::Unstorable(_) => {
                Status::invalid_argument(words)
            }
        }
    }
}
