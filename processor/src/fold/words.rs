//! The words that tables use for the wire's enums: snake case, no prefix. A number that this version does not know is
//! `unknown_<number>`, and an unspecified one is absent.

use std::borrow::Cow;

/// The words of one enum; the first is the unspecified value.
pub(crate) type Words = &'static [&'static str];

pub(crate) const SCOPES: Words = &["", "none", "diagnostic", "managed", "all"];
pub(crate) const OUTCOMES: Words = &["", "elevated", "denied", "cancelled", "failed", "undecided"];
pub(crate) const MANAGEMENTS: Words = &["", "managed", "unmanaged"];
pub(crate) const DECISION_SOURCES: Words = &["", "none", "rule", "default_response", "approval"];
pub(crate) const ELEVATION_TYPES: Words = &[
    "",
    "undetermined",
    "unmanaged",
    "automatic",
    "user_confirmed",
    "current_user",
    "support_approved",
    "deny",
];
pub(crate) const TRIGGERS: Words = &[
    "",
    "run_with_elevated_access",
    "automatic",
    "os_runas",
    "uac_credential",
    "child",
    "system",
    "sudo",
    "pkexec",
    "su",
    "doas",
    "setuid",
    "admin_rights",
];
pub(crate) const RUN_AS: Words = &["", "virtual_account", "current_user", "other", "root"];
pub(crate) const ACCOUNT_CLASSES: Words = &["", "person", "service"];
pub(crate) const USER_TYPES: Words = &["", "local", "directory", "hybrid"];
pub(crate) const PROCESS_TYPES: Words = &["", "parent", "child"];
pub(crate) const SIGNATURE_STATUSES: Words = &[
    "",
    "valid",
    "unsigned",
    "invalid",
    "expired",
    "revoked",
    "untrusted",
];
pub(crate) const RULE_TARGETS: Words = &["", "user", "device"];
pub(crate) const SENSORS: Words = &[
    "",
    "broker",
    "security_4688",
    "sysmon_1",
    "sudo_syslog",
    "sudo_logfile",
    "sudo_event_json",
    "sudo_io_log",
    "simulated",
    "pkexec",
    "su",
    "doas",
    "audit_execve",
    "audit_user_cmd",
    "intune",
    "sap_privileges",
    "santa",
    "sudo_log_server",
    "followed_log",
    "self_test",
    "kernel_audit",
];
pub(crate) const SENSOR_STATES: Words = &["", "running", "stopped", "failing"];
pub(crate) const LIFE_CYCLE_STATES: Words = &[
    "",
    "absent",
    "provisioning",
    "active",
    "disabled",
    "removed",
];
pub(crate) const LOSS_REASONS: Words = &[
    "",
    "evicted",
    "expired",
    "corrupt",
    "spool_reset",
    "source_unreadable",
    "out_of_scope",
    "disk_full",
];
pub(crate) const REJECT_CODES: Words = &[
    "",
    "too_large",
    "malformed",
    "schema_unknown",
    "wrong_identity",
    "out_of_scope",
];

/// The word of `number`; empty where it is unspecified.
#[inline]
pub(crate) fn word(words: Words, number: i32) -> Cow<'static, str> {
    match usize::try_from(number).ok().and_then(|at| words.get(at)) {
        Some(word) => Cow::Borrowed(word),
        None => Cow::Owned(format!("unknown_{number}")),
    }
}

/// The number of `word`; zero, the unspecified one, where this version does not know it.
pub(crate) fn number(words: Words, word: &str) -> i32 {
    let place = words.iter().position(|known| *known == word);
    place.and_then(|at| i32::try_from(at).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use epm_proto::v1;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_wire() {
        fn check(words: Words, prefix: &str, name: impl Fn(i32) -> Option<&'static str>) {
            for (number, word) in words.iter().enumerate().skip(1) {
                let name = name(number as i32).expect("the wire has the number");
                let expected = format!("{prefix}_{}", word.to_uppercase());
                assert_eq!(name, expected);
            }
            let beyond = name(words.len() as i32);
            assert_eq!(beyond, None, "{prefix} has a value without a word");
        }
        macro_rules! check_all {
            ($($words:ident, $prefix:literal, $of:ident;)*) => {$(
                check($words, $prefix, |number| v1::$of::try_from(number).ok().map(|value| value.as_str_name()));
            )*};
        }
        check_all! {
            SCOPES, "REPORTING_SCOPE", ReportingScope;
            OUTCOMES, "OUTCOME", Outcome;
            MANAGEMENTS, "MANAGEMENT", Management;
            DECISION_SOURCES, "DECISION_SOURCE", DecisionSource;
            ELEVATION_TYPES, "ELEVATION_TYPE", ElevationType;
            TRIGGERS, "TRIGGER", Trigger;
            RUN_AS, "RUN_AS", RunAs;
            ACCOUNT_CLASSES, "ACCOUNT_CLASS", AccountClass;
            USER_TYPES, "USER_TYPE", UserType;
            PROCESS_TYPES, "PROCESS_TYPE", ProcessType;
            SIGNATURE_STATUSES, "SIGNATURE_STATUS", SignatureStatus;
            RULE_TARGETS, "RULE_TARGET", RuleTarget;
            SENSORS, "SENSOR_KIND", SensorKind;
            SENSOR_STATES, "SENSOR_STATE", SensorState;
            LIFE_CYCLE_STATES, "LIFE_CYCLE_STATE", LifeCycleState;
            LOSS_REASONS, "LOSS_REASON", LossReason;
            REJECT_CODES, "REJECT_CODE", RejectCode;
        }
    }

    #[test]
    fn a_number_from_a_newer_agent_is_kept() {
        assert_eq!(word(OUTCOMES, 99), "unknown_99");
        assert_eq!(word(OUTCOMES, -1), "unknown_-1");
        assert_eq!(word(OUTCOMES, 0), "");
    }
}
