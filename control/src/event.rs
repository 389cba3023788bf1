//! What an event is, before and after it is recorded. It must not know how events are stored.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Microseconds since 1970 UTC. The caller's clock: nothing here reads one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TimeUs(pub i64);

impl TimeUs {
    /// This many seconds later, at most the last representable moment.
    #[must_use]
    pub fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }
}

/// Place of an event among all events, from 1 and without gaps. 0 is the place before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Number of events in a stream, which is also the number of its last event. 0: the stream does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The events of one thing: its kind and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Kind of the thing, as in [`crate::Aggregate::KIND`].
    pub kind: String,
    /// Which of them.
    pub id: Uuid,
}

impl StreamId {
    /// The stream of one thing.
    #[must_use]
    pub fn new(kind: &str, id: Uuid) -> Self {
        Self {
            kind: kind.to_owned(),
            id,
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Who made a change. Ids only, never names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person or service that signed in.
    Principal(Uuid),
    /// A device's agent, for a user of the device.
    Agent(Uuid),
    /// The server itself, when time has passed.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(id) => write!(f, "principal:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = |text: &str| Uuid::parse_str(text).map_err(|cause| cause.to_string());
        match text.split_once(':') {
            Some(("principal", rest)) => Ok(Self::Principal(id(rest)?)),
            Some(("agent", rest)) => Ok(Self::Agent(id(rest)?)),
            None if text == "system" => Ok(Self::System),
            _ => Err("this is no actor".to_owned()),
        }
    }
}

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, in the past tense: `approved`.
    pub name: String,
    /// JSON, kept and hashed byte for byte.
    pub body: Vec<u8>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place among all events.
    pub sequence: Sequence,
    /// What it is about.
    pub stream: StreamId,
    /// Its place in its stream.
    pub version: Version,
    /// What happened.
    pub name: String,
    /// Who did it.
    pub actor: Actor,
    /// When, by the clock of the node that appended it.
    pub at: TimeUs,
    /// JSON, byte for byte as it was appended.
    pub body: Vec<u8>,
    /// SHA-256 over the hash before it and everything above.
    pub hash: [u8; 32],
}
