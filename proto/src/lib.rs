//! The joint between agent and collector: the wire, and the bytes that the event log keeps.
//!
//! It must not do IO, read a clock, or know a stage.

pub mod asn1;
pub mod batch;
pub mod certificate;
pub mod chain;
pub mod head;
pub mod ids;
pub mod ranges;
pub mod sightings;
pub mod view;
mod wire;

pub use wire::WireError;

/// Generated messages, client and server of the wire's first version.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/epm/v1"
)]
pub mod v1 {
    tonic::include_proto!("epm.v1");
}
