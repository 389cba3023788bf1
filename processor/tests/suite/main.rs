//! The processor against a real event log and real tables in temporary folders.

mod crash;
mod properties;
mod rows;
mod upkeep;
mod world;
