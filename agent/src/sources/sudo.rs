//! What sudo writes: lines in auth.log, its own log file, its JSON event log and the `log.json` of an I/O log.
//!
//! Every reader streams, holds a bounded amount of memory and goes on behind damage. None of them guesses: a record that
//! does not say as whom the command ran is undecided.
//!
//! A source key is made of what the record says (host, stamp as written, message), never of a file name or a position,
//! so that a renamed, rotated or grown copy of a log gives the same keys. Stamps without a year therefore give the same
//! key in every year: a line that repeats to the letter and the second a year later counts once.

pub mod event_json;
pub mod io_log;
pub(crate) mod json_record;
pub(crate) mod lines;
pub mod logfile;
mod members;
mod message;
mod text_record;

use epm_proto::v1;

use super::unmanaged::Seen;

/// A run of sudo that `sensor` saw.
fn seen_by(sensor: v1::SensorKind) -> Seen {
    Seen {
        sensor,
        trigger: v1::Trigger::Sudo,
        account: v1::AccountClass::Person,
    }
}
