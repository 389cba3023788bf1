//! Columns of `elevations` and `usage`.

use super::Kind::{Date, Flag, Int, Long, Text, TextList, Time};
use super::{Column, column};

/// Columns of `elevations`. Words of closed lists are in snake case; a number that this version does not know is
/// `unknown_<number>`.
pub const ELEVATIONS: &[Column] = &[
    column(
        "event_id",
        Text,
        "UUIDv7 minted when the record was spooled",
    ),
    column(
        "source_event_key",
        Text,
        "identity of the observation at its source, 32 hexadecimal digits; the event id's digits where the agent itself is the source",
    ),
    column(
        "merged_source_event_keys",
        TextList,
        "keys of other observations of the same process that this row stands for",
    ),
    column(
        "merged_observations",
        Text,
        "the observations that this row was made of, each as it was alone, as a JSON list; absent where there is one",
    ),
    column(
        "agent_id",
        Text,
        "UUID of the agent that spooled the record",
    ),
    column("epoch", Long, "life of the spool that sequenced the record"),
    column("sequence", Long, "position in the epoch, from 1"),
    column(
        "record_hash",
        Text,
        "SHA-256 of the record as sent, hexadecimal",
    ),
    column(
        "previous_hash",
        Text,
        "SHA-256 of the record before it in the epoch, hexadecimal",
    ),
    column("tenant_id", Text, "tenant of the device"),
    column(
        "device_id",
        Text,
        "the management system's id of the device",
    ),
    column("agent_version", Text, "version of the agent"),
    column(
        "boot_id",
        Text,
        "UUID of the boot during which the record was spooled",
    ),
    column(
        "reporting_scope",
        Text,
        "none, diagnostic, managed or all: what the device may send",
    ),
    column("schema_version", Int, "version of the record's schema"),
    column("observed_at", Time, "device clock when it happened, UTC"),
    column(
        "received_at",
        Time,
        "server clock when the collector received the record, UTC",
    ),
    column(
        "sensors",
        TextList,
        "who saw it: broker, security_4688, sysmon_1, sudo_syslog, sudo_logfile, sudo_event_json, sudo_io_log, simulated, pkexec, su, doas, audit_execve, audit_user_cmd, intune, sap_privileges, santa, sudo_log_server",
    ),
    column(
        "outcome",
        Text,
        "elevated, denied, cancelled, failed, or undecided where the source does not say",
    ),
    column(
        "management",
        Text,
        "managed (carried out by the agent) or unmanaged",
    ),
    column(
        "decision_source",
        Text,
        "rule, default_response, approval or none",
    ),
    column(
        "elevation_type",
        Text,
        "automatic, user_confirmed, current_user, support_approved, deny, unmanaged or undetermined",
    ),
    column(
        "trigger",
        Text,
        "run_with_elevated_access, automatic, os_runas, uac_credential, child, system, sudo, pkexec, su, doas, setuid or admin_rights",
    ),
    column(
        "run_as",
        Text,
        "virtual_account, current_user, root or other",
    ),
    column(
        "account_class",
        Text,
        "person or service: whose process it is",
    ),
    column(
        "result_code",
        Long,
        "exit code of the program, where it is known",
    ),
    column(
        "duration_ms",
        Long,
        "how long it ran, in milliseconds, where it is known",
    ),
    column("signal", Text, "name of the signal that ended it"),
    column(
        "reason",
        Text,
        "why it was denied or failed, in the source's words",
    ),
    column(
        "validated_justification",
        Flag,
        "a justification was asked for and given",
    ),
    column(
        "validated_authentication",
        Flag,
        "the user authenticated again",
    ),
    column("user_id", Text, "SID or numeric uid"),
    column("upn", Text, "user principal name"),
    column("user_name_raw", Text, "user as the source wrote it"),
    column(
        "user_name",
        Text,
        "the user that reports group by: the principal name where there is one, else the raw name; lower case",
    ),
    column("user_type", Text, "local, directory or hybrid"),
    column("is_local_admin", Flag, "the user is a local administrator"),
    column("target_user_name", Text, "account that the program runs as"),
    column("target_user_id", Text, "its SID or uid"),
    column("device_name", Text, "device as the source wrote it"),
    column(
        "device",
        Text,
        "the device that reports group by: short host name in upper case",
    ),
    column("join_type", Text, "how the device is joined to a directory"),
    column("os_build", Text, "version of the operating system"),
    column("file_path", Text, "full path of the program"),
    column("file_name", Text, "name of the program's file"),
    column(
        "sha256",
        Text,
        "SHA-256 of the file, lower-case hexadecimal",
    ),
    column("size_bytes", Long, "size of the file"),
    column(
        "publisher",
        Text,
        "the publisher that reports group by: the signer where it is known, else the company that the file names",
    ),
    column(
        "publisher_subject",
        Text,
        "subject of the signer's certificate",
    ),
    column(
        "certificate_thumbprint",
        Text,
        "thumbprint of the signer's certificate",
    ),
    column(
        "certificate_issuer",
        Text,
        "issuer of the signer's certificate",
    ),
    column(
        "certificate_not_after",
        Time,
        "when the signer's certificate expires",
    ),
    column(
        "signature_status",
        Text,
        "valid, unsigned, invalid, expired, revoked or untrusted",
    ),
    column("product_name", Text, "product that the file names"),
    column("internal_name", Text, "internal name that the file gives"),
    column("file_description", Text, "description that the file gives"),
    column("file_version", Text, "version that the file gives"),
    column(
        "company_name",
        Text,
        "company that the file names; not who signed it",
    ),
    column(
        "arguments",
        Text,
        "command line or arguments as the source gave them; sensitive",
    ),
    column(
        "path_writable_by_user",
        Flag,
        "a standard user may write the file or its folder",
    ),
    column("is_network_path", Flag, "the file lies on a network"),
    column(
        "mark_of_the_web",
        Flag,
        "the file was downloaded and not released",
    ),
    column(
        "original_file_name",
        Text,
        "original name that the file gives",
    ),
    column(
        "other_hashes",
        Text,
        "digests other than SHA-256 as the source gave them",
    ),
    column("pid", Long, "process id"),
    column("process_type", Text, "parent or child"),
    column("parent_path", Text, "path of the parent's program"),
    column("parent_sha256", Text, "SHA-256 of the parent's file"),
    column(
        "parent_event_id",
        Text,
        "event id of the elevation that this process descends from",
    ),
    column("child_policy", Text, "what children of this process may do"),
    column("system_initiated", Flag, "started by the system"),
    column("background", Flag, "started without a session"),
    column("parent_pid", Long, "parent's process id"),
    column("integrity_level", Text, "Windows integrity level"),
    column(
        "token_elevation_type",
        Int,
        "Windows token elevation type: 1 default, 2 full, 3 limited",
    ),
    column("logon_id", Text, "Windows logon session"),
    column("working_directory", Text, "working directory"),
    column("terminal", Text, "terminal"),
    column("process_guid", Text, "the source's own id of the process"),
    column("parent_arguments", Text, "parent's command line; sensitive"),
    column("policy_id", Text, "policy that decided"),
    column("policy_name", Text, "its name"),
    column("policy_version", Text, "its version"),
    column("rule_id", Text, "rule that decided"),
    column("rule_name", Text, "its name"),
    column(
        "rule_target",
        Text,
        "user or device: what the rule was deployed to",
    ),
    column("candidate_rule_ids", TextList, "rules that matched"),
    column("deciding_step", Text, "step of the precedence that decided"),
    column(
        "attribute_score",
        Int,
        "attributes that the winning rule defines",
    ),
    column(
        "justification",
        Text,
        "what the user gave as reason, at most 256 characters; sensitive",
    ),
    column(
        "repeat_count",
        Int,
        "identical events that this row stands for",
    ),
    column("event_date", Date, "day of observed_at, UTC"),
];

/// The dimensions of `usage`: its columns before the counts.
pub const USAGE_DIMENSIONS: &[&str] = &[
    "file_name",
    "product_name",
    "internal_name",
    "file_version",
    "sha256",
    "publisher",
    "management",
    "elevation_type",
    "outcome",
    "decision_source",
    "rule_id",
    "policy_id",
    "account_class",
    "user_name",
    "device",
];

/// Columns of `usage`.
///
/// It is kept at the grain of user and device, finer than a report needs, because exact distinct counts of users and
/// devices must survive summing over days.
pub const USAGE: &[Column] = &[
    column("file_name", Text, "name of the program's file"),
    column("product_name", Text, "product that the file names"),
    column("internal_name", Text, "internal name that the file gives"),
    column("file_version", Text, "version that the file gives"),
    column("sha256", Text, "SHA-256 of the file"),
    column("publisher", Text, "publisher, as in elevations"),
    column("management", Text, "managed or unmanaged"),
    column("elevation_type", Text, "as in elevations"),
    column("outcome", Text, "as in elevations"),
    column("decision_source", Text, "as in elevations"),
    column("rule_id", Text, "as in elevations"),
    column("policy_id", Text, "as in elevations"),
    column("account_class", Text, "person or service"),
    column("user_name", Text, "user, as in elevations"),
    column("device", Text, "device, as in elevations"),
    column(
        "elevations",
        Long,
        "how many, repeats included; sum over rows",
    ),
    column("first_seen", Time, "first of them; the least over rows"),
    column("last_seen", Time, "last of them; the greatest over rows"),
    column("event_date", Date, "day, UTC"),
];
