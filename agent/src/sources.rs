//! Where elevations come from: one small file a format, all behind [`mod@format`].

pub mod audit;
mod command;
mod digest;
pub mod evtx;
pub mod format;
pub mod intune;
pub mod journal;
mod lines;
mod objects;
mod principals;
pub mod privileges;
mod programs;
mod rows;
pub(crate) mod runs;
pub mod santa;
pub mod simulated;
mod stamp;
pub mod sudo;
pub mod syslog;
mod tools;
mod unmanaged;
pub mod windows;
pub mod windows_json;
mod zipped;

#[cfg(test)]
mod recorded;

pub use stamp::TextTime;

use format::Format;

/// Every format that this version reads. A file is the first one that recognises its beginning.
pub static FORMATS: [&Format; 13] = [
    &evtx::FORMAT,
    &audit::FORMAT,
    &intune::FORMAT,
    &santa::JSON,
    &santa::TEXT,
    &privileges::JSON,
    &privileges::TEXT,
    &sudo::event_json::FORMAT,
    &sudo::io_log::FORMAT,
    &sudo::logfile::FORMAT,
    &journal::FORMAT,
    &syslog::FORMAT,
    &windows_json::FORMAT,
];
