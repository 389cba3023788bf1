//! Tables with known rows, written as the processor writes them, and a router over them. Asserts nothing.

use std::sync::{Arc, Mutex};

use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use epm_control::ControlStore;
use epm_query_api::{AppState, ReadAccess, ReportEngine, router};
use epm_tables::schema::{DEVICES_TABLE, ELEVATIONS_TABLE, Table, USAGE_TABLE};
use epm_tables::write::{Change, TableWriter};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;
use uuid::Uuid;

/// A server over tables of its own; both go when it is dropped.
pub(crate) struct Server {
    folder: TempDir,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// One elevation; everything else about it follows from these.
#[derive(Clone)]
pub(crate) struct Elevation {
    /// Whole days before today.
    pub(crate) days_ago: i32,
    pub(crate) user: String,
    pub(crate) device: String,
    pub(crate) file: String,
    pub(crate) product: Option<String>,
    pub(crate) publisher: Option<String>,
    pub(crate) management: &'static str,
    pub(crate) outcome: &'static str,
}

impl Elevation {
    pub(crate) fn of(user: &str, file: &str, management: &'static str) -> Self {
        Self {
            days_ago: 0,
            user: user.to_owned(),
            device: "PC-1".to_owned(),
            file: file.to_owned(),
            product: Some(format!("Product of {file}")),
            publisher: Some("Contoso".to_owned()),
            management,
            outcome: "elevated",
        }
    }

    pub(crate) fn ago(mut self, days: i32) -> Self {
        self.days_ago = days;
        self
    }

    fn day(&self) -> Date {
        let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        today.checked_sub(self.days_ago.days()).expect("in range")
    }

    fn row(&self, index: usize) -> Value {
        let at = format!("{}T00:00:{:02}.{:06}Z", self.day(), index % 60, index);
        json!({
            "event_id": format!("0190{index:08}-0000-7000-8000-000000000000"),
            "agent_id": agent_of(&self.device).to_string(),
            "observed_at": at,
            "received_at": at,
            "outcome": self.outcome,
            "management": self.management,
            "decision_source": if self.management == "managed" { "rule" } else { "none" },
            "elevation_type": if self.management == "managed" { "automatic" } else { "unmanaged" },
            "account_class": "person",
            "user_name": self.user,
            "device": self.device,
            "file_name": self.file,
            "product_name": self.product,
            "publisher": self.publisher,
            "sha256": "ab".repeat(32),
            "repeat_count": 1,
            "event_date": self.day().to_string(),
        })
    }

    /// The row of `usage` that counts this elevation alone; readers sum.
    fn usage(&self, index: usize) -> Value {
        let mut row = self.row(index);
        let at = row["observed_at"].clone();
        for (name, value) in [
            ("elevations", json!(1)),
            ("first_seen", at.clone()),
            ("last_seen", at),
        ] {
            row[name] = value;
        }
        row
    }
}

/// The agent of a device.
pub(crate) fn agent_of(device: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, device.as_bytes())
}

impl Server {
    /// Over a folder without tables.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Over tables with these elevations and one device that has just reported.
    pub(crate) async fn with(elevations: &[Elevation]) -> Self {
        let server = Self::empty();
        let mut days: Vec<Date> = elevations.iter().map(Elevation::day).collect();
        days.sort();
        days.dedup();
        let numbered = || elevations.iter().enumerate();
        for day in days {
            let on_day = || numbered().filter(move |(_, one)| one.day() == day);
            let rows: Vec<Value> = on_day().map(|(index, one)| one.row(index)).collect();
            server.write(ELEVATIONS_TABLE, Some(day), &rows).await;
            let rows: Vec<Value> = on_day().map(|(index, one)| one.usage(index)).collect();
            server.write(USAGE_TABLE, Some(day), &rows).await;
        }
        let now = Timestamp::now().to_string();
        let device = json!({
            "agent_id": agent_of("PC-1").to_string(), "device": "PC-1", "records": elevations.len(),
            "missing": 0, "lost": 0, "spool_records": 0, "heartbeat_interval_s": 300,
            "last_heartbeat_at": now, "last_received_at": now, "last_observed_at": now,
        });
        server.write(DEVICES_TABLE, None, &[device]).await;
        server
    }

    async fn write(&self, table: Table, day: Option<Date>, rows: &[Value]) {
        let url = Url::from_directory_path(self.folder.path()).expect("an absolute path");
        let day = day.map(|day| {
            let since = day.since(Date::constant(1970, 1, 1)).expect("in range");
            since.get_days()
        });
        let mut writer = TableWriter::open(&url, table).await.expect("opens");
        let change = Change {
            add: vec![(day, batch(table, rows))],
            ..Change::default()
        };
        writer.commit(change).await.expect("commits");
    }

    /// The whole interface, without a control store.
    pub(crate) fn router(&self) -> Router {
        self.router_with(None, ReadAccess::Open)
    }

    /// The control store in this server's folder.
    pub(crate) async fn control(&self) -> ControlStore {
        let file = self.folder.path().join("control.db");
        let address = ControlStore::address_of_file(&file);
        ControlStore::open(&address).await.expect("opens")
    }

    /// The whole interface.
    pub(crate) fn router_with(&self, control: Option<ControlStore>, access: ReadAccess) -> Router {
        let path = self.folder.path().to_str().expect("a UTF-8 path");
        let engine = ReportEngine::open(path).expect("opens");
        let registry = Arc::new(Mutex::new(prometheus_client::registry::Registry::default()));
        router(AppState::new(engine, control, access, registry))
    }

    /// GET as a browser asks.
    pub(crate) async fn get(&self, address: &str) -> Reply {
        let request = Request::builder()
            .uri(address)
            .header("host", "127.0.0.1:8080")
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .body(Body::empty())
            .expect("a request");
        let answer = self.router().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        }
    }

    /// The JSON of a REST address.
    pub(crate) async fn json(&self, address: &str) -> Value {
        let reply = self.get(address).await;
        serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{address}: {}", reply.body))
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

fn batch(table: Table, rows: &[Value]) -> RecordBatch {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let mut reader = ReaderBuilder::new(table.schema())
        .build(text.as_bytes())
        .expect("a reader");
    reader.next().expect("rows").expect("rows of the table")
}
