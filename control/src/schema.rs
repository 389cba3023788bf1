//! The tables, and how an older store gets them. A step that was released is never changed; a newer store is refused.

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use crate::error::StoreError;
use crate::store::Engine;

/// What leads from each version to the next: `STEPS[0]` makes version 1. Types that the engines spell differently stand
/// in braces.
const STEPS: [&[&str]; 3] = [
    &[
        "CREATE TABLE events (
        sequence {integer} PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version {integer} NOT NULL,
        name TEXT NOT NULL,
        actor TEXT NOT NULL,
        at_us {integer} NOT NULL,
        body {bytes} NOT NULL,
        hash {bytes} NOT NULL,
        UNIQUE (kind, id, version)
    ) {strict}",
        // One row, whose lock puts all appends in one order: a sequence is visible only after all before it.
        "CREATE TABLE head (
        one {integer} PRIMARY KEY CHECK (one = 1),
        sequence {integer} NOT NULL,
        hash {bytes} NOT NULL
    ) {strict}",
        "CREATE TABLE elevation_requests (
        id TEXT PRIMARY KEY,
        version {integer} NOT NULL,
        state TEXT NOT NULL,
        requester TEXT NOT NULL,
        device TEXT NOT NULL,
        file_sha256 TEXT NOT NULL,
        submitted_us {integer} NOT NULL,
        due_us {integer} NOT NULL
    ) {strict}",
        // What a reviewer sees, and what the clock has to look at.
        "CREATE INDEX elevation_requests_by_state ON elevation_requests (state, due_us)",
    ],
    &[
        "CREATE TABLE devices (
        id TEXT PRIMARY KEY,
        version {integer} NOT NULL,
        state TEXT NOT NULL,
        key_sha256 TEXT NOT NULL,
        tags TEXT NOT NULL,
        certificates TEXT NOT NULL,
        enrolled_us {integer} NOT NULL,
        clone_us {integer}
    ) {strict}",
        // A key that enrols again is the same device.
        "CREATE INDEX devices_by_key ON devices (key_sha256)",
    ],
    &[
        // Things that are few and small, all kinds in one table. Labels are compared byte by byte on every engine.
        "CREATE TABLE listings (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version {integer} NOT NULL,
        label TEXT {bytewise} NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) {strict}",
        "CREATE INDEX listings_by_label ON listings (kind, label, id)",
    ],
];

/// The newest schema that this program knows.
pub(crate) const KNOWN: i64 = STEPS.len() as i64;

/// Brings the store to [`KNOWN`], all steps in one transaction, one node at a time. Says whether it was an older store:
/// then new tables do not hold yet what the events say.
pub(crate) async fn migrate(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<bool, StoreError> {
    let failed = StoreError::while_doing("preparing its tables");
    let mut transaction = connection
        .begin_with(engine.begin())
        .await
        .map_err(&failed)?;
    if let Engine::Postgres = engine {
        // The number is any that no other program on this database would take: "epm-ctrl" in ASCII.
        sqlx::query("DO $$ BEGIN PERFORM pg_advisory_xact_lock(7309462236931846764); END $$")
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    sqlx::query(AssertSqlSafe(engine.spell(
        "CREATE TABLE IF NOT EXISTS schema_version (
            one {integer} PRIMARY KEY CHECK (one = 1),
            version {integer} NOT NULL
        ) {strict}",
    )))
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    let found: Option<i64> = sqlx::query_scalar("SELECT version FROM schema_version")
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
    let found = found.unwrap_or(0);
    if found > KNOWN {
        return Err(StoreError::NewerSchema {
            found,
            known: KNOWN,
        });
    }
    let first = usize::try_from(found)
        .map_err(|_| StoreError::Damaged(format!("its schema has the version {found}")))?;
    for step in &STEPS[first..] {
        for statement in *step {
            sqlx::query(AssertSqlSafe(engine.spell(statement)))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
    }
    // Only a store that is new has no head. One that lost it must not begin a second chain.
    if first == 0 {
        sqlx::query("INSERT INTO head (one, sequence, hash) VALUES (1, 0, $1)")
            .bind(crate::chain::ORIGIN.to_vec())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
    }
    sqlx::query(
        "INSERT INTO schema_version (one, version) VALUES (1, $1)
         ON CONFLICT (one) DO UPDATE SET version = excluded.version",
    )
    .bind(KNOWN)
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    transaction.commit().await.map_err(&failed)?;
    Ok((1..KNOWN).contains(&found))
}
