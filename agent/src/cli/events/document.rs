//! A record as a JSON document: the names and words of the tables, what is absent left out. It must not leave out anything
//! that the line for people has.

use epm_proto::v1::{self, record::Body};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::words::word;

/// The record as one object.
pub(super) fn document(record: &v1::Record) -> Value {
    let mut fields = Fields::default();
    fields.put("epoch", record.epoch);
    fields.put("sequence", record.sequence);
    fields.put("event_id", uuid(&record.event_id));
    fields.put("observed_at", time(record.observed_at_us));
    fields.put("source_event_key", uuid(&record.source_event_key));
    let scope = record.reporting_scope().as_str_name();
    fields.put("reporting_scope", word(scope, "REPORTING_SCOPE"));
    fields.put("kind", kind(record));
    match &record.body {
        Some(Body::Elevation(elevation)) => fields.elevation(elevation),
        Some(Body::ElevationExit(exit)) => fields.exit(exit),
        Some(Body::Heartbeat(beat)) => fields.heartbeat(beat),
        Some(Body::Loss(loss)) => fields.loss(loss),
        None => {}
    }
    Value::Object(fields.0)
}

/// The word for what a record is about.
pub(super) fn kind(record: &v1::Record) -> &'static str {
    match &record.body {
        Some(Body::Elevation(_)) => "elevation",
        Some(Body::ElevationExit(_)) => "exit",
        Some(Body::Heartbeat(_)) => "heartbeat",
        Some(Body::Loss(_)) => "loss",
        None => "unknown",
    }
}

/// A time as JSON has it, to the microsecond; empty where it cannot be one.
pub(super) fn time(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |time| time.to_string())
}

fn uuid(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).map_or_else(|_| String::new(), |id| id.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    /// Adds a field that says something.
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let says_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !says_nothing {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn elevation(&mut self, elevation: &v1::Elevation) {
        let words = [
            ("outcome", elevation.outcome().as_str_name(), "OUTCOME"),
            (
                "management",
                elevation.management().as_str_name(),
                "MANAGEMENT",
            ),
            (
                "decision_source",
                elevation.decision_source().as_str_name(),
                "DECISION_SOURCE",
            ),
            (
                "elevation_type",
                elevation.elevation_type().as_str_name(),
                "ELEVATION_TYPE",
            ),
            ("trigger", elevation.trigger().as_str_name(), "TRIGGER"),
            ("run_as", elevation.run_as().as_str_name(), "RUN_AS"),
            ("sensor", elevation.sensor().as_str_name(), "SENSOR_KIND"),
            (
                "account_class",
                elevation.account_class().as_str_name(),
                "ACCOUNT_CLASS",
            ),
        ];
        for (field, name, prefix) in words {
            self.put(field, word(name, prefix));
        }
        self.put("result_code", elevation.result_code);
        self.put("duration_ms", elevation.duration_ms);
        self.put("reason", &*elevation.reason);
        self.put("justification", &*elevation.justification);
        if let Some(user) = &elevation.user {
            self.put("user_name_raw", &*user.user_name_raw);
            self.put("user_id", &*user.user_id);
            self.put("upn", &*user.upn);
            self.put("target_user_name", &*user.target_user_name);
        }
        if let Some(file) = &elevation.file {
            self.put("file_path", &*file.path);
            self.put("file_name", &*file.file_name);
            self.put("arguments", &*file.arguments);
            self.put("sha256", hex(&file.sha256));
            self.put("publisher_subject", &*file.publisher_subject);
        }
        if let Some(process) = &elevation.process {
            self.put("pid", (process.pid > 0).then_some(process.pid));
            self.put("parent_path", &*process.parent_path);
            self.put("working_directory", &*process.working_directory);
            self.put("terminal", &*process.terminal);
        }
        if let Some(policy) = &elevation.policy {
            self.put("policy_version", &*policy.policy_version);
            self.put("rule_id", &*policy.rule_id);
            self.put("rule_name", &*policy.rule_name);
            self.put("deciding_step", &*policy.deciding_step);
        }
    }

    fn exit(&mut self, exit: &v1::ElevationExit) {
        self.put("start_key", uuid(&exit.start_key));
        self.put("start_observed_at", time(exit.start_observed_at_us));
        self.put("result_code", exit.result_code);
        self.put("duration_ms", exit.duration_ms);
        self.put("signal", &*exit.signal);
    }

    fn heartbeat(&mut self, beat: &v1::Heartbeat) {
        self.put("spool_records", beat.spool_records);
        self.put("spool_bytes", beat.spool_bytes);
        self.put("clock_offset_ms", beat.clock_offset_ms);
        self.put("device_name", &*beat.device_name);
        self.put("os_version", &*beat.os_version);
        self.put("policy_revision", &*beat.policy_revision);
        if let Some(life_cycle) = &beat.life_cycle {
            let state = |state: v1::LifeCycleState| word(state.as_str_name(), "LIFE_CYCLE_STATE");
            self.put("life_cycle", state(life_cycle.state()));
            self.put("life_cycle_before", state(life_cycle.before()));
            self.put("life_cycle_since", time(life_cycle.since_us));
            if life_cycle.removal_us != 0 {
                self.put("life_cycle_removal", time(life_cycle.removal_us));
            }
        }
        if let Some(applicability) = &beat.applicability {
            self.put("applicable", applicability.applicable);
            self.put("not_applicable", &*applicability.reason);
            self.put("join_type", &*applicability.join_type);
            self.put("management_authority", &*applicability.management_authority);
        }
        let scope = beat.effective_scope().as_str_name();
        self.put("effective_scope", word(scope, "REPORTING_SCOPE"));
        let drops = beat.drops.iter().map(|drop| {
            let reason = word(drop.reason().as_str_name(), "LOSS_REASON");
            json!({"reason": reason, "records": drop.records})
        });
        self.put("drops", drops.collect::<Vec<_>>());
        let sensors = beat.sensors.iter().map(|health| {
            json!({
                "sensor": word(health.sensor().as_str_name(), "SENSOR_KIND"),
                "state": word(health.state().as_str_name(), "SENSOR_STATE"),
                "detail": health.detail,
            })
        });
        self.put("sensors", sensors.collect::<Vec<_>>());
    }

    fn loss(&mut self, loss: &v1::Loss) {
        self.put("reason", word(loss.reason().as_str_name(), "LOSS_REASON"));
        if loss.first_sequence > 0 {
            self.put("lost_epoch", loss.lost_epoch);
            self.put("first_sequence", loss.first_sequence);
            self.put("last_sequence", loss.last_sequence);
        }
        let records: u64 = loss.counts.iter().map(|count| count.records).sum();
        self.put("records", records);
        self.put("detail", &*loss.detail);
    }
}
