//! The processor: reads the event log, folds it, commits tables; compaction, retention, verification and rebuild.
//!
//! It must not serve anybody, and must never write the log.

mod chain;
mod config;
mod error;
mod fold;
mod metrics;
mod stage;
mod store;
mod transaction;
mod upkeep;
mod verify;

pub use chain::ChainFigures;
pub use config::{Config, Retention};
pub use error::ProcessorError;
pub use metrics::SharedRegistry;
pub use stage::run;
pub use verify::{Rebuilt, TableComparison, Verification, rebuild, verify};
