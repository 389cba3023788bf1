//! Where a benchmark runs, and its one way to the terminal. It must not change anything.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Prints a line.
pub(crate) fn say(line: impl Display) {
    // Whoever closed the terminal does not want the figures.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Says where and under which load the run begins: without it a figure is worth nothing.
pub(crate) fn introduce() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("unknown", |(_, name)| name);
    say(format_args!(
        "machine: {cores} cores of {model}; load average before the run {}",
        load_average()
    ));
}

/// The load averages of the last minute, five and fifteen.
pub(crate) fn load_average() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// CPU time of this process so far, or of all its children that have ended.
pub(crate) fn cpu(of: UsageWho) -> anyhow::Result<Duration> {
    let usage = getrusage(of)?;
    let us = |time: TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
    Ok(Duration::from_micros(
        us(usage.user_time()) + us(usage.system_time()),
    ))
}
