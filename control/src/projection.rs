//! Tables that answer questions, kept from events in the transaction that appends them. Each can be deleted and made again.

use std::collections::BTreeMap;

use sqlx::AnyConnection;
use uuid::Uuid;

use crate::aggregate::Aggregate as _;
use crate::devices::{self, Device, DeviceRow};
use crate::error::StoreError;
use crate::event::{RecordedEvent, Sequence};
use crate::listing::{self, StoredRow};
use crate::requests::{self, ElevationRequest, RequestRow};
use crate::store::ControlStore;

/// Events folded at a time when everything is folded again.
const STEP: u32 = 1_000;

/// A row of a table that events make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectedRow {
    /// Of `elevation_requests`.
    Request(RequestRow),
    /// Of `devices`.
    Device(DeviceRow),
    /// Of `listings`.
    Listed(StoredRow),
}

/// A row that is not what the events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which thing.
    pub id: Uuid,
    /// What the events say; nothing where they know no such thing.
    pub folded: Option<ProjectedRow>,
    /// What the table says; nothing where it has no such row.
    pub stored: Option<ProjectedRow>,
}

/// Rows by the kind of their streams, and their ids.
type Rows = BTreeMap<(String, Uuid), ProjectedRow>;

impl ProjectedRow {
    fn key(&self) -> (String, Uuid) {
        match self {
            Self::Request(row) => (ElevationRequest::KIND.to_owned(), row.id),
            Self::Device(row) => (Device::KIND.to_owned(), row.id),
            Self::Listed(row) => (row.stream.kind.clone(), row.stream.id),
        }
    }

    /// The row after `event`; none where its stream makes none, or none yet.
    fn after(before: Option<Self>, event: &RecordedEvent) -> Result<Option<Self>, StoreError> {
        if let Some(fold) = listing::fold_of(&event.stream.kind) {
            let before = match before {
                Some(Self::Listed(row)) => Some(row),
                _ => None,
            };
            return Ok(fold(before, event)?.map(Self::Listed));
        }
        match (event.stream.kind.as_str(), before) {
            (ElevationRequest::KIND, Some(Self::Request(before))) => {
                RequestRow::after(Some(before), event).map(|row| Some(Self::Request(row)))
            }
            (ElevationRequest::KIND, _) => {
                RequestRow::after(None, event).map(|row| Some(Self::Request(row)))
            }
            (Device::KIND, Some(Self::Device(before))) => {
                DeviceRow::after(Some(before), event).map(|row| row.map(Self::Device))
            }
            (Device::KIND, _) => DeviceRow::after(None, event).map(|row| row.map(Self::Device)),
            _ => Ok(None),
        }
    }

    async fn get(
        connection: &mut AnyConnection,
        kind: &str,
        id: Uuid,
    ) -> Result<Option<Self>, StoreError> {
        Ok(match kind {
            ElevationRequest::KIND => requests::rows::get(connection, id)
                .await?
                .map(Self::Request),
            Device::KIND => devices::rows::get(connection, id).await?.map(Self::Device),
            _ => None,
        })
    }
}

/// Brings the projections up to `event`.
pub(crate) async fn project(
    connection: &mut AnyConnection,
    event: &RecordedEvent,
) -> Result<(), StoreError> {
    if let Some(fold) = listing::fold_of(&event.stream.kind) {
        let before = listing::get(connection, &event.stream).await?;
        let after = fold(before, event)?;
        return listing::put(connection, &event.stream, after.as_ref()).await;
    }
    let before = ProjectedRow::get(connection, &event.stream.kind, event.stream.id).await?;
    match ProjectedRow::after(before, event)? {
        Some(ProjectedRow::Request(row)) => requests::rows::put(connection, &row).await,
        Some(ProjectedRow::Device(row)) => devices::rows::put(connection, &row).await,
        Some(ProjectedRow::Listed(_)) | None => Ok(()),
    }
}

impl ControlStore {
    /// Folds every event and compares with the projections. Empty when they agree. Nothing else may append meanwhile, or
    /// rows that changed are taken for differences.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Unreadable`].
    pub async fn compare_projections(&self) -> Result<Vec<Difference>, StoreError> {
        let mut folded = self.fold_all().await?;
        let requests = requests::rows::all(self.reader()).await?;
        let devices = devices::rows::all(self.reader()).await?;
        let listings = listing::all(self.reader()).await?;
        let listings = listings.into_iter().map(ProjectedRow::Listed);
        let requests = requests.into_iter().map(ProjectedRow::Request);
        let devices = devices.into_iter().map(ProjectedRow::Device);
        let mut differences = Vec::new();
        for stored in requests.chain(devices).chain(listings) {
            let key = stored.key();
            let folded = folded.remove(&key);
            if folded.as_ref() != Some(&stored) {
                differences.push(Difference {
                    id: key.1,
                    folded,
                    stored: Some(stored),
                });
            }
        }
        differences.extend(folded.into_iter().map(|((_, id), row)| Difference {
            id,
            folded: Some(row),
            stored: None,
        }));
        Ok(differences)
    }

    async fn fold_all(&self) -> Result<Rows, StoreError> {
        let mut folded = Rows::new();
        let mut after = Sequence(0);
        loop {
            let events = self.read_after(after, STEP).await?;
            let Some(last) = events.last() else {
                return Ok(folded);
            };
            after = last.sequence;
            for event in &events {
                let key = (event.stream.kind.clone(), event.stream.id);
                let row = ProjectedRow::after(folded.remove(&key), event)?;
                folded.extend(row.map(|row| (key, row)));
            }
        }
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
        requests::rows::delete_all(&mut transaction).await?;
        devices::rows::delete_all(&mut transaction).await?;
        listing::delete_all(&mut transaction).await?;
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
