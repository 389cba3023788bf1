//! Where a benchmark runs: the machine, its load, the file system. It must not change any of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::terminal::say;

/// Ticks of CPU time in `/proc` per second: the same on every Linux that these programs run on.
const TICKS_PER_SECOND: u64 = 100;

/// One of our programs: `given`, or the one of this name beside this program. `None`, and a line that says so, where it is
/// missing.
pub(crate) fn program(given: Option<&PathBuf>, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let beside = std::env::current_exe()?.with_file_name(name);
    let program = given.cloned().unwrap_or(beside);
    if program.exists() {
        return Ok(Some(program));
    }
    say(format_args!("missing: {}", program.display()));
    Ok(None)
}

/// A folder for a run's data in `dir`, gone with the run.
pub(crate) fn folder(dir: &Path) -> anyhow::Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("epm-bench-")
        .tempdir_in(dir)?)
}

/// CPU time of the process so far, all its threads.
pub(crate) fn cpu_of(process: &str) -> anyhow::Result<Duration> {
    cpu_in(process, &[11, 12])
}

fn cpu_in(process: &str, places: &[usize]) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces; user and system time are the 14th and 15th field, those of children that
    // were waited for the two after them.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    let ticks: u64 = places.iter().filter_map(|place| ticks(*place)).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// CPU time so far of the process, of those below it, and of those that they started and waited for.
pub(crate) fn cpu_of_family(process: &str) -> anyhow::Result<Duration> {
    let mut family = cpu_in(process, &[11, 12, 13, 14])?;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        if parent.split_whitespace().nth(1) == Some(process) {
            family += cpu_of_family(&name).unwrap_or_default();
        }
    }
    Ok(family)
}

/// CPU time of processes that this one started and waited for, so far.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    cpu_in("self", &[13, 14])
}

/// Most resident memory of the process so far, in bytes.
pub(crate) fn peak_of(process: &str) -> anyhow::Result<u64> {
    memory_of(process, "VmHWM:")
}

/// A figure of the process's status that is given in KiB, in bytes.
pub(crate) fn memory_of(process: &str, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.unwrap_or(0) << 10)
}

/// Bytes that the process has asked the system to read so far, from caches and disks.
pub(crate) fn read_by(process: &str) -> anyhow::Result<u64> {
    let io = std::fs::read_to_string(format!("/proc/{process}/io"))?;
    let read = io.lines().find_map(|line| line.strip_prefix("rchar:"));
    Ok(read.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

/// How often the process's threads went to sleep of their own accord, and so were woken.
pub(crate) fn wakeups_of(process: &str) -> anyhow::Result<u64> {
    let mut woken = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let status = std::fs::read_to_string(thread?.path().join("status"))?;
        let switches = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        woken += switches
            .and_then(|text| text.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(woken)
}

/// Kind of the file system that holds `folder`.
fn file_system(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut best = ("/", "unknown");
    for mount in mounts.lines() {
        let mut words = mount.split_whitespace().skip(1);
        if let (Some(point), Some(kind)) = (words.next(), words.next())
            && folder.starts_with(point)
            && point.len() >= best.0.len()
        {
            best = (point, kind);
        }
    }
    best.1.to_owned()
}

fn first_of(path: &str, key: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, v)| v);
    value.unwrap_or("unknown").trim().to_owned()
}

/// The load averages of the last minute, five and fifteen.
pub(crate) fn load_average() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Says where and under which load the run begins: without it a figure is worth nothing.
pub(crate) fn introduce(folder: &Path) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    say(format_args!(
        "machine: {cores} cores of {}, {} memory, data on {}; load average before the run {}",
        first_of("/proc/cpuinfo", "model name"),
        first_of("/proc/meminfo", "MemTotal"),
        file_system(folder),
        load_average(),
    ));
}
