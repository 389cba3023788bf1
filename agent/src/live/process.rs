//! A process as a file can name it: a number alone comes again for another process, and after a reboot.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Clock;

/// One process of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// Its number.
    pub pid: i32,
    /// When it started, in ticks since the boot; `None` where the system does not tell.
    started_ticks: Option<u64>,
    boot_id: String,
}

impl ProcessMark {
    /// This process.
    #[must_use]
    pub fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            pid,
            started_ticks: started_ticks(pid),
            boot_id: boot_id(),
        }
    }

    /// Whether exactly this process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && self.started_ticks.is_some()
            && started_ticks(self.pid) == self.started_ticks
    }
}

fn boot_id() -> String {
    Uuid::from_bytes(Clock::of_this_boot().boot_id()).to_string()
}

/// Field 22 of proc_pid_stat(5). The name before it may hold anything, so fields are counted from its end. A process that
/// ended and was not waited for is none.
fn started_ticks(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    match state {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_while_it_runs_and_not_after() {
        assert!(ProcessMark::own().is_alive());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it starts");
        let pid = child.id() as i32;
        let mark = ProcessMark {
            pid,
            started_ticks: started_ticks(pid),
            boot_id: boot_id(),
        };
        assert!(mark.is_alive());
        let later = ProcessMark {
            started_ticks: mark.started_ticks.map(|ticks| ticks + 1),
            ..mark.clone()
        };
        assert!(!later.is_alive(), "another process with its number");
        let before = ProcessMark {
            boot_id: Uuid::new_v4().to_string(),
            ..mark.clone()
        };
        assert!(!before.is_alive(), "another boot");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(!mark.is_alive());
    }
}
