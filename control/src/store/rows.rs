//! Events as rows of the table `events`, and back. A row must give exactly what was stored, or an error.

use std::str::FromStr as _;

use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::chain::Head;
use crate::error::StoreError;
use crate::event::{Actor, RecordedEvent, Sequence, StreamId, TimeUs, Version};

pub(super) const INSERT: &str = "
    INSERT INTO events (sequence, kind, id, version, name, actor, at_us, body, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
pub(super) const OF_STREAM: &str = "
    SELECT sequence, kind, id, version, name, actor, at_us, body, hash FROM events
    WHERE kind = $1 AND id = $2 ORDER BY version";
pub(super) const AFTER: &str = "
    SELECT sequence, kind, id, version, name, actor, at_us, body, hash FROM events
    WHERE sequence > $1 ORDER BY sequence LIMIT $2";

/// A number as both engines store it.
pub(crate) fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value)
        .map_err(|_| StoreError::Damaged(format!("the number {value} is too large")))
}

/// A stored number that cannot be negative.
pub(super) fn unsigned(what: &str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged(format!("the {what} {value} is negative")))
}

/// Reads what one of the queries above selected.
pub(super) fn event(row: &AnyRow) -> Result<RecordedEvent, StoreError> {
    let read = StoreError::while_doing("reading an event");
    let sequence: i64 = row.try_get(0).map_err(&read)?;
    let id: String = row.try_get(2).map_err(&read)?;
    let version: i64 = row.try_get(3).map_err(&read)?;
    let actor: String = row.try_get(5).map_err(&read)?;
    let hash: Vec<u8> = row.try_get(8).map_err(&read)?;
    Ok(RecordedEvent {
        sequence: Sequence(unsigned("sequence", sequence)?),
        stream: StreamId {
            kind: row.try_get(1).map_err(&read)?,
            id: as_written(&id, Uuid::parse_str(&id).ok(), "id", sequence)?,
        },
        version: Version(unsigned("version", version)?),
        name: row.try_get(4).map_err(&read)?,
        actor: as_written(&actor, Actor::from_str(&actor).ok(), "actor", sequence)?,
        at: TimeUs(row.try_get(6).map_err(&read)?),
        body: row.try_get(7).map_err(&read)?,
        hash: as_hash(&hash)?,
    })
}

/// Reads `sequence, hash` of the table `head`.
pub(super) fn head(row: Option<&AnyRow>) -> Result<Head, StoreError> {
    let read = StoreError::while_doing("reading its head");
    let row = row.ok_or_else(|| StoreError::Damaged("it has no head".to_owned()))?;
    let sequence: i64 = row.try_get(0).map_err(&read)?;
    let hash: Vec<u8> = row.try_get(1).map_err(&read)?;
    Ok(Head {
        sequence: Sequence(unsigned("sequence", sequence)?),
        hash: as_hash(&hash)?,
    })
}

/// The value, if its text is exactly the one that we write for it: `A` and `a` are the same digit of an id, and the chain
/// must see the difference.
fn as_written<T: ToString>(
    text: &str,
    value: Option<T>,
    what: &str,
    sequence: i64,
) -> Result<T, StoreError> {
    value
        .filter(|value| value.to_string() == text)
        .ok_or_else(|| {
            StoreError::Damaged(format!(
                "the {what} of event {sequence} was not written by this program"
            ))
        })
}

fn as_hash(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    <[u8; 32]>::try_from(bytes)
        .map_err(|_| StoreError::Damaged(format!("a hash has {} bytes", bytes.len())))
}
