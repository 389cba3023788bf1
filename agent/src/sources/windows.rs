//! Process starts that Windows logs: Security event 4688 and Sysmon event 1, read into what the spool takes.
//!
//! The readers here are pure: they see one event's [`fields::Fields`] and know nothing of files, so that every way in
//! which an event can arrive counts alike. They must never guess: what an event does not say is undecided or absent.

pub(super) mod account;
pub mod fields;
pub(super) mod image;
mod integrity;
mod process_start;
mod security_4688;
mod sysmon_1;
pub(super) mod time;

use crate::source::Reading;
use fields::Fields;
pub(in crate::sources) use process_start::ZONE_STEP_S;

/// Its name, and how Windows renders that in English.
const SECURITY_PROVIDERS: [&str; 2] = [
    "Microsoft-Windows-Security-Auditing",
    "Microsoft Windows security auditing.",
];
const SECURITY_CHANNEL: &str = "Security";
const SYSMON_PROVIDERS: [&str; 1] = ["Microsoft-Windows-Sysmon"];
const SYSMON_CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";
pub(in crate::sources) const PROCESS_CREATED_4688: u32 = 4688;
pub(in crate::sources) const PROCESS_CREATE_1: u32 = 1;

/// Why an event that starts no process is skipped.
pub const OTHER_EVENT: &str = "other_event";

/// What the event says of a process start; nothing where it is another event.
#[must_use]
pub fn read_event(fields: &Fields<'_>) -> Option<Reading> {
    match fields.event_id() {
        PROCESS_CREATED_4688 if is_from(fields, &SECURITY_PROVIDERS, SECURITY_CHANNEL) => {
            Some(security_4688::read(fields))
        }
        PROCESS_CREATE_1 if is_from(fields, &SYSMON_PROVIDERS, SYSMON_CHANNEL) => {
            Some(sysmon_1::read(fields))
        }
        _ => None,
    }
}

/// When an event of Sysmon, of whatever kind, says by itself that it happened: microseconds since 1970, UTC.
pub(in crate::sources) fn sysmon_time_us(fields: &Fields<'_>) -> Option<i64> {
    if !is_from(fields, &SYSMON_PROVIDERS, SYSMON_CHANNEL) {
        return None;
    }
    fields.get("UtcTime").and_then(time::zoneless_utc_us)
}

// Some collectors do not keep the provider; its channel is its own.
fn is_from(fields: &Fields<'_>, providers: &[&str], channel: &str) -> bool {
    let provider = fields.provider().trim();
    if provider.is_empty() {
        return fields.channel().eq_ignore_ascii_case(channel);
    }
    providers
        .iter()
        .any(|known| known.eq_ignore_ascii_case(provider))
}
