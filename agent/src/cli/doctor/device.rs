//! What `doctor` asks about the device itself: the state folder, the running agent, its spool, sensors and policies.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;

use super::Check;
use crate::cli::failure::with_causes;
use crate::cli::queue::{look, stamp};
use crate::live::Live;
use crate::policies::{CONTROL_PLANE, PolicySource};
use crate::spool::{DEFAULT_MAX_AGE, DEFAULT_MAX_BYTES};

/// Less room than this is filled by one segment and its rewriting.
const LEAST_FREE_BYTES: u64 = 16 << 20;
/// Records that wait longer show that delivery does not work, whatever the connection says.
const WAITING_WARNING_US: i64 = 24 * 60 * 60 * 1_000_000;
/// A running agent writes down what it does every half minute.
const SILENT_US: i64 = 2 * 60 * 1_000_000;

/// Whether the state folder is there and nobody else's.
pub(super) fn state(state: &Path) -> Check {
    const CHECK: &str = "state";
    let status = match std::fs::metadata(state) {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::warning(
                CHECK,
                format!("{} is not there: no agent ran here yet", state.display()),
                "Start the agent with `epm-agent run`, or name its folder with --state DIR.",
            );
        }
        Err(error) => {
            return Check::failed(
                CHECK,
                format!("{} cannot be looked at: {error}", state.display()),
                "Ask as the user that runs the agent, usually root.",
            );
        }
    };
    match status.mode() & 0o077 {
        0 => Check::ok(CHECK, format!("{} is its owner's alone", state.display())),
        _ => Check::warning(
            CHECK,
            format!(
                "{} can be read or changed by others (mode {:o}); it holds who ran what",
                state.display(),
                status.mode() & 0o7777
            ),
            format!("chmod go= {}", state.display()),
        ),
    }
}

/// Whether an agent runs.
pub(super) fn agent(live: Option<&Live>, state: &Path, now_us: i64) -> Check {
    const CHECK: &str = "agent";
    let Some(live) = live else {
        return Check::failed(
            CHECK,
            format!("no agent runs with the state folder {}", state.display()),
            "Start it: `systemctl start epm-agent`, or `epm-agent run`.",
        );
    };
    let reason = format!(
        "process {} of version {} runs since {}",
        live.process.pid,
        live.agent_version,
        stamp(live.started_at_us)
    );
    match now_us - live.written_at_us {
        silent if silent > SILENT_US => Check::warning(
            CHECK,
            format!(
                "{reason}, and says nothing since {}",
                stamp(live.written_at_us)
            ),
            "See its log (`journalctl -u epm-agent`); restart it where it hangs.",
        ),
        _ => Check::ok(CHECK, reason),
    }
}

/// Whether records can be kept, and whether any were not.
pub(super) fn spool(state: &Path, live: Option<&Live>, now_us: i64) -> Check {
    const CHECK: &str = "spool";
    let spool = match look(state) {
        Ok(Some((_, spool))) => spool,
        Ok(None) => return Check::ok(CHECK, "nothing was recorded yet"),
        Err(failure) => return Check::failed(CHECK, failure.message, failure.remedy),
    };
    let folder = state.join("spool");
    if let Err(error) = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK) {
        return Check::failed(
            CHECK,
            format!("{} cannot be written: {error}", folder.display()),
            "Give the folder to the user that runs the agent, on a file system that is not read-only.",
        );
    }
    let depth = spool.depth();
    let waiting = format!("{} records wait, {} bytes", depth.records, depth.bytes);
    let free = rustix::fs::statvfs(&folder).map_or(u64::MAX, |of| of.f_bavail * of.f_frsize);
    let may_grow = DEFAULT_MAX_BYTES.saturating_sub(depth.bytes);
    let mib = |bytes: u64| bytes >> 20;
    let room = format!("{waiting}; the disk has {} MiB left", mib(free));
    let make_room = format!("Make room on the disk of {}.", folder.display());
    if free < LEAST_FREE_BYTES {
        return Check::failed(CHECK, room, make_room);
    }
    let old = depth
        .oldest_us
        .filter(|us| now_us - us > WAITING_WARNING_US);
    if let Some((what, remedy)) = not_kept(&folder, live, old) {
        return Check::warning(CHECK, format!("{waiting}; {what}"), remedy);
    }
    match free < may_grow {
        true => Check::warning(
            CHECK,
            format!("{room}, and it may need {} MiB more", mib(may_grow)),
            make_room,
        ),
        false => Check::ok(CHECK, room),
    }
}

/// What was lost or may be, and what to do; `old_us` is when the oldest record happened, where it waits for long.
fn not_kept(folder: &Path, live: Option<&Live>, old_us: Option<i64>) -> Option<(String, String)> {
    let damaged = quarantined(folder);
    if damaged > 0 {
        return Some((
            format!("{damaged} damaged files were set aside and counted as lost"),
            format!(
                "See what damaged them (disk, power), then remove {}/*.quarantine.",
                folder.display()
            ),
        ));
    }
    let lost = live.map(lost).unwrap_or_default();
    if !lost.is_empty() {
        return Some((
            format!("lost since the agent started: {lost}"),
            "Make the collector reachable, so that the spool is not filled.".to_owned(),
        ));
    }
    old_us.map(|old_us| {
        (
            format!(
                "the oldest of {}; they are given up after {} days",
                stamp(old_us),
                DEFAULT_MAX_AGE.as_secs() / 86_400
            ),
            "See what the check of the collector says.".to_owned(),
        )
    })
}

fn quarantined(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|end| end == "quarantine")
        })
        .count()
}

/// What is out of scope was not lost.
fn lost(live: &Live) -> String {
    let lost = live
        .drops
        .iter()
        .filter(|(reason, _)| *reason != "out_of_scope");
    let words: Vec<String> = lost
        .map(|(reason, records)| format!("{records} {reason}"))
        .collect();
    words.join(", ")
}

/// How each sensor is.
pub(super) fn sensors(live: Option<&Live>) -> Vec<Check> {
    const CHECK: &str = "sensor";
    let Some(live) = live else {
        return Vec::new();
    };
    if live.sensors.is_empty() {
        return vec![Check::warning(
            CHECK,
            "none: this agent sees no elevation that others carry out",
            "Start it with --sudo-log-server and --follow-log.",
        )];
    }
    let of = |sensor: &crate::live::Sensor| {
        let reason = format!("{} {}: {}", sensor.sensor, sensor.state, sensor.detail);
        match &*sensor.state {
            "running" => Check::ok(CHECK, reason),
            "stopped" => Check::warning(CHECK, reason, "It was switched off on purpose."),
            _ => Check::failed(
                CHECK,
                reason,
                "Do what its text says; it is tried again by itself.",
            ),
        }
    };
    live.sensors.iter().map(of).collect()
}

/// Whether the policies can be used, and how old they are.
pub(super) fn policy(live: Option<&Live>, now_us: i64) -> Check {
    const CHECK: &str = "policy";
    let governed = live.and_then(|live| live.governed.as_ref());
    if let Some(governed) = governed.filter(|of| of.management_authority == CONTROL_PLANE) {
        return match governed.policy_revision.as_str() {
            "0" => Check::warning(
                CHECK,
                "none of the control plane is in force: nothing is elevated",
                "Assign policies to this device, and make the collector reachable.",
            ),
            version => Check::ok(CHECK, format!("of the control plane: version {version}")),
        };
    }
    let Some(path) = live.and_then(|live| live.setup.policy.as_ref()) else {
        return Check::ok(
            CHECK,
            "none: this agent records what happens and elevates nothing",
        );
    };
    let source = match PolicySource::of_file(path.clone()) {
        Ok(source) => source,
        Err(error) => {
            return Check::failed(
                CHECK,
                with_causes(&error),
                format!(
                    "`epm-agent policy check {}` tells more; until then the last good ones hold.",
                    path.display()
                ),
            );
        }
    };
    let set = source.current();
    let changed_us = std::fs::metadata(path).map_or(now_us, |of| of.mtime() * 1_000_000);
    let days = (now_us - changed_us) / (24 * 60 * 60 * 1_000_000);
    let reason = format!(
        "{}: version {}, {} rules, changed {}, {days} days ago",
        path.display(),
        set.policies().version.0,
        set.rule_count(),
        Timestamp::from_microsecond(changed_us)
            .map_or_else(|_| String::new(), |_| stamp(changed_us)),
    );
    match days < 0 {
        true => Check::warning(
            CHECK,
            format!("{reason}: that is in the future"),
            "Set the clock of this device.",
        ),
        false => Check::ok(CHECK, reason),
    }
}

/// Whether elevations can be managed on this device, and are.
pub(super) fn management(live: Option<&Live>) -> Option<Check> {
    const CHECK: &str = "management";
    let governed = live?.governed.as_ref()?;
    if let Some(reason) = &governed.not_applicable {
        return Some(Check::failed(
            CHECK,
            format!("not applicable: {reason}"),
            "Make the device one of those that are supported, or take it out of the policy's groups.",
        ));
    }
    let reason = format!("{} since {}", governed.life_cycle, stamp(governed.since_us));
    Some(match (&*governed.life_cycle, governed.removal_us) {
        ("active", _) => Check::ok(CHECK, reason),
        (_, Some(removal_us)) => Check::warning(
            CHECK,
            format!("{reason}; components are removed at {}", stamp(removal_us)),
            "Assign a settings policy that says enabled before then, if that is not wanted.",
        ),
        _ => Check::warning(
            CHECK,
            reason,
            "Assign a settings policy that says enabled to this device, if that is not wanted.",
        ),
    })
}
