//! The agent: sources, spool and uplink of one device.

pub mod source;
pub mod sources;
