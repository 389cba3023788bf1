//! What one thread allows: the same records from memory, decoded, made into rows and committed by the project's own
//! table writer. No network, no log, no check for duplicates, no counts.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{bail, ensure};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use epm_proto::view::{BodyView, ElevationView, RecordView};
use epm_tables::schema::{ELEVATIONS_TABLE, Kind};
use epm_tables::write::{Change, RowsBuilder, TableWriter};

use crate::figures::Run;
use crate::place;
use crate::prepared::Prepared;

/// Records of one commit: the processor's 16 MiB.
const RECORDS_PER_COMMIT: usize = 40_000;
const DAY_US: i64 = 86_400_000_000;

type Write = fn(&mut RowsBuilder, &'static str, &RecordView<'_>, &ElevationView<'_>);

pub(super) async fn run(data: &Path, prepared: &Prepared) -> anyhow::Result<Run> {
    let mut table = TableWriter::open(&super::address(data)?, ELEVATIONS_TABLE).await?;
    let cpu = place::cpu_of("self")?;
    let began = Instant::now();
    for records in prepared.records.chunks(RECORDS_PER_COMMIT) {
        let add = rows(records)?;
        let add = add.into_iter().map(|(day, rows)| (Some(day), rows));
        let change = Change {
            add: add.collect(),
            ..Change::default()
        };
        table.commit(change).await?;
    }
    let run = Run {
        events: prepared.events(),
        wall: began.elapsed(),
        cpu: place::cpu_of("self")?.saturating_sub(cpu),
        ..Run::default()
    };
    let held: u64 = table.files().map(|file| file.rows).sum();
    ensure!(held == prepared.events(), "{held} rows");
    Ok(run)
}

/// The same rows as JSON lines, each without what it does not know.
pub(super) fn json_lines(prepared: &Prepared) -> anyhow::Result<Vec<u8>> {
    let mut lines = arrow::json::LineDelimitedWriter::new(Vec::new());
    for records in prepared.records.chunks(RECORDS_PER_COMMIT) {
        for rows in rows(records)?.values() {
            lines.write(rows)?;
        }
    }
    lines.finish()?;
    Ok(lines.into_inner())
}

fn rows(records: &[Bytes]) -> anyhow::Result<BTreeMap<i32, RecordBatch>> {
    let columns: Vec<(&'static str, Write)> = ELEVATIONS_TABLE
        .columns
        .iter()
        .map(|column| (column.name, value_of(column.name, column.kind)))
        .collect();
    let mut days = BTreeMap::new();
    for record in records {
        let record = RecordView::decode(record)?;
        let BodyView::Elevation(elevation) = &record.body else {
            bail!("not an elevation");
        };
        let rows = days
            .entry(day_of(&record))
            .or_insert_with(|| RowsBuilder::new(ELEVATIONS_TABLE));
        for (name, write) in &columns {
            write(rows, name, &record, elevation);
        }
        rows.end_row();
    }
    let days = days.into_iter();
    Ok(days.map(|(day, mut rows)| (day, rows.finish())).collect())
}

fn day_of(record: &RecordView<'_>) -> i32 {
    record.observed_at_us.div_euclid(DAY_US) as i32
}

fn id(rows: &mut RowsBuilder, name: &'static str, bytes: &[u8]) {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = uuid::Uuid::from_slice(bytes).unwrap_or_default();
    rows.text(name, id.as_hyphenated().encode_lower(&mut buffer));
}

/// How a column is written: what the load's records carry, and nothing in the others.
fn value_of(name: &str, kind: Kind) -> Write {
    match name {
        "event_id" => |rows, name, record, _| id(rows, name, record.event_id),
        "agent_id" => |rows, name, record, _| id(rows, name, record.agent_id),
        "source_event_key" => |rows, name, record, _| rows.hex(name, record.event_id),
        "epoch" => |rows, name, record, _| rows.long(name, Some(record.epoch as i64)),
        "sequence" => |rows, name, record, _| rows.long(name, Some(record.sequence as i64)),
        "previous_hash" => |rows, name, record, _| rows.hex(name, record.previous_hash),
        "observed_at" | "received_at" => {
            |rows, name, record, _| rows.time(name, Some(record.observed_at_us))
        }
        "event_date" => |rows, name, record, _| rows.date(name, Some(day_of(record))),
        "outcome" => |rows, name, _, e| rows.text(name, word(e.outcome)),
        "management" => |rows, name, _, e| rows.text(name, word(e.management)),
        "decision_source" => |rows, name, _, e| rows.text(name, word(e.decision_source)),
        "elevation_type" => |rows, name, _, e| rows.text(name, word(e.elevation_type)),
        "trigger" => |rows, name, _, e| rows.text(name, word(e.trigger)),
        "account_class" => |rows, name, _, e| rows.text(name, word(e.account_class)),
        "upn" | "user_name" => |rows, name, _, e| rows.text(name, e.user.upn),
        "user_name_raw" => |rows, name, _, e| rows.text(name, e.user.user_name_raw),
        "device_name" | "device" => |rows, name, _, e| rows.text(name, e.device.device_name),
        "file_path" => |rows, name, _, e| rows.text(name, e.file.path),
        "file_name" => |rows, name, _, e| rows.text(name, e.file.file_name),
        "sha256" => |rows, name, _, e| rows.hex(name, e.file.sha256),
        "publisher" | "company_name" => |rows, name, _, e| rows.text(name, e.file.company_name),
        "product_name" => |rows, name, _, e| rows.text(name, e.file.product_name),
        "file_version" => |rows, name, _, e| rows.text(name, e.file.file_version),
        "pid" => |rows, name, _, e| rows.long(name, Some(e.process.pid as i64)),
        "parent_path" => |rows, name, _, e| rows.text(name, e.process.parent_path),
        "rule_id" => |rows, name, _, e| rows.text(name, e.policy.rule_id),
        _ => nothing(kind),
    }
}

fn word(number: i32) -> &'static str {
    const WORDS: [&str; 6] = ["", "first", "second", "third", "fourth", "fifth"];
    WORDS[(number as usize).min(WORDS.len() - 1)]
}

fn nothing(kind: Kind) -> Write {
    match kind {
        Kind::Text => |rows, name, _, _| rows.optional_text(name, None),
        Kind::TextList => |rows, name, _, _| rows.texts(name, std::iter::empty()),
        Kind::Long => |rows, name, _, _| rows.long(name, None),
        Kind::Int => |rows, name, _, _| rows.int(name, None),
        Kind::Flag => |rows, name, _, _| rows.flag(name, None),
        Kind::Time => |rows, name, _, _| rows.time(name, None),
        Kind::Date => |rows, name, _, _| rows.date(name, None),
        Kind::Binary => |rows, name, _, _| rows.binary(name, None),
    }
}
