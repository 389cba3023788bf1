//! The HTTP interface: REST, health, metrics, and what every answer carries. Computes no report itself.

mod control;
mod download;
pub mod metrics;
mod openapi;
mod policy;
pub mod problem;
mod rest;
pub mod serve;

pub(crate) use policy::{guarded, wrong_method};
pub(crate) use rest::routes;
