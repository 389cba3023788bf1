//! Following the store: every event, in order, soon after its commit. It must not keep what a follower has seen; the
//! follower says where to go on.
//!
//! The events come from the table; a bell only says when to look. On PostgreSQL the bell is rung by notifications from all
//! nodes, on SQLite by appends of this process. A bell that was not heard costs a moment, never an event: a feed also
//! looks by itself.

use std::collections::VecDeque;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::StoreError;
use crate::event::{RecordedEvent, Sequence};
use crate::store::{ControlStore, Engine};

/// Events read at a time: a console that starts anew reads them all, and must not hold them all.
const PAGE: u32 = 256;
/// Another process on the same file rings no bell here, and looking reads one page of it.
const SQLITE_LOOKS_EVERY: Duration = Duration::from_millis(250);
/// Only while the connection that listens is away does this matter; half of the second in which a change must be seen.
const POSTGRES_LOOKS_EVERY: Duration = Duration::from_millis(500);
/// Before listening again where the database is away: it must not be besieged when it comes back.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// A follower's place in the store. See [`ControlStore::follow`].
#[derive(Debug)]
pub struct Feed {
    store: ControlStore,
    after: Sequence,
    waiting: VecDeque<RecordedEvent>,
    bell: watch::Receiver<u64>,
}

impl ControlStore {
    /// Follows the store from behind `after`, the last event that the caller has dealt with.
    ///
    /// # Errors
    ///
    /// [`StoreError::Behind`] where the store does not reach that far; the database's.
    pub async fn follow(&self, after: Sequence) -> Result<Feed, StoreError> {
        let head = self.head().await?.sequence;
        if after > head {
            return Err(StoreError::Behind { seen: after, head });
        }
        Ok(Feed {
            store: self.clone(),
            after,
            waiting: VecDeque::new(),
            bell: self.signal.bell.subscribe(),
        })
    }
}

impl Feed {
    /// The next event; waits until there is one. Nothing is lost if the wait is given up, or called again after an error.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`] where an event is missing.
    pub async fn next(&mut self) -> Result<RecordedEvent, StoreError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                if event.sequence.0 != self.after.0 + 1 {
                    self.waiting.clear();
                    return Err(StoreError::Damaged(format!(
                        "event {} is missing",
                        self.after.0 + 1
                    )));
                }
                self.after = event.sequence;
                return Ok(event);
            }
            // Before looking: what is committed after the look rings again.
            self.bell.borrow_and_update();
            self.waiting = self.store.read_after(self.after, PAGE).await?.into();
            if self.waiting.is_empty() {
                let longest = match self.store.engine() {
                    Engine::Sqlite => SQLITE_LOOKS_EVERY,
                    Engine::Postgres => POSTGRES_LOOKS_EVERY,
                };
                let _ = tokio::time::timeout(longest, self.bell.changed()).await;
            }
        }
    }

    /// The last event that this feed gave.
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.after
    }
}

/// The bell of one store, and the task that listens for other nodes.
#[derive(Debug)]
pub(crate) struct Signal {
    bell: watch::Sender<u64>,
    listener: Option<AbortHandle>,
}

impl Signal {
    pub(crate) fn start(engine: Engine, address: &str) -> Self {
        let bell = watch::Sender::new(0);
        let listener = (engine == Engine::Postgres)
            .then(|| tokio::spawn(listen(address.to_owned(), bell.clone())).abort_handle());
        Self { bell, listener }
    }

    /// Wakes all feeds of this store.
    pub(crate) fn ring(&self) {
        ring(&self.bell);
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

fn ring(bell: &watch::Sender<u64>) {
    bell.send_modify(|rung| *rung = rung.wrapping_add(1));
}

/// Rings for every notification, and whenever one may have been missed.
async fn listen(address: String, bell: watch::Sender<u64>) {
    loop {
        if let Err(cause) = listen_until_lost(&address, &bell).await {
            tracing::warn!(%cause, "no notifications from PostgreSQL: changes are seen a second later");
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn listen_until_lost(address: &str, bell: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(address).await?;
    listener.listen("epm_control").await?;
    loop {
        ring(bell);
        if listener.try_recv().await?.is_none() {
            return Ok(());
        }
    }
}
