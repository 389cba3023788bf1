//! The table `elevation_requests`: questions that need no fold.

use epm_policy::{DeviceId, RequestState, Sha256, UserId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row as _};
use uuid::Uuid;

use super::RequestRow;
use super::event::name_of;
use crate::error::StoreError;
use crate::event::{TimeUs, Version};
use crate::store::{ControlStore, number};

/// Rows of one answer. A reviewer reads a page; the clock comes again.
const MAX_ROWS: u32 = 1_000;

impl ControlStore {
    /// Requests in this state, the next to expire first, at most 1 000.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn requests_in(&self, state: RequestState) -> Result<Vec<RequestRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, version, state, requester, device, file_sha256, submitted_us, due_us
             FROM elevation_requests WHERE state = $1 ORDER BY due_us, id LIMIT $2",
        )
        .bind(name_of(state))
        .bind(i64::from(MAX_ROWS))
        .fetch_all(self.reader())
        .await
        .map_err(StoreError::while_doing("reading requests"))?;
        rows.iter().map(read).collect()
    }

    /// One request; nothing where there is no such.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn request(&self, id: Uuid) -> Result<Option<RequestRow>, StoreError> {
        let mut connection = self
            .reader()
            .acquire()
            .await
            .map_err(StoreError::while_doing("reading a request"))?;
        get(&mut connection, id).await
    }

    /// Requests whose time is over at `now` and that nobody has expired yet, the oldest first, at most 1 000.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn requests_over(&self, now: TimeUs) -> Result<Vec<RequestRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, version, state, requester, device, file_sha256, submitted_us, due_us
             FROM elevation_requests WHERE state IN ('pending', 'approved') AND due_us <= $1
             ORDER BY due_us, id LIMIT $2",
        )
        .bind(now.0)
        .bind(i64::from(MAX_ROWS))
        .fetch_all(self.reader())
        .await
        .map_err(StoreError::while_doing("reading requests"))?;
        rows.iter().map(read).collect()
    }
}

pub(crate) async fn get(
    connection: &mut AnyConnection,
    id: Uuid,
) -> Result<Option<RequestRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, version, state, requester, device, file_sha256, submitted_us, due_us
         FROM elevation_requests WHERE id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::while_doing("reading a request"))?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn all(pool: &AnyPool) -> Result<Vec<RequestRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, version, state, requester, device, file_sha256, submitted_us, due_us
         FROM elevation_requests ORDER BY id",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::while_doing("reading requests"))?;
    rows.iter().map(read).collect()
}

pub(crate) async fn put(
    connection: &mut AnyConnection,
    row: &RequestRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO elevation_requests
             (id, version, state, requester, device, file_sha256, submitted_us, due_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             version = excluded.version, state = excluded.state, requester = excluded.requester,
             device = excluded.device, file_sha256 = excluded.file_sha256,
             submitted_us = excluded.submitted_us, due_us = excluded.due_us",
    )
    .bind(row.id.to_string())
    .bind(number(row.version.0)?)
    .bind(name_of(row.state))
    .bind(row.requester.as_str())
    .bind(row.device.as_str())
    .bind(String::from(row.file_sha256))
    .bind(row.submitted_at.0)
    .bind(row.due_at.0)
    .execute(connection)
    .await
    .map_err(StoreError::while_doing("keeping a request"))?;
    Ok(())
}

pub(crate) async fn delete_all(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM elevation_requests")
        .execute(connection)
        .await
        .map_err(StoreError::while_doing("deleting requests"))?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<RequestRow, StoreError> {
    let failed = StoreError::while_doing("reading a request");
    let damaged =
        |what: &str| StoreError::Damaged(format!("the row of a request has a wrong {what}"));
    let text = |place: usize| row.try_get::<String, _>(place).map_err(&failed);
    let integer = |place: usize| row.try_get::<i64, _>(place).map_err(&failed);
    let state = text(2)?;
    Ok(RequestRow {
        id: Uuid::parse_str(&text(0)?).map_err(|_| damaged("id"))?,
        version: Version(u64::try_from(integer(1)?).map_err(|_| damaged("version"))?),
        state: RequestState::ALL
            .into_iter()
            .find(|known| name_of(*known) == state)
            .ok_or_else(|| damaged("state"))?,
        requester: UserId(text(3)?),
        device: DeviceId(text(4)?),
        file_sha256: Sha256::parse(&text(5)?).map_err(|_| damaged("hash"))?,
        submitted_at: TimeUs(integer(6)?),
        due_at: TimeUs(integer(7)?),
    })
}
