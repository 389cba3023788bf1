//! What the policy engine promises, proved from outside its code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod approval;
mod arguments;
mod bad_policies;
mod bundle;
mod children;
mod conditions;
mod conformance;
mod decisions;
mod dice;
mod draw;
mod elevation_types;
mod explanation;
mod files;
mod globs;
mod import;
mod interop;
mod last_good;
mod launches;
mod laws;
mod life_cycle;
mod lint;
mod matching;
mod precedence;
mod purity;
mod settings;
mod validation;
mod world;
