//! One elevation record to one row, straight from the log's bytes into Arrow builders. It must not look at other rows.

use epm_event_log::Entry;
use epm_proto::chain::record_hash;
use epm_proto::view::{ElevationView, RecordView};
use epm_tables::write::RowsBuilder;

use super::time::{day_of, time};
use super::words::{self, word};

/// Text that is reused from row to row, so that normalising allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    text: String,
}

impl Scratch {
    /// `text` in lower case, borrowed until the next call.
    fn lower(&mut self, text: &str) -> &str {
        self.text.clear();
        push_cased(
            &mut self.text,
            text,
            char::to_lowercase,
            u8::to_ascii_lowercase,
        );
        &self.text
    }

    /// The short host name of `device` in upper case: what reports group by, because sources write one machine in
    /// several ways.
    pub(crate) fn short_host(&mut self, device: &str) -> &str {
        self.text.clear();
        let is_address = device.parse::<std::net::IpAddr>().is_ok();
        let short = match device.split_once('.') {
            Some((short, _)) if !is_address && !short.is_empty() => short,
            _ => device,
        };
        push_cased(
            &mut self.text,
            short,
            char::to_uppercase,
            u8::to_ascii_uppercase,
        );
        &self.text
    }
}

fn push_cased<I: Iterator<Item = char>>(
    into: &mut String,
    text: &str,
    cased: impl Fn(char) -> I,
    ascii: impl Fn(&u8) -> u8,
) {
    if text.is_ascii() {
        into.extend(text.as_bytes().iter().map(|byte| char::from(ascii(byte))));
    } else {
        into.extend(text.chars().flat_map(cased));
    }
}

/// The publisher that reports group by: who signed the file, where that is known, else the company that it names.
fn publisher<'a>(elevation: &ElevationView<'a>) -> &'a str {
    let subject = elevation.file.publisher_subject;
    let name = subject.split(',').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("CN").then(|| value.trim())
    });
    match (name, subject) {
        (Some(name), _) if !name.is_empty() => name,
        (None, subject) if !subject.is_empty() => subject,
        _ => match elevation.file.company_name.trim() {
            // Version information of some programs says nothing with a sign.
            "-" | "?" => "",
            company => company,
        },
    }
}

/// A number for which zero means that it is not known.
fn known(number: u64) -> Option<i64> {
    (number > 0).then(|| i64::try_from(number).unwrap_or(i64::MAX))
}

/// How many identical events the record stands for.
pub(crate) fn repeats(elevation: &ElevationView<'_>) -> i32 {
    elevation.repeat_count.clamp(1, i32::MAX as u32) as i32
}

/// Appends the row of `elevation`, which `record` carries and `entry` holds.
pub(crate) fn append(
    rows: &mut RowsBuilder,
    scratch: &mut Scratch,
    entry: &Entry,
    record: &RecordView<'_>,
    elevation: &ElevationView<'_>,
) {
    envelope(rows, entry, record);
    decision(rows, elevation);
    who_and_where(rows, scratch, elevation);
    file(rows, elevation);
    process(rows, elevation);
    policy(rows, elevation);
    rows.text("justification", elevation.justification);
    rows.int("repeat_count", Some(repeats(elevation)));
    rows.date("event_date", Some(day_of(record.observed_at_us)));
    rows.end_row();
}

fn envelope(rows: &mut RowsBuilder, entry: &Entry, record: &RecordView<'_>) {
    let key = match record.source_event_key {
        [] => record.event_id,
        key => key,
    };
    let uuid = |bytes: &[u8], buffer: &mut [u8; uuid::fmt::Hyphenated::LENGTH]| {
        let id = uuid::Uuid::from_slice(bytes).ok()?;
        id.as_hyphenated().encode_lower(buffer);
        Some(())
    };
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let mut write = |rows: &mut RowsBuilder, name, bytes: &[u8]| {
        let text = uuid(bytes, &mut buffer).and_then(|()| std::str::from_utf8(&buffer).ok());
        rows.optional_text(name, text);
    };
    write(rows, "event_id", record.event_id);
    rows.hex("source_event_key", key);
    rows.texts("merged_source_event_keys", std::iter::empty());
    rows.text("merged_observations", "");
    write(rows, "agent_id", record.agent_id);
    rows.long("epoch", known(record.epoch));
    rows.long("sequence", known(record.sequence));
    rows.hex("record_hash", &record_hash(&entry.payload));
    rows.hex("previous_hash", record.previous_hash);
    rows.text("tenant_id", record.tenant_id);
    rows.text("device_id", record.device_id);
    rows.text("agent_version", record.agent_version);
    write(rows, "boot_id", record.boot_id);
    rows.text(
        "reporting_scope",
        &word(words::SCOPES, record.reporting_scope),
    );
    rows.int("schema_version", Some(record.schema_version as i32));
    rows.time("observed_at", Some(time(record.observed_at_us)));
    rows.time(
        "received_at",
        Some(time(entry.received_at_ms.saturating_mul(1000))),
    );
}

fn decision(rows: &mut RowsBuilder, elevation: &ElevationView<'_>) {
    let sensor = word(words::SENSORS, elevation.sensor);
    let sensors = [&*sensor];
    rows.texts(
        "sensors",
        sensors.into_iter().take(usize::from(!sensor.is_empty())),
    );
    rows.text("outcome", &word(words::OUTCOMES, elevation.outcome));
    rows.text(
        "management",
        &word(words::MANAGEMENTS, elevation.management),
    );
    rows.text(
        "decision_source",
        &word(words::DECISION_SOURCES, elevation.decision_source),
    );
    rows.text(
        "elevation_type",
        &word(words::ELEVATION_TYPES, elevation.elevation_type),
    );
    rows.text("trigger", &word(words::TRIGGERS, elevation.trigger));
    rows.text("run_as", &word(words::RUN_AS, elevation.run_as));
    rows.text(
        "account_class",
        &word(words::ACCOUNT_CLASSES, elevation.account_class),
    );
    rows.long("result_code", elevation.result_code);
    rows.long(
        "duration_ms",
        elevation
            .duration_ms
            .map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
    );
    rows.text("signal", "");
    rows.text("reason", elevation.reason);
    rows.flag(
        "validated_justification",
        Some(elevation.validated_justification),
    );
    rows.flag(
        "validated_authentication",
        Some(elevation.validated_authentication),
    );
}

fn who_and_where(rows: &mut RowsBuilder, scratch: &mut Scratch, elevation: &ElevationView<'_>) {
    let user = &elevation.user;
    let grouped = if user.upn.is_empty() {
        user.user_name_raw
    } else {
        user.upn
    };
    rows.text("user_id", user.user_id);
    rows.text("upn", user.upn);
    rows.text("user_name_raw", user.user_name_raw);
    rows.text("user_name", scratch.lower(grouped));
    rows.text("user_type", &word(words::USER_TYPES, user.user_type));
    rows.flag("is_local_admin", user.is_local_admin);
    rows.text("target_user_name", user.target_user_name);
    rows.text("target_user_id", user.target_user_id);
    let device = &elevation.device;
    rows.text("device_name", device.device_name);
    rows.text("device", scratch.short_host(device.device_name));
    rows.text("join_type", device.join_type);
    rows.text("os_build", device.os_build);
}

fn file(rows: &mut RowsBuilder, elevation: &ElevationView<'_>) {
    let file = &elevation.file;
    rows.text("file_path", file.path);
    rows.text("file_name", file.file_name);
    rows.hex("sha256", file.sha256);
    rows.long("size_bytes", known(file.size_bytes));
    rows.text("publisher", publisher(elevation));
    rows.text("publisher_subject", file.publisher_subject);
    rows.text("certificate_thumbprint", file.certificate_thumbprint);
    rows.text("certificate_issuer", file.certificate_issuer);
    let expires = file.certificate_not_after_us;
    rows.time(
        "certificate_not_after",
        (expires != 0).then(|| time(expires)),
    );
    rows.text(
        "signature_status",
        &word(words::SIGNATURE_STATUSES, file.signature_status),
    );
    rows.text("product_name", file.product_name);
    rows.text("internal_name", file.internal_name);
    rows.text("file_description", file.file_description);
    rows.text("file_version", file.file_version);
    rows.text("company_name", file.company_name);
    rows.text("arguments", file.arguments);
    rows.flag("path_writable_by_user", file.path_writable_by_user);
    rows.flag("is_network_path", file.is_network_path);
    rows.flag("mark_of_the_web", file.mark_of_the_web);
    rows.text("original_file_name", file.original_file_name);
    rows.text("other_hashes", file.other_hashes);
}

fn process(rows: &mut RowsBuilder, elevation: &ElevationView<'_>) {
    let process = &elevation.process;
    rows.long("pid", known(process.pid));
    rows.text(
        "process_type",
        &word(words::PROCESS_TYPES, process.process_type),
    );
    rows.text("parent_path", process.parent_path);
    rows.hex("parent_sha256", process.parent_sha256);
    let parent = uuid::Uuid::from_slice(process.parent_event_id).ok();
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let parent = parent.map(|id| &*id.as_hyphenated().encode_lower(&mut buffer));
    rows.optional_text("parent_event_id", parent);
    rows.text("child_policy", process.child_policy);
    rows.flag("system_initiated", process.system_initiated);
    rows.flag("background", process.background);
    rows.long("parent_pid", known(process.parent_pid));
    rows.text("integrity_level", process.integrity_level);
    let token = process.token_elevation_type;
    rows.int("token_elevation_type", (token > 0).then_some(token as i32));
    rows.text("logon_id", process.logon_id);
    rows.text("working_directory", process.working_directory);
    rows.text("terminal", process.terminal);
    rows.text("process_guid", process.process_guid);
    rows.text("parent_arguments", process.parent_arguments);
}

fn policy(rows: &mut RowsBuilder, elevation: &ElevationView<'_>) {
    let policy = &elevation.policy;
    rows.text("policy_id", policy.policy_id);
    rows.text("policy_name", policy.policy_name);
    rows.text("policy_version", policy.policy_version);
    rows.text("rule_id", policy.rule_id);
    rows.text("rule_name", policy.rule_name);
    rows.text(
        "rule_target",
        &word(words::RULE_TARGETS, policy.rule_target),
    );
    rows.texts(
        "candidate_rule_ids",
        policy.candidate_rule_ids.iter().copied(),
    );
    rows.text("deciding_step", policy.deciding_step);
    let score = policy.attribute_score;
    rows.int("attribute_score", (score > 0).then_some(score as i32));
}
