//! Where elevations come from: one small file a format, all behind [`mod@format`].

mod digest;
pub mod evtx;
pub mod format;
mod lines;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the JSON sources of the next commits read through it"
    )
)]
mod objects;
mod programs;
pub(crate) mod runs;
pub mod simulated;
mod stamp;
pub mod sudo;
pub mod syslog;
mod unmanaged;
pub mod windows;

#[cfg(test)]
mod recorded;

pub use stamp::TextTime;

use format::Format;

/// Every format that this version reads. A file is the first one that recognises its beginning.
pub static FORMATS: [&Format; 5] = [
    &evtx::FORMAT,
    &sudo::event_json::FORMAT,
    &sudo::io_log::FORMAT,
    &sudo::logfile::FORMAT,
    &syslog::FORMAT,
];
