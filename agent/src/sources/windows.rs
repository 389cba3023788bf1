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

const SECURITY_PROVIDER: &str = "Microsoft-Windows-Security-Auditing";
const SYSMON_PROVIDER: &str = "Microsoft-Windows-Sysmon";
const PROCESS_CREATED_4688: u32 = 4688;
const PROCESS_CREATE_1: u32 = 1;

/// Why an event that starts no process is skipped.
pub const OTHER_EVENT: &str = "other_event";

/// What the event says of a process start; nothing where it is another event.
#[must_use]
pub fn read_event(fields: &Fields) -> Option<Reading> {
    let provider = fields.provider();
    match fields.event_id() {
        PROCESS_CREATED_4688 if provider.eq_ignore_ascii_case(SECURITY_PROVIDER) => {
            Some(security_4688::read(fields))
        }
        PROCESS_CREATE_1 if provider.eq_ignore_ascii_case(SYSMON_PROVIDER) => {
            Some(sysmon_1::read(fields))
        }
        _ => None,
    }
}
