//! Lists of things that are few and small, such as roles and tokens: one table for all of their kinds, a row each, kept
//! from events in the transaction that appends them. What is asked about by more than its name has a table of its own.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row as _};
use uuid::Uuid;

use crate::aggregate::{Aggregate, event_of};
use crate::error::StoreError;
use crate::event::{RecordedEvent, StreamId, Version};
use crate::store::{ControlStore, number};

/// Rows of one answer.
pub const MAX_LISTED: u32 = 1_000;

/// A thing that stands in a list.
pub trait Listed: Aggregate {
    /// What the list shows of it.
    type Row: Clone + Debug + PartialEq + Serialize + DeserializeOwned;

    /// The row after `event`; nothing where it is not, or no longer, in the list.
    fn listed(before: Option<Self::Row>, event: &Self::Event) -> Option<Self::Row>;

    /// Where it stands in the order of its list.
    fn label(row: &Self::Row) -> String;
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<R> {
    /// Its id, also that of its stream.
    pub id: Uuid,
    /// Version of the stream that the row shows, for a command that must not meet another one.
    pub version: Version,
    /// What the list shows.
    pub row: R,
}

/// The kinds that stand in lists, each with the fold of its events.
type Fold = fn(Option<StoredRow>, &RecordedEvent) -> Result<Option<StoredRow>, StoreError>;
const KINDS: &[(&str, Fold)] = &[
    (crate::Principal::KIND, fold::<crate::Principal>),
    (crate::Role::KIND, fold::<crate::Role>),
    (crate::ApiToken::KIND, fold::<crate::ApiToken>),
    (crate::EnrolmentToken::KIND, fold::<crate::EnrolmentToken>),
    (crate::DeviceGroup::KIND, fold::<crate::DeviceGroup>),
];

/// A row as it is stored. A thing that is gone keeps its version, so that its stream can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Which thing.
    pub stream: StreamId,
    version: Version,
    label: String,
    body: String,
}

/// The fold of the events of this kind; nothing where it stands in no list.
pub(crate) fn fold_of(kind: &str) -> Option<Fold> {
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, fold)| *fold)
}

fn fold<A: Listed>(
    before: Option<StoredRow>,
    event: &RecordedEvent,
) -> Result<Option<StoredRow>, StoreError> {
    let before = before.map(|row| row_of::<A>(&row)).transpose()?;
    let after = A::listed(before.map(|entry| entry.row), &event_of(event)?);
    let Some(row) = after else { return Ok(None) };
    let body = serde_json::to_string(&row)
        .map_err(|cause| StoreError::Damaged(format!("a row cannot be written: {cause}")))?;
    Ok(Some(StoredRow {
        stream: event.stream.clone(),
        version: event.version,
        label: A::label(&row),
        body,
    }))
}

fn row_of<A: Listed>(stored: &StoredRow) -> Result<Entry<A::Row>, StoreError> {
    let row = serde_json::from_str(&stored.body).map_err(|cause| {
        StoreError::Damaged(format!(
            "the row of {} cannot be read: {cause}",
            stored.stream
        ))
    })?;
    Ok(Entry {
        id: stored.stream.id,
        version: stored.version,
        row,
    })
}

impl ControlStore {
    /// A page of a list in the order of its labels, behind the label and id of `after`, at most `limit` rows and never
    /// more than 1 000.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`].
    pub async fn list<A: Listed>(
        &self,
        after: Option<(&str, Uuid)>,
        limit: u32,
    ) -> Result<Vec<Entry<A::Row>>, StoreError> {
        let (label, id) = match after {
            Some((label, id)) => (label, id.to_string()),
            // Before every row: no id is empty.
            None => ("", String::new()),
        };
        sqlx::query(
            "SELECT kind, id, version, label, body FROM listings
             WHERE kind = $1 AND (label > $2 OR (label = $2 AND id > $3)) ORDER BY label, id LIMIT $4",
        )
        .bind(A::KIND)
        .bind(label)
        .bind(id)
        .bind(i64::from(limit.min(MAX_LISTED)))
        .fetch_all(self.reader())
        .await
        .map_err(StoreError::while_doing("reading a list"))?
        .iter()
        .map(|row| row_of::<A>(&read(row)?))
        .collect()
    }

    /// One row of a list; nothing where there is no such thing, or no longer.
    ///
    /// # Errors
    ///
    /// The database's, and [`StoreError::Damaged`].
    pub async fn entry<A: Listed>(&self, id: Uuid) -> Result<Option<Entry<A::Row>>, StoreError> {
        let row = sqlx::query(ONE)
            .bind(A::KIND)
            .bind(id.to_string())
            .fetch_optional(self.reader())
            .await
            .map_err(StoreError::while_doing("reading a list"))?;
        row.map(|row| row_of::<A>(&read(&row)?)).transpose()
    }
}

const ONE: &str = "SELECT kind, id, version, label, body FROM listings WHERE kind = $1 AND id = $2";

pub(crate) async fn get(
    connection: &mut AnyConnection,
    stream: &StreamId,
) -> Result<Option<StoredRow>, StoreError> {
    sqlx::query(ONE)
        .bind(stream.kind.as_str())
        .bind(stream.id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::while_doing("reading a list"))?
        .as_ref()
        .map(read)
        .transpose()
}

pub(crate) async fn all(pool: &AnyPool) -> Result<Vec<StoredRow>, StoreError> {
    sqlx::query("SELECT kind, id, version, label, body FROM listings ORDER BY kind, id")
        .fetch_all(pool)
        .await
        .map_err(StoreError::while_doing("reading lists"))?
        .iter()
        .map(read)
        .collect()
}

/// Replaces the row of `stream`, or takes it out.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    stream: &StreamId,
    row: Option<&StoredRow>,
) -> Result<(), StoreError> {
    let failed = StoreError::while_doing("keeping a list");
    let Some(row) = row else {
        sqlx::query("DELETE FROM listings WHERE kind = $1 AND id = $2")
            .bind(stream.kind.as_str())
            .bind(stream.id.to_string())
            .execute(connection)
            .await
            .map_err(failed)?;
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO listings (kind, id, version, label, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (kind, id) DO UPDATE SET
             version = excluded.version, label = excluded.label, body = excluded.body",
    )
    .bind(stream.kind.as_str())
    .bind(stream.id.to_string())
    .bind(number(row.version.0)?)
    .bind(row.label.as_str())
    .bind(row.body.as_str())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(crate) async fn delete_all(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM listings")
        .execute(connection)
        .await
        .map_err(StoreError::while_doing("deleting lists"))?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<StoredRow, StoreError> {
    let failed = StoreError::while_doing("reading a list");
    let damaged = |what: &str| StoreError::Damaged(format!("the row of a list has a wrong {what}"));
    let text = |place: usize| row.try_get::<String, _>(place).map_err(&failed);
    let version: i64 = row.try_get(2).map_err(&failed)?;
    Ok(StoredRow {
        stream: StreamId {
            kind: text(0)?,
            id: Uuid::parse_str(&text(1)?).map_err(|_| damaged("id"))?,
        },
        version: Version(u64::try_from(version).map_err(|_| damaged("version"))?),
        label: text(3)?,
        body: text(4)?,
    })
}
