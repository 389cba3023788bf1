//! The agent: sources, spool and uplink of one device.

pub mod clock;
pub mod disk;
pub mod import;
pub mod source;
pub mod sources;
pub mod spool;
