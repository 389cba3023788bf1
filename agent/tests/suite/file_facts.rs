//! Facts of real files: programs from public packages, programs signed here by a real signer, and the system's own.

mod cached;
mod hostile;
mod published;
pub(crate) mod signed;
mod system;
pub(crate) mod tiny_pe;

use std::path::Path;

use epm_agent::file_facts::contents::Depth;
use epm_agent::file_facts::{self, Facts, Witnesses};

/// 2026-11-24 in UTC.
pub(crate) const NOW_S: i64 = 1_795_478_400;

pub(crate) fn facts(path: &Path, witnesses: &Witnesses) -> Facts {
    let file = file_facts::open(path).expect("it opens");
    file_facts::look(&file, path, Depth::Everything, witnesses, NOW_S).expect("it is readable")
}
