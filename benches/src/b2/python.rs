//! A Python writer as a rival: the same rows as JSON lines, read by Arrow's own parser and appended by delta-rs.
//!
//! It does less than we do: no network, no durable log before it, no check for duplicates, no counts.

use std::path::Path;

use anyhow::ensure;
use tokio::process::Command;

use crate::b1::read_answer;
use crate::figures::Run;

const SCRIPT: &str = include_str!("../../rivals/delta_append.py");
const ROWS_PER_COMMIT: &str = "50000";

pub(super) async fn is_there(python: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import deltalake, pyarrow"]);
    let output = command.output().await;
    output.is_ok_and(|output| output.status.success())
}

pub(super) async fn run(
    data: &Path,
    python: &str,
    lines: &[u8],
    expected: u64,
) -> anyhow::Result<Run> {
    let input = data.join("rows.json");
    std::fs::write(&input, lines)?;
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(&input)
        .arg(data.join("table"))
        .arg(ROWS_PER_COMMIT)
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "deltalake: {complaint}");
    read_answer(&output.stdout, expected)
}
