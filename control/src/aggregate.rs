//! Commands: load, decide, append. What is decided is the aggregate's business, which must be pure.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::StoreError;
use crate::event::{Actor, NewEvent, RecordedEvent, StreamId, TimeUs, Version};
use crate::store::ControlStore;

/// How often a command is decided anew because another one came first. Each time somebody else got on, and nobody
/// changes one thing that often.
const MAX_ATTEMPTS: usize = 8;

/// Something that changes by commands, and is what its events made of it. No IO, no clock.
pub trait Aggregate: Default {
    /// Its streams' kind; stored, so never changed.
    const KIND: &'static str;
    /// What somebody wants.
    type Command;
    /// What happened. Serialised with `#[serde(tag = "name", content = "body")]` and only struct variants, so that the
    /// store has the name in a column of its own.
    type Event: Serialize + DeserializeOwned;
    /// Why a command is refused.
    type Refusal: std::error::Error + 'static;

    /// What happens if the command is carried out at `at`. Nothing, if it is already so.
    ///
    /// # Errors
    ///
    /// The reason why it must not happen.
    fn decide(
        &self,
        command: &Self::Command,
        at: TimeUs,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The state after `event`, which has happened: this cannot fail.
    fn apply(&mut self, event: &Self::Event);
}

/// What a command changed.
#[derive(Debug)]
pub struct Outcome<A: Aggregate> {
    /// The state after it.
    pub state: A,
    /// The version after it.
    pub version: Version,
    /// What happened, in order; empty where it was already so.
    pub events: Vec<A::Event>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<R: std::error::Error + 'static> {
    /// The state does not allow it.
    #[error(transparent)]
    Refused(R),
    /// The store's reason; a conflict where the caller's version is stale.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ControlStore {
    /// What the events made of one thing, and its version. The version is 0 where there is no such thing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`], and the database's.
    pub async fn load<A: Aggregate>(&self, id: Uuid) -> Result<(A, Version), StoreError> {
        let events = self.read(&StreamId::new(A::KIND, id)).await?;
        let version = events.last().map_or(Version(0), |last| last.version);
        let mut state = A::default();
        for event in &events {
            state.apply(&event_of(event)?);
        }
        Ok((state, version))
    }

    /// Carries out a command. With `expected` it is refused where the thing has another version; without, it is decided
    /// anew when another command came first.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub async fn execute<A: Aggregate>(
        &self,
        id: Uuid,
        expected: Option<Version>,
        command: &A::Command,
        actor: Actor,
        at: TimeUs,
    ) -> Result<Outcome<A>, CommandError<A::Refusal>> {
        let stream = StreamId::new(A::KIND, id);
        let mut attempts = 1;
        loop {
            let (mut state, actual) = self.load::<A>(id).await?;
            if let Some(expected) = expected.filter(|expected| *expected != actual) {
                return Err(CommandError::Store(StoreError::Conflict {
                    stream,
                    expected,
                    actual,
                }));
            }
            let events = state.decide(command, at).map_err(CommandError::Refused)?;
            let mut version = actual;
            if !events.is_empty() {
                let new = events.iter().map(new_event).collect::<Result<_, _>>()?;
                version = match self.append(&stream, actual, new, actor, at).await {
                    Err(StoreError::Conflict { .. })
                        if expected.is_none() && attempts < MAX_ATTEMPTS =>
                    {
                        attempts += 1;
                        continue;
                    }
                    appended => appended?,
                };
            }
            for event in &events {
                state.apply(event);
            }
            return Ok(Outcome {
                state,
                version,
                events,
            });
        }
    }
}

/// The event as it is stored: its name apart from the rest.
pub(crate) fn new_event(event: &impl Serialize) -> Result<NewEvent, StoreError> {
    let unfit = |why: String| StoreError::Damaged(format!("an event cannot be written: {why}"));
    let mut value = serde_json::to_value(event).map_err(|cause| unfit(cause.to_string()))?;
    let name = value["name"].as_str().map(str::to_owned);
    Ok(NewEvent {
        name: name.ok_or_else(|| unfit("it has no name".to_owned()))?,
        body: serde_json::to_vec(&value["body"].take())
            .map_err(|cause| unfit(cause.to_string()))?,
    })
}

/// The stored event as the aggregate knows it.
pub(crate) fn event_of<E: DeserializeOwned>(event: &RecordedEvent) -> Result<E, StoreError> {
    let unreadable = |cause: serde_json::Error| StoreError::Unreadable {
        sequence: event.sequence,
        stream: event.stream.clone(),
        name: event.name.clone(),
        why: cause.to_string(),
    };
    let body: Value = serde_json::from_slice(&event.body).map_err(unreadable)?;
    let mut whole = Map::new();
    whole.insert("name".to_owned(), Value::String(event.name.clone()));
    whole.insert("body".to_owned(), body);
    serde_json::from_value(Value::Object(whole)).map_err(unreadable)
}
