//! Where elevations come from.

pub mod evtx;
pub mod simulated;
pub mod sudo;
pub mod windows;
