//! SQLite as a rival: the same records inserted batch by batch, each batch a synced transaction, in one process without
//! a network. It does less than we do, so its CPU time flatters it; the run says so.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::figures::Run;
use crate::prepared::Prepared;

pub(super) const PROGRAM: &str = "python3";
const SCRIPT: &str = include_str!("../../rivals/sqlite_full.py");

pub(super) async fn run(data: &Path, prepared: &Prepared, batch: usize) -> anyhow::Result<Run> {
    let input = data.join("records");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&input)?);
    for record in &prepared.records {
        file.write_all(&(record.len() as u32).to_le_bytes())?;
        file.write_all(record)?;
    }
    file.flush()?;
    drop(file);
    let output = Command::new(PROGRAM)
        .args(["-c", SCRIPT])
        .arg(&input)
        .arg(data.join("store.db"))
        .arg(batch.to_string())
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "SQLite: {complaint}");
    read_answer(&output.stdout, prepared.events())
}

/// `events wall_seconds cpu_seconds peak_kib`, as the scripts print.
pub(crate) fn read_answer(answer: &[u8], expected: u64) -> anyhow::Result<Run> {
    let answer = String::from_utf8_lossy(answer);
    let mut numbers = answer.split_whitespace().map(str::parse::<f64>);
    let mut next = || anyhow::Ok(numbers.next().context("an answer too short")??);
    let events = next()? as u64;
    ensure!(events == expected, "{events} of {expected} events");
    Ok(Run {
        events,
        wall: Duration::from_secs_f64(next()?),
        cpu: Duration::from_secs_f64(next()?),
        peak_bytes: (next()? as u64) << 10,
        ..Run::default()
    })
}
