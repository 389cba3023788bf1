//! Looking at a spool that may be another process's. It must not write.

use std::io;
use std::path::{Path, PathBuf};

use epm_proto::ids::AgentId;
use epm_proto::v1;

use super::mint::Mint;
use super::recovery::CURSOR_NAME;
use super::{Spool, SpoolLimits};
use crate::clock::Clock;

impl Spool {
    /// The spool in `state` as it is now, to be read only; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be listed.
    pub fn look(state: &Path, agent_id: AgentId) -> io::Result<Option<Self>> {
        if !state.join("spool").is_dir() {
            return Ok(None);
        }
        let mint = Mint {
            agent_id,
            reporting_scope: v1::ReportingScope::Unspecified,
            device_id: String::new(),
            clock: Clock::of_this_boot(),
        };
        Self::open(state, mint, SpoolLimits::default()).map(Some)
    }

    /// The file that remembers what was acknowledged, in `state`.
    #[must_use]
    pub fn cursor_path(state: &Path) -> PathBuf {
        state.join("spool").join(CURSOR_NAME)
    }
}

/// The name of an eviction class by its stored number.
#[must_use]
pub fn class_name(class: u8) -> &'static str {
    match Spool::class_of(class) {
        v1::RecordClass::Unspecified => "unspecified",
        v1::RecordClass::Unmanaged => "unmanaged",
        v1::RecordClass::ManagedAutomatic => "managed-automatic",
        v1::RecordClass::ManagedConfirmed => "managed-confirmed",
        v1::RecordClass::Decision => "decision",
        v1::RecordClass::Health => "health",
    }
}
