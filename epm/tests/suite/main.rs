//! The command line as a user meets it: help texts, environment variables, refusals.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod help;
mod refusals;
