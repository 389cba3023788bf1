//! Tables that answer questions, kept from events in the transaction that appends them. Each can be deleted and made again.

use std::collections::BTreeMap;

use sqlx::AnyConnection;
use uuid::Uuid;

use crate::aggregate::Aggregate as _;
use crate::error::StoreError;
use crate::event::{RecordedEvent, Sequence};
use crate::requests::{ElevationRequest, RequestRow, rows};
use crate::store::ControlStore;

/// Events folded at a time when everything is folded again.
const STEP: u32 = 1_000;

/// A row that is not what the events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which request.
    pub id: Uuid,
    /// What the events say; nothing where they know no such request.
    pub folded: Option<RequestRow>,
    /// What the table says; nothing where it has no such row.
    pub stored: Option<RequestRow>,
}

/// Brings the projections up to `event`.
pub(crate) async fn project(
    connection: &mut AnyConnection,
    event: &RecordedEvent,
) -> Result<(), StoreError> {
    if event.stream.kind != ElevationRequest::KIND {
        return Ok(());
    }
    let before = rows::get(connection, event.stream.id).await?;
    let after = RequestRow::after(before, event)?;
    rows::put(connection, &after).await
}

impl ControlStore {
    /// Folds every event and compares with the projections. Empty when they agree. Nothing else may append meanwhile, or
    /// rows that changed are taken for differences.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Unreadable`].
    pub async fn compare_projections(&self) -> Result<Vec<Difference>, StoreError> {
        let mut folded = BTreeMap::<Uuid, RequestRow>::new();
        let mut after = Sequence(0);
        loop {
            let events = self.read_after(after, STEP).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            for event in &events {
                if event.stream.kind == ElevationRequest::KIND {
                    let before = folded.remove(&event.stream.id);
                    folded.insert(event.stream.id, RequestRow::after(before, event)?);
                }
            }
        }
        let mut differences = Vec::new();
        for stored in rows::all(self.reader()).await? {
            let folded = folded.remove(&stored.id);
            if folded.as_ref() != Some(&stored) {
                differences.push(Difference {
                    id: stored.id,
                    folded,
                    stored: Some(stored),
                });
            }
        }
        differences.extend(folded.into_iter().map(|(id, row)| Difference {
            id,
            folded: Some(row),
            stored: None,
        }));
        Ok(differences)
    }

    /// Deletes the projections and folds them anew, in one transaction, while appends wait.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Unreadable`]; then nothing has changed.
    pub async fn rebuild_projections(&self) -> Result<(), StoreError> {
        let failed = StoreError::while_doing("rebuilding projections");
        let mut transaction = self
            .writer()
            .begin_with(self.engine().begin())
            .await
            .map_err(&failed)?;
        let head = self.lock_head(&mut transaction).await?;
        rows::delete_all(&mut transaction).await?;
        let mut after = Sequence(0);
        while after < head.sequence {
            let events = self.read_after(after, STEP).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            for event in &events {
                project(&mut transaction, event).await?;
            }
        }
        transaction.commit().await.map_err(&failed)
    }
}
