//! What the tests share: records written by us, a log to put them in, and tables to look at.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use epm_event_log::{EmbeddedConfig, EmbeddedLog, EntryKind, EventLog, NewEntry, PartitionId};
use epm_processor::{Config, ProcessorError, run};
use epm_proto::chain::record_hash;
use epm_proto::v1::{self, record::Body};
use epm_tables::schema::{DEAD_LETTERS_TABLE, DEVICES_TABLE, ELEVATIONS_TABLE, Table, USAGE_TABLE};
use epm_tables::write::{Cell, Cells, TableWriter, read_cells};
use prost::Message as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

/// 2026-03-02T10:00:00Z in microseconds.
pub(crate) const START_US: i64 = 1_772_445_600_000_000;

/// One agent's spool: gives records their place and their link.
pub(crate) struct Spool {
    pub(crate) agent: u8,
    sequence: u64,
    previous: Vec<u8>,
}

impl Spool {
    pub(crate) fn new(agent: u8) -> Self {
        Self {
            agent,
            sequence: 0,
            previous: Vec::new(),
        }
    }

    pub(crate) fn record(&mut self, key: &[u8], observed_at_us: i64, body: Body) -> Bytes {
        self.sequence += 1;
        let mut event_id = [0; 16];
        // Differs in its first byte, so that which agent's record is least depends on more than the agent.
        event_id[0] = (self.sequence as u8)
            .wrapping_mul(97)
            .wrapping_add(self.agent.wrapping_mul(31));
        event_id[1] = self.agent;
        event_id[8..].copy_from_slice(&self.sequence.to_be_bytes());
        let record = v1::Record {
            agent_id: vec![self.agent; 16],
            epoch: 1,
            sequence: self.sequence,
            previous_hash: std::mem::take(&mut self.previous),
            event_id: event_id.to_vec(),
            observed_at_us,
            schema_version: 1,
            source_event_key: key.to_vec(),
            agent_version: "1.0".to_owned(),
            body: Some(body),
            ..Default::default()
        };
        let bytes = Bytes::from(record.encode_to_vec());
        self.previous = record_hash(&bytes).to_vec();
        bytes
    }
}

/// An elevation of `program` by `user`.
pub(crate) fn elevation(program: &str, user: &str) -> v1::Elevation {
    v1::Elevation {
        outcome: v1::Outcome::Elevated.into(),
        management: v1::Management::Unmanaged.into(),
        account_class: v1::AccountClass::Person.into(),
        user: Some(v1::User {
            user_name_raw: user.to_owned(),
            ..Default::default()
        }),
        device: Some(v1::Device {
            device_name: "pc-1.example.org".to_owned(),
            ..Default::default()
        }),
        file: Some(v1::File {
            path: format!("C:\\Tools\\{program}"),
            file_name: program.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What one of two sensors saw of a process.
pub(crate) fn process_start(sensor: v1::SensorKind, program: &str, pid: u64) -> v1::Elevation {
    let mut seen = elevation(program, "EXAMPLE\\Ann");
    seen.sensor = sensor.into();
    seen.process = Some(v1::Process {
        pid,
        token_elevation_type: u32::from(sensor == v1::SensorKind::Security4688) * 2,
        ..Default::default()
    });
    if sensor == v1::SensorKind::Sysmon1
        && let Some(file) = &mut seen.file
    {
        file.company_name = "Example Ltd".to_owned();
        file.path = file.path.to_uppercase();
    }
    seen
}

/// What one of four sensors saw of a run of sudo, whose process is 4242: sudo's line, its record in the audit log, and
/// there the starts of the program and of sudo itself.
pub(crate) fn run_of_sudo(sensor: v1::SensorKind, program: &str) -> v1::Elevation {
    let mut seen = elevation(program, "ann");
    seen.sensor = sensor.into();
    seen.trigger = v1::Trigger::Sudo.into();
    let is_sudo_itself = program == "sudo";
    seen.process = Some(v1::Process {
        pid: match sensor {
            v1::SensorKind::AuditExecve if is_sudo_itself => 4242,
            v1::SensorKind::AuditExecve => 4243,
            _ => 0,
        },
        parent_pid: if is_sudo_itself { 7 } else { 4242 },
        parent_path: if is_sudo_itself { "" } else { "/usr/bin/sudo" }.to_owned(),
        ..Default::default()
    });
    seen
}

/// What sudo told `sensor` of a run: with the id of its process, 4242, where that is known.
pub(crate) fn told_by_sudo(sensor: v1::SensorKind, program: &str, knows: bool) -> v1::Elevation {
    let mut told = run_of_sudo(sensor, program);
    told.user.get_or_insert_default().target_user_name = "root".to_owned();
    if !knows {
        told.process = None;
    }
    told
}

pub(crate) fn exit(start_key: &[u8], started_us: i64, code: i64) -> Body {
    Body::ElevationExit(v1::ElevationExit {
        start_key: start_key.to_vec(),
        start_observed_at_us: started_us,
        result_code: Some(code),
        ..Default::default()
    })
}

/// A log and tables.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) log: Arc<dyn EventLog>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = EmbeddedConfig {
            segment_bytes: 1 << 20,
            ..EmbeddedConfig::default()
        };
        let log = EmbeddedLog::open(&folder.path().join("log"), config).expect("a log");
        Self {
            folder,
            log: Arc::new(log),
        }
    }

    pub(crate) fn tables(&self) -> std::path::PathBuf {
        self.folder.path().join("tables")
    }

    pub(crate) async fn append(&self, records: &[Bytes]) {
        let entries = records
            .iter()
            .map(|record| entry(EntryKind::Record, record.clone()))
            .collect();
        self.append_entries(entries).await;
    }

    pub(crate) async fn append_entries(&self, entries: Vec<NewEntry>) {
        self.log
            .append(PartitionId(0), entries)
            .await
            .expect("the log takes the entries");
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(Url::from_directory_path(self.tables()).expect("an absolute folder"))
    }

    /// Folds what is in the log, at most `bytes` a transaction.
    pub(crate) async fn try_fold(&self, bytes: usize) -> Result<(), ProcessorError> {
        let config = Config {
            transaction_bytes: bytes,
            ..self.config()
        };
        let ended = CancellationToken::new();
        ended.cancel();
        let registry = Arc::new(Mutex::new(Default::default()));
        run(config, Arc::clone(&self.log), registry, ended).await
    }

    pub(crate) async fn fold(&self) {
        self.try_fold(1 << 20).await.expect("the log folds");
    }

    pub(crate) async fn rows(&self, table: Table) -> Vec<Cells> {
        read_rows(&self.tables(), table).await
    }

    pub(crate) async fn elevations(&self) -> Vec<Cells> {
        self.rows(ELEVATIONS_TABLE).await
    }

    /// All four tables without what depends on where an entry stood in the log. `usage` is summed.
    pub(crate) async fn canonical(&self) -> Vec<String> {
        let mut all = Vec::new();
        for table in [ELEVATIONS_TABLE, DEVICES_TABLE, DEAD_LETTERS_TABLE] {
            for mut row in self.rows(table).await {
                if table.name == DEAD_LETTERS_TABLE.name {
                    row[table.index("log_offset")] = Cell::Null;
                }
                all.push(format!("{}: {row:?}", table.name));
            }
        }
        let mut usage = std::collections::BTreeMap::new();
        for row in self.rows(USAGE_TABLE).await {
            let mut key = row.clone();
            let count = std::mem::replace(&mut key[USAGE_TABLE.index("elevations")], Cell::Null);
            let first = std::mem::replace(&mut key[USAGE_TABLE.index("first_seen")], Cell::Null);
            let last = std::mem::replace(&mut key[USAGE_TABLE.index("last_seen")], Cell::Null);
            let (Cell::Long(count), Cell::Time(first), Cell::Time(last)) = (count, first, last)
            else {
                panic!("a count without its numbers");
            };
            let sum = usage.entry(format!("{key:?}")).or_insert((0, first, last));
            *sum = (sum.0 + count, sum.1.min(first), sum.2.max(last));
        }
        all.extend(
            usage
                .iter()
                .map(|(key, sum)| format!("usage: {key} {sum:?}")),
        );
        all.sort();
        all
    }
}

pub(crate) fn entry(kind: EntryKind, payload: Bytes) -> NewEntry {
    // The same record is received at the same time in every log, as it would be if it had been sent once.
    let received_at_ms = START_US / 1000 + payload.len() as i64;
    NewEntry {
        kind,
        received_at_ms,
        key: [1; 16],
        payload,
    }
}

pub(crate) async fn read_rows(tables: &Path, table: Table) -> Vec<Cells> {
    let url = Url::from_directory_path(tables).expect("an absolute folder");
    let writer = TableWriter::open(&url, table)
        .await
        .expect("the table opens");
    let mut rows = Vec::new();
    for file in writer.files().cloned().collect::<Vec<_>>() {
        let batch = writer.read_file(&file, None).await.expect("the file reads");
        rows.extend((0..batch.num_rows()).map(|row| read_cells(&batch, row)));
    }
    rows
}

pub(crate) fn text<'a>(row: &'a Cells, name: &str) -> &'a str {
    row[ELEVATIONS_TABLE.index(name)].text().unwrap_or_default()
}

pub(crate) fn cell<'a>(row: &'a Cells, name: &str) -> &'a Cell {
    &row[ELEVATIONS_TABLE.index(name)]
}
