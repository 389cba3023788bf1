//! What differs between SQLite and PostgreSQL: addresses, connections, and a few words of SQL.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Once;
use std::time::Duration;

use futures::FutureExt as _;
use sqlx::any::AnyPoolOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, Connection as _};

use crate::error::StoreError;

/// Readers of one node: consoles and feeds; each query takes milliseconds.
const READERS: u32 = 8;
/// Connections of a node to PostgreSQL: readers, and two appends, of which one waits for the other.
const POSTGRES_CONNECTIONS: u32 = 10;
/// How long a caller waits for a connection: beyond it the database is away, and the caller's client has given up.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(10);

/// Every new connection to SQLite: readers do not stop the writer, a commit is on disk when it returns, and a writer
/// waits its turn as long as `CONNECTION_PATIENCE`.
const SQLITE_SETTINGS: [&str; 4] = [
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
];
/// Every new connection to PostgreSQL: a commit is on disk when it returns, whatever the server's default is, and a node
/// that hangs in a transaction does not hold the head for ever.
const POSTGRES_SETTINGS: [&str; 3] = [
    "SET synchronous_commit = on",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET lock_timeout = '10s'",
];

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// One file, one node.
    Sqlite,
    /// A server, several nodes.
    Postgres,
}

impl Engine {
    /// The engine that an address names.
    pub(crate) fn of(address: &str) -> Result<Self, StoreError> {
        match address.split_once("://") {
            // A store in memory would be another one for each connection.
            Some(("sqlite", path)) if !path.is_empty() && !path.starts_with(":memory:") => {
                Ok(Self::Sqlite)
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(StoreError::Address(without_password(address))),
        }
    }

    /// How a transaction that will write begins. SQLite would otherwise read first and then find that it may not write.
    pub(crate) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            // Each statement sees what was committed before it: what the holder of the head did before us.
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    pub(super) fn lock_head(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT sequence, hash FROM head WHERE one = 1",
            Self::Postgres => "SELECT sequence, hash FROM head WHERE one = 1 FOR UPDATE",
        }
    }

    /// Replaces what stands in braces in a definition of a table.
    pub(crate) fn spell(self, definition: &str) -> String {
        let (integer, bytes, strict, bytewise) = match self {
            Self::Sqlite => ("INTEGER", "BLOB", "STRICT", ""),
            Self::Postgres => ("BIGINT", "BYTEA", "", "COLLATE \"C\""),
        };
        definition
            .replace("{integer}", integer)
            .replace("{bytes}", bytes)
            .replace("{strict}", strict)
            .replace("{bytewise}", bytewise)
    }

    /// The writers' and the readers' connections.
    pub(super) async fn connect(self, address: &str) -> Result<(AnyPool, AnyPool), StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        match self {
            Self::Sqlite => {
                make_file(address)?;
                let writer = self.pool(address, 1).await?;
                Ok((writer, self.pool(address, READERS).await?))
            }
            Self::Postgres => {
                let pool = self.pool(address, POSTGRES_CONNECTIONS).await?;
                Ok((pool.clone(), pool))
            }
        }
    }

    async fn pool(self, address: &str, connections: u32) -> Result<AnyPool, StoreError> {
        let settings: &'static [&'static str] = match self {
            Self::Sqlite => &SQLITE_SETTINGS,
            Self::Postgres => &POSTGRES_SETTINGS,
        };
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECTION_PATIENCE)
            .after_connect(move |connection, _| {
                async move {
                    for setting in settings {
                        sqlx::query(*setting).execute(&mut *connection).await?;
                    }
                    connection.ping().await
                }
                .boxed()
            })
            .connect(address)
            .await
            .map_err(StoreError::while_doing("connecting"))
    }
}

/// The address of the store in a file, for [`crate::ControlStore::open`]. Bytes that mean something in an address are
/// written by their numbers.
pub(super) fn address_of_file(path: &Path) -> String {
    let mut address = "sqlite://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

/// Makes the file if it is not there, for its owner only: it will hold hashes of tokens. SQLite gives its other files
/// the same rights.
fn make_file(address: &str) -> Result<(), StoreError> {
    let settings = SqliteConnectOptions::from_str(address)
        .map_err(StoreError::while_doing("reading its address"))?;
    let path = settings.get_filename().to_owned();
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&path)
        .map(drop)
        .map_err(|cause| StoreError::File { path, cause })
}

/// The address as it may be shown.
fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => address.to_owned(),
    }
}
