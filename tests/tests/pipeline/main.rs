//! The whole pipeline in one test binary: real stages, real servers, real files. One binary, so that it links once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should say where, and what a test leaves out it says in a line"
)]

mod browser;
mod components;
mod elevate;
mod engines;
mod follow;
mod house;
mod import;
mod intune;
mod kafka;
mod kill;
mod log;
mod programs;
mod server;
mod sudo;
mod sudo_runs;
mod tidy;
