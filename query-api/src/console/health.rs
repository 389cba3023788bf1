//! Freshness and completeness in plain words. Judges nothing that the engine has not counted.

use jiff::Timestamp;

use super::figures;
use crate::DataStatus;

/// A statement about the data, and whether somebody should look after it.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) text: String,
    /// What it means, or what to do.
    pub(super) detail: String,
    pub(super) attention: bool,
}

/// Everything about freshness and completeness, one fact a row.
pub(super) fn facts(status: &DataStatus, now: Timestamp) -> Vec<Fact> {
    let mut facts = vec![complete_to(status, now), devices(status)];
    facts.extend([gaps(status), waiting(status), stored(status)]);
    facts.push(fact(
        "Last commit",
        moment(status.as_of.committed_at, now, "none yet"),
        version(status),
    ));
    facts.push(fact(
        "Newest event",
        moment(status.freshness.newest_event_at, now, "none yet"),
        "By the clock of the device that recorded it.".to_owned(),
    ));
    facts
}

/// The same in one line, for the top of a report.
pub(super) fn line(status: &DataStatus, now: Timestamp) -> Vec<Fact> {
    let mut facts = vec![complete_to(status, now), devices(status)];
    if status.completeness.devices_with_gaps > 0 || status.completeness.lost_records > 0 {
        facts.push(gaps(status));
    }
    facts.push(fact(
        "Last commit",
        moment(status.as_of.committed_at, now, "none yet"),
        version(status),
    ));
    facts
}

fn fact(label: &'static str, text: String, detail: String) -> Fact {
    Fact {
        label,
        text,
        detail,
        attention: false,
    }
}

fn complete_to(status: &DataStatus, now: Timestamp) -> Fact {
    let to = status.completeness.complete_to;
    fact(
        "Complete to",
        moment(to, now, "not known yet"),
        "Every reporting device has delivered what it recorded up to then.".to_owned(),
    )
}

fn devices(status: &DataStatus) -> Fact {
    let known = &status.completeness;
    let mut fact = fact(
        "Devices",
        format!(
            "{} of {} reporting",
            figures::unsigned(known.reporting),
            figures::unsigned(known.devices)
        ),
        match known.silent {
            0 => "None is silent.".to_owned(),
            silent => format!(
                "{} silent: not heard from for three heartbeats. What they recorded since is not in the numbers.",
                figures::unsigned(silent)
            ),
        },
    );
    fact.attention = known.silent > 0;
    fact
}

fn gaps(status: &DataStatus) -> Fact {
    let known = &status.completeness;
    let mut fact = if known.devices_with_gaps == 0 && known.lost_records == 0 {
        fact(
            "Gaps",
            "none".to_owned(),
            "Every record that agents numbered has arrived.".to_owned(),
        )
    } else {
        let devices = plural(known.devices_with_gaps, "device", "devices");
        let text = format!(
            "{} missing from {devices}, {} reported as lost",
            plural(known.missing_records, "record", "records"),
            figures::unsigned(known.lost_records)
        );
        let detail =
            "Missing records may still arrive; lost ones were given up by an agent, with a reason.";
        fact("Gaps", text, detail.to_owned())
    };
    fact.attention = known.devices_with_gaps > 0 || known.lost_records > 0;
    fact
}

fn waiting(status: &DataStatus) -> Fact {
    fact(
        "On the way",
        plural(status.completeness.waiting_records, "record", "records"),
        "Waiting on devices, as of their last heartbeats.".to_owned(),
    )
}

fn stored(status: &DataStatus) -> Fact {
    let known = &status.completeness;
    let share = known.share.and_then(|share| figures::percent(share, 1.0));
    fact(
        "Stored",
        share.unwrap_or_else(|| "nothing yet".to_owned()),
        format!(
            "{} of what agents have numbered.",
            plural(known.records, "record", "records")
        ),
    )
}

fn version(status: &DataStatus) -> String {
    match status.as_of.version {
        Some(version) => format!("Version {version} of the table {}.", status.as_of.table),
        None => "The table does not exist yet.".to_owned(),
    }
}

fn moment(time: Option<Timestamp>, now: Timestamp, without: &str) -> String {
    time.map_or_else(
        || without.to_owned(),
        |time| format!("{} UTC ({})", figures::time(time), figures::age(time, now)),
    )
}

/// A number with its noun.
pub(super) fn plural(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", figures::unsigned(number))
}
