//! How an agent said last that it was: the columns of its row that one heartbeat fills, the newest by its place in the
//! agent's sequence. It must not count records.

use epm_proto::view::{ApplicabilityView, HeartbeatView, LifeCycleView, RecordView};
use epm_tables::write::{Cell, RowsBuilder};
use serde_json::{Value, json};

use super::{Place, long};
use crate::fold::time::time;
use crate::fold::words::{LIFE_CYCLE_STATES, SCOPES, SENSOR_STATES, SENSORS, word};

/// The newest heartbeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LastHeartbeat {
    pub(super) at: Place,
    pub(super) observed_at: i64,
    pub(super) device_name: String,
    pub(super) os_version: String,
    pub(super) policy_revision: String,
    pub(super) reporting_scope: String,
    pub(super) interval_s: i64,
    pub(super) spool_records: i64,
    pub(super) spool_bytes: i64,
    pub(super) oldest_unsent_at: Option<i64>,
    pub(super) clock_offset_ms: i64,
    pub(super) sensors: String,
    management: Management,
}

/// Whether and how far elevations are managed; nothing where no policies govern the device.
#[derive(Clone, Debug, Default, PartialEq)]
struct Management {
    life_cycle: String,
    since: Option<i64>,
    removal_at: Option<i64>,
    applicable: Option<bool>,
    reason: String,
    join_type: String,
    authority: String,
    architecture: String,
}

impl LastHeartbeat {
    pub(super) fn of(record: &RecordView<'_>, beat: &HeartbeatView<'_>) -> Self {
        let sensors: Vec<Value> = beat
            .sensors
            .iter()
            .map(|sensor| {
                json!({"sensor": word(SENSORS, sensor.sensor), "state": word(SENSOR_STATES, sensor.state), "detail": sensor.detail})
            })
            .collect();
        Self {
            at: (record.epoch, record.sequence),
            observed_at: time(record.observed_at_us),
            device_name: beat.device_name.to_owned(),
            os_version: beat.os_version.to_owned(),
            policy_revision: beat.policy_revision.to_owned(),
            reporting_scope: word(SCOPES, beat.effective_scope).into_owned(),
            interval_s: beat.interval_s.into(),
            spool_records: long(beat.spool_records),
            spool_bytes: long(beat.spool_bytes),
            oldest_unsent_at: if_set(beat.oldest_unsent_us),
            clock_offset_ms: beat.clock_offset_ms,
            sensors: if sensors.is_empty() {
                String::new()
            } else {
                Value::from(sensors).to_string()
            },
            management: Management::of(&beat.life_cycle, &beat.applicability),
        }
    }

    /// As a row has it; `at` and when it was are read from elsewhere in the row.
    pub(super) fn load<'a>(
        at: Place,
        observed_at: i64,
        cell: impl Fn(&'static str) -> &'a Cell,
    ) -> Self {
        let text = |name| cell(name).text().unwrap_or_default().to_owned();
        let long = |name| match cell(name) {
            Cell::Long(value) => *value,
            _ => 0,
        };
        let time = |name| match cell(name) {
            Cell::Time(value) => Some(*value),
            _ => None,
        };
        Self {
            at,
            observed_at,
            device_name: text("device_name"),
            os_version: text("os_version"),
            policy_revision: text("policy_revision"),
            reporting_scope: text("reporting_scope"),
            interval_s: long("heartbeat_interval_s"),
            spool_records: long("spool_records"),
            spool_bytes: long("spool_bytes"),
            oldest_unsent_at: time("oldest_unsent_at"),
            clock_offset_ms: long("clock_offset_ms"),
            sensors: text("sensors"),
            management: Management {
                life_cycle: text("life_cycle"),
                since: time("life_cycle_since"),
                removal_at: time("removal_at"),
                applicable: match cell("applicable") {
                    Cell::Flag(value) => Some(*value),
                    _ => None,
                },
                reason: text("not_applicable_reason"),
                join_type: text("join_type"),
                authority: text("management_authority"),
                architecture: text("architecture"),
            },
        }
    }

    /// The last columns of a row.
    pub(super) fn append_management(&self, rows: &mut RowsBuilder) {
        let of = &self.management;
        rows.text("life_cycle", &of.life_cycle);
        rows.time("life_cycle_since", of.since);
        rows.time("removal_at", of.removal_at);
        rows.flag("applicable", of.applicable);
        rows.text("not_applicable_reason", &of.reason);
        rows.text("join_type", &of.join_type);
        rows.text("management_authority", &of.authority);
        rows.text("architecture", &of.architecture);
    }
}

impl Management {
    fn of(life_cycle: &LifeCycleView<'_>, applicability: &ApplicabilityView<'_>) -> Self {
        // The wire cannot tell "no" from "nothing said", but whoever says no says why.
        let is_judged = applicability.applicable || !applicability.reason.is_empty();
        Self {
            life_cycle: word(LIFE_CYCLE_STATES, life_cycle.state).into_owned(),
            since: if_set(life_cycle.since_us),
            removal_at: if_set(life_cycle.removal_us),
            applicable: is_judged.then_some(applicability.applicable),
            reason: applicability.reason.to_owned(),
            join_type: applicability.join_type.to_owned(),
            authority: applicability.management_authority.to_owned(),
            architecture: applicability.architecture.to_owned(),
        }
    }
}

fn if_set(us: i64) -> Option<i64> {
    (us != 0).then(|| time(us))
}
