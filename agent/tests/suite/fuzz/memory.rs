//! How much memory this process has at most, as the kernel counts it. Only a process that does one thing can say what
//! that thing took.

use std::fs;

/// Sets the peak back to what is resident now.
pub(crate) fn reset() {
    fs::write("/proc/self/clear_refs", "5").expect("the kernel sets the peak back");
}

/// What is resident now, in bytes.
pub(crate) fn resident() -> u64 {
    figure("VmRSS:")
}

/// Most resident memory since the last reset, in bytes.
pub(crate) fn peak() -> u64 {
    figure("VmHWM:")
}

fn figure(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the status names its memory") << 10
}
