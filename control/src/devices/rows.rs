//! The table `devices`: questions that need no fold.

use epm_policy::Sha256;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row as _};
use uuid::Uuid;

use super::{DeviceRow, DeviceState, KnownDevice};
use crate::error::StoreError;
use crate::event::{TimeUs, Version};
use crate::store::{ControlStore, number};

/// Devices of one answer: an operator reads a page, and asks for the next.
const MAX_ROWS: u32 = 1_000;

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, version, state, key_sha256, tags, certificates, enrolled_us, clone_us
             FROM devices ",
            $which
        )
    };
}

impl ControlStore {
    /// One device; none where it never enrolled.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn device(&self, id: Uuid) -> Result<Option<DeviceRow>, StoreError> {
        let row = sqlx::query(select!("WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(self.reader())
            .await
            .map_err(StoreError::while_doing("reading a device"))?;
        row.as_ref().map(read).transpose()
    }

    /// The device with this key; none where no device has it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn device_with_key(&self, key: Sha256) -> Result<Option<DeviceRow>, StoreError> {
        let row = sqlx::query(select!(
            "WHERE key_sha256 = $1 ORDER BY enrolled_us, id LIMIT 1"
        ))
        .bind(String::from(key))
        .fetch_optional(self.reader())
        .await
        .map_err(StoreError::while_doing("reading a device"))?;
        row.as_ref().map(read).transpose()
    }

    /// Devices with ids behind `after`, in the order of their ids, at most 1 000.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn devices_after(&self, after: Uuid) -> Result<Vec<DeviceRow>, StoreError> {
        let rows = sqlx::query(select!("WHERE id > $1 ORDER BY id LIMIT $2"))
            .bind(after.to_string())
            .bind(i64::from(MAX_ROWS))
            .fetch_all(self.reader())
            .await
            .map_err(StoreError::while_doing("reading devices"))?;
        rows.iter().map(read).collect()
    }
}

pub(crate) async fn get(
    connection: &mut AnyConnection,
    id: Uuid,
) -> Result<Option<DeviceRow>, StoreError> {
    let row = sqlx::query(select!("WHERE id = $1"))
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::while_doing("reading a device"))?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn all(pool: &AnyPool) -> Result<Vec<DeviceRow>, StoreError> {
    let rows = sqlx::query(select!("ORDER BY id"))
        .fetch_all(pool)
        .await
        .map_err(StoreError::while_doing("reading devices"))?;
    rows.iter().map(read).collect()
}

pub(crate) async fn put(connection: &mut AnyConnection, row: &DeviceRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO devices
             (id, version, state, key_sha256, tags, certificates, enrolled_us, clone_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             version = excluded.version, state = excluded.state, key_sha256 = excluded.key_sha256,
             tags = excluded.tags, certificates = excluded.certificates,
             enrolled_us = excluded.enrolled_us, clone_us = excluded.clone_us",
    )
    .bind(row.id.to_string())
    .bind(number(row.version.0)?)
    .bind(name_of(row.device.state))
    .bind(String::from(row.device.key))
    .bind(json(&row.device.tags)?)
    .bind(json(&row.device.certificates)?)
    .bind(row.enrolled_at.0)
    .bind(row.clone_seen_at.map(|at| at.0))
    .execute(connection)
    .await
    .map_err(StoreError::while_doing("keeping a device"))?;
    Ok(())
}

pub(crate) async fn delete_all(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM devices")
        .execute(connection)
        .await
        .map_err(StoreError::while_doing("deleting devices"))?;
    Ok(())
}

fn name_of(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Active => "active",
        DeviceState::Revoked => "revoked",
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("the row of a device has a wrong {what}"))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| damaged("text"))
}

fn of_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| damaged(what))
}

fn read(row: &AnyRow) -> Result<DeviceRow, StoreError> {
    let failed = StoreError::while_doing("reading a device");
    let text = |place: usize| row.try_get::<String, _>(place).map_err(&failed);
    let integer = |place: usize| row.try_get::<i64, _>(place).map_err(&failed);
    let state = text(2)?;
    let clone_us: Option<i64> = row.try_get(7).map_err(&failed)?;
    Ok(DeviceRow {
        id: Uuid::parse_str(&text(0)?).map_err(|_| damaged("id"))?,
        version: Version(u64::try_from(integer(1)?).map_err(|_| damaged("version"))?),
        device: KnownDevice {
            key: Sha256::parse(&text(3)?).map_err(|_| damaged("key"))?,
            tags: of_json("tag", &text(4)?)?,
            certificates: of_json("certificate", &text(5)?)?,
            state: [DeviceState::Active, DeviceState::Revoked]
                .into_iter()
                .find(|known| name_of(*known) == state)
                .ok_or_else(|| damaged("state"))?,
        },
        enrolled_at: TimeUs(integer(6)?),
        clone_seen_at: clone_us.map(TimeUs),
    })
}
