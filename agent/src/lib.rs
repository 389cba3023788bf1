//! The agent: sources, spool and uplink of one device.

mod agent;
#[cfg(target_os = "linux")]
pub mod applicability;
#[cfg(target_os = "linux")]
pub mod broker;
pub mod cli;
pub mod clock;
pub mod disk;
#[cfg(target_os = "linux")]
pub mod elevate;
pub mod file_facts;
pub mod follow;
mod heartbeat;
pub mod identity;
pub mod import;
pub mod install;
#[cfg(target_os = "linux")]
pub mod kernel_audit;
pub mod launch;
#[cfg(target_os = "linux")]
pub mod life_cycle;
pub mod live;
pub mod platform;
#[cfg(target_os = "linux")]
pub mod policies;
mod scope;
pub mod self_test;
pub mod source;
pub mod sources;
pub mod spool;
pub mod sudo_log_server;
pub mod uplink;
mod words;

pub use agent::{Agent, AgentConfig, AgentError, AgentStatus};
