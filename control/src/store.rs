//! The store: appending under a condition, and reading. It must not know what an event means.
//!
//! All appends take the lock on one row, the head, before anything else. So sequences are given out and become visible in
//! one order, without gaps, on every engine: who has seen event 7 has seen 1 to 6.

mod engine;
mod rows;

use std::path::Path;
use std::sync::Arc;

use sqlx::{AnyConnection, AnyPool};

use crate::chain::{self, Head};
use crate::error::StoreError;
use crate::event::{Actor, NewEvent, RecordedEvent, Sequence, StreamId, TimeUs, Version};
use crate::feed::Signal;
use crate::{projection, schema};

pub(crate) use engine::Engine;
pub(crate) use rows::number;

/// Events of one append. A command makes a handful; a whole policy file is one event.
pub(crate) const MAX_EVENTS: usize = 256;
/// Bytes of one event. Larger things, such as a policy of a hundred thousand rules, are stored in parts.
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// The control plane's store. Clones share it.
#[derive(Clone, Debug)]
pub struct ControlStore {
    engine: Engine,
    /// SQLite: one connection, so that writers of this process queue up fairly instead of polling for the file's lock.
    writer: AnyPool,
    reader: AnyPool,
    pub(crate) signal: Arc<Signal>,
}

impl ControlStore {
    /// The address of the store in a file, for [`ControlStore::open`]. The path must be absolute and UTF-8.
    #[must_use]
    pub fn address_of_file(path: &Path) -> String {
        engine::address_of_file(path)
    }

    /// What is wrong with an address; nothing where it can be tried.
    ///
    /// # Errors
    ///
    /// [`StoreError::Address`].
    pub fn check_address(address: &str) -> Result<(), StoreError> {
        Engine::of(address).map(drop)
    }

    /// Opens the store at `sqlite://path` or `postgres://user@host/database`, and makes or renews its tables. A file that
    /// does not exist is made, readable by its owner only.
    ///
    /// # Errors
    ///
    /// [`StoreError::Address`], [`StoreError::NewerSchema`], and what the file or the database says.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        let engine = Engine::of(address)?;
        let (writer, reader) = engine.connect(address).await?;
        let mut connection = writer
            .acquire()
            .await
            .map_err(StoreError::while_doing("connecting"))?;
        let was_older = schema::migrate(&mut connection, engine).await?;
        drop(connection);
        let store = Self {
            engine,
            writer,
            reader,
            signal: Arc::new(Signal::start(engine, address)),
        };
        if was_older {
            store.rebuild_projections().await?;
        }
        Ok(store)
    }

    /// Appends `events` to `stream` if it still has the version `expected`, all or none, with everything that projections
    /// make of them. Returns the stream's new version when all of it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] where the stream has another version; [`StoreError::TooLarge`]; the database's.
    pub async fn append(
        &self,
        stream: &StreamId,
        expected: Version,
        events: Vec<NewEvent>,
        actor: Actor,
        at: TimeUs,
    ) -> Result<Version, StoreError> {
        admit(&events)?;
        let failed = StoreError::while_doing("appending events");
        let mut transaction = self
            .writer
            .begin_with(self.engine.begin())
            .await
            .map_err(&failed)?;
        let mut head = self.lock_head(&mut transaction).await?;
        let actual = version_of(&mut transaction, stream).await?;
        if actual != expected {
            return Err(StoreError::Conflict {
                stream: stream.clone(),
                expected,
                actual,
            });
        }
        let mut version = expected;
        for event in events {
            version = Version(version.0 + 1);
            head = record(
                &mut transaction,
                head,
                RecordedEvent {
                    sequence: Sequence(head.sequence.0 + 1),
                    stream: stream.clone(),
                    version,
                    name: event.name,
                    actor,
                    at,
                    body: event.body,
                    hash: [0; 32],
                },
            )
            .await?;
        }
        sqlx::query("UPDATE head SET sequence = $1, hash = $2 WHERE one = 1")
            .bind(number(head.sequence.0)?)
            .bind(head.hash.to_vec())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
        if let Engine::Postgres = self.engine {
            // Sent with the commit, to every node; it says that there is something, not what.
            sqlx::query("NOTIFY epm_control")
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)?;
        self.signal.ring();
        Ok(version)
    }

    /// All events of one stream, in order. Empty where there is no such thing.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`].
    pub async fn read(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, StoreError> {
        sqlx::query(rows::OF_STREAM)
            .bind(stream.kind.as_str())
            .bind(stream.id.to_string())
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::while_doing("reading a stream"))?
            .iter()
            .map(rows::event)
            .collect()
    }

    /// At most `limit` events of all streams behind `after`, in order and without gaps.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`].
    pub async fn read_after(
        &self,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.rows_after(after, limit).await?.into_iter().collect()
    }

    /// The last event's place and hash, to be kept elsewhere for [`ControlStore::verify`].
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`].
    pub async fn head(&self) -> Result<Head, StoreError> {
        let row = sqlx::query("SELECT sequence, hash FROM head WHERE one = 1")
            .fetch_optional(&self.reader)
            .await
            .map_err(StoreError::while_doing("reading its head"))?;
        rows::head(row.as_ref())
    }

    /// Ends its connections. Appends that run are waited for; feeds end with an error.
    pub async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }

    /// Rows behind `after`, each an event or what is wrong with it.
    pub(crate) async fn rows_after(
        &self,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<Result<RecordedEvent, StoreError>>, StoreError> {
        let rows = sqlx::query(rows::AFTER)
            .bind(number(after.0)?)
            .bind(i64::from(limit))
            .fetch_all(&self.reader)
            .await
            .map_err(StoreError::while_doing("reading events"))?;
        Ok(rows.iter().map(rows::event).collect())
    }

    pub(crate) fn reader(&self) -> &AnyPool {
        &self.reader
    }

    pub(crate) fn writer(&self) -> &AnyPool {
        &self.writer
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// Waits for its turn among all appends of all nodes.
    pub(crate) async fn lock_head(
        &self,
        connection: &mut AnyConnection,
    ) -> Result<Head, StoreError> {
        let row = sqlx::query(self.engine.lock_head())
            .fetch_optional(connection)
            .await
            .map_err(StoreError::while_doing("waiting for its turn"))?;
        rows::head(row.as_ref())
    }
}

fn admit(events: &[NewEvent]) -> Result<(), StoreError> {
    if events.len() > MAX_EVENTS {
        return Err(StoreError::TooLarge {
            what: "the number of events in one append",
            found: events.len(),
            limit: MAX_EVENTS,
        });
    }
    for event in events {
        if event.body.len() > MAX_BODY_BYTES {
            return Err(StoreError::TooLarge {
                what: "the size of an event in bytes",
                found: event.body.len(),
                limit: MAX_BODY_BYTES,
            });
        }
    }
    Ok(())
}

async fn version_of(
    connection: &mut AnyConnection,
    stream: &StreamId,
) -> Result<Version, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(version) FROM events WHERE kind = $1 AND id = $2")
            .bind(stream.kind.as_str())
            .bind(stream.id.to_string())
            .fetch_one(connection)
            .await
            .map_err(StoreError::while_doing("reading a version"))?;
    Ok(Version(rows::unsigned("version", last.unwrap_or(0))?))
}

/// Chains the event to what stands, stores it, and lets projections have it.
async fn record(
    connection: &mut AnyConnection,
    head: Head,
    mut event: RecordedEvent,
) -> Result<Head, StoreError> {
    event.hash = chain::hash_of(&head.hash, &event);
    sqlx::query(rows::INSERT)
        .bind(number(event.sequence.0)?)
        .bind(event.stream.kind.as_str())
        .bind(event.stream.id.to_string())
        .bind(number(event.version.0)?)
        .bind(event.name.as_str())
        .bind(event.actor.to_string())
        .bind(event.at.0)
        .bind(event.body.as_slice())
        .bind(event.hash.to_vec())
        .execute(&mut *connection)
        .await
        .map_err(StoreError::while_doing("recording an event"))?;
    projection::project(connection, &event).await?;
    Ok(Head {
        sequence: event.sequence,
        hash: event.hash,
    })
}
