//! Columns of `devices` and `dead_letters`.

use super::Kind::{Binary, Date, Flag, Int, Long, Text, Time};
use super::{Column, column};

/// Columns of `devices`.
pub const DEVICES: &[Column] = &[
    column("agent_id", Text, "UUID of the agent"),
    column("tenant_id", Text, "tenant of the device"),
    column(
        "device_id",
        Text,
        "the management system's id of the device",
    ),
    column("device_name", Text, "device as the agent names it"),
    column("device", Text, "short host name in upper case"),
    column("agent_version", Text, "version of the agent"),
    column("os_version", Text, "version of the operating system"),
    column("epoch", Long, "newest epoch seen"),
    column("epochs", Int, "epochs seen"),
    column(
        "next_expected",
        Long,
        "first sequence of the newest epoch that is neither stored nor explained",
    ),
    column(
        "highest_sequence",
        Long,
        "highest sequence seen in the newest epoch",
    ),
    column(
        "records",
        Long,
        "distinct records received, over all epochs",
    ),
    column(
        "missing",
        Long,
        "sequences below the highest that are neither received nor explained, over all epochs",
    ),
    column("lost", Long, "records that the agent reported as lost"),
    column(
        "losses",
        Text,
        "the newest losses as a JSON list: reason, epoch, first, last, records, detail",
    ),
    column(
        "last_heartbeat_at",
        Time,
        "device clock of the newest heartbeat",
    ),
    column(
        "last_received_at",
        Time,
        "server clock of the newest record",
    ),
    column(
        "last_observed_at",
        Time,
        "device clock of the newest record",
    ),
    column("heartbeat_interval_s", Long, "seconds between heartbeats"),
    column(
        "spool_records",
        Long,
        "records waiting on the device at the newest heartbeat",
    ),
    column("spool_bytes", Long, "their bytes"),
    column(
        "oldest_unsent_at",
        Time,
        "device clock of the oldest of them",
    ),
    column(
        "clock_offset_ms",
        Long,
        "server clock less device clock, milliseconds",
    ),
    column("policy_revision", Text, "policy that the agent holds"),
    column("reporting_scope", Text, "what the device may send"),
    column(
        "sensors",
        Text,
        "state of each sensor as a JSON list: sensor, state, detail",
    ),
    column(
        "sequence_state",
        Text,
        "ranges received and explained in each epoch as JSON: what the fold resumes from",
    ),
    column(
        "life_cycle",
        Text,
        "where the management of elevations stands: absent, provisioning, active, disabled, removed; null where no policies \
         govern the device, as in all columns after it",
    ),
    column(
        "life_cycle_since",
        Time,
        "device clock when that came about",
    ),
    column(
        "removal_at",
        Time,
        "when components are removed; null unless disabled",
    ),
    column(
        "applicable",
        Flag,
        "whether elevations can be managed on the device",
    ),
    column("not_applicable_reason", Text, "why they cannot, for people"),
    column(
        "join_type",
        Text,
        "none, active_directory, entra, entra_hybrid, workplace",
    ),
    column(
        "management_authority",
        Text,
        "who says what the device does: none, policy_file, intune, co_managed",
    ),
    column("architecture", Text, "the device's processor"),
];

/// Columns of `dead_letters`.
pub const DEAD_LETTERS: &[Column] = &[
    column(
        "received_at",
        Time,
        "server clock when the entry was received",
    ),
    column("partition", Int, "partition of the event log"),
    column("log_offset", Long, "offset in it"),
    column("agent_id", Text, "UUID of the agent, where it is known"),
    column("epoch", Long, "epoch, where it is known"),
    column("sequence", Long, "sequence, where it is known"),
    column(
        "code",
        Text,
        "undecodable, unnamed, unknown_body, exit_without_start, foreign (no collector wrote it), trimmed (the log let entries go before they were folded), or the collector's reject code",
    ),
    column("detail", Text, "what exactly was wrong"),
    column("record", Binary, "the bytes, cut at 64 KiB"),
    column("record_bytes", Long, "their whole length"),
    column("received_date", Date, "day of received_at, UTC"),
];
