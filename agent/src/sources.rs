//! Where elevations come from.

pub mod simulated;
