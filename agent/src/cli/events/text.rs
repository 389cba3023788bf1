//! A record as one line for people. What a source wrote is shown with its control characters escaped.

use epm_proto::v1::{self, record::Body};

use super::document::{kind, time};
use crate::cli::terminal::plain;
use crate::words::word;

/// The line.
pub(super) fn line(record: &v1::Record) -> String {
    let what = match &record.body {
        Some(Body::Elevation(elevation)) => of_elevation(elevation),
        Some(Body::ElevationExit(exit)) => of_exit(exit),
        Some(Body::Heartbeat(beat)) => of_heartbeat(beat),
        Some(Body::Loss(loss)) => of_loss(loss),
        None => "of a kind that this version does not know".to_owned(),
    };
    format!(
        "{:<27}  {:<9}  {what}",
        time(record.observed_at_us),
        kind(record)
    )
}

fn of_elevation(elevation: &v1::Elevation) -> String {
    let user = elevation.user.clone().unwrap_or_default();
    let file = elevation.file.clone().unwrap_or_default();
    let target = match user.target_user_name.is_empty() {
        true => String::new(),
        false => format!(" as {}", plain(&user.target_user_name)),
    };
    let program = match file.path.is_empty() {
        true => &file.file_name,
        false => &file.path,
    };
    let arguments = match file.arguments.is_empty() {
        true => String::new(),
        false => format!(" {}", plain(&file.arguments)),
    };
    let reason = match elevation.reason.is_empty() {
        true => String::new(),
        false => format!(" ({})", plain(&elevation.reason)),
    };
    format!(
        "{} {}: {}{target}: {}{arguments}{reason}  [{}]",
        word(elevation.management().as_str_name(), "MANAGEMENT"),
        word(elevation.outcome().as_str_name(), "OUTCOME"),
        plain(&user.user_name_raw),
        plain(program),
        word(elevation.sensor().as_str_name(), "SENSOR_KIND"),
    )
}

fn of_exit(exit: &v1::ElevationExit) -> String {
    let mut words = vec![format!(
        "of the start at {}",
        time(exit.start_observed_at_us)
    )];
    words.extend(exit.result_code.map(|code| format!("code {code}")));
    words.extend(exit.duration_ms.map(|ms| format!("after {ms} ms")));
    if !exit.signal.is_empty() {
        words.push(format!("by SIG{}", plain(&exit.signal)));
    }
    words.join(", ")
}

fn of_heartbeat(beat: &v1::Heartbeat) -> String {
    let failing = beat
        .sensors
        .iter()
        .filter(|health| health.state() == v1::SensorState::Failing);
    let failing: Vec<String> = failing
        .map(|health| {
            let sensor = word(health.sensor().as_str_name(), "SENSOR_KIND");
            format!("; {sensor} fails: {}", plain(&health.detail))
        })
        .collect();
    let transition = beat
        .life_cycle
        .as_ref()
        .filter(|of| of.before() != v1::LifeCycleState::Unspecified);
    let transition = transition.map_or_else(String::new, |of| {
        let state = |state: v1::LifeCycleState| word(state.as_str_name(), "LIFE_CYCLE_STATE");
        format!("from {} to {}; ", state(of.before()), state(of.state()))
    });
    format!(
        "{transition}{} records wait, {} sensors{}",
        beat.spool_records,
        beat.sensors.len(),
        failing.concat()
    )
}

fn of_loss(loss: &v1::Loss) -> String {
    let records: u64 = loss.counts.iter().map(|count| count.records).sum();
    let range = match loss.first_sequence {
        0 => String::new(),
        first => format!(", sequences {first} to {}", loss.last_sequence),
    };
    format!(
        "{records} records{range}: {} {}",
        word(loss.reason().as_str_name(), "LOSS_REASON"),
        plain(&loss.detail)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_wrote_cannot_write_other_lines() {
        let record = v1::Record {
            body: Some(Body::Elevation(v1::Elevation {
                outcome: v1::Outcome::Elevated.into(),
                user: Some(v1::User {
                    user_name_raw: "an\u{1b}[2Jna".to_owned(),
                    ..v1::User::default()
                }),
                file: Some(v1::File {
                    path: "/bin/\u{202e}hs".to_owned(),
                    arguments: "-c\n2026-01-01 elevation faked".to_owned(),
                    ..v1::File::default()
                }),
                reason: "\u{7}bell".to_owned(),
                ..v1::Elevation::default()
            })),
            ..v1::Record::default()
        };
        let line = line(&record);
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
        assert!(line.contains("an\\u{1b}[2Jna"), "{line}");
    }
}
