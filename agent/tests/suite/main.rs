//! What the agent promises, proved from outside its code.

mod cli;
mod counted;
mod evtx;
mod fuzz;
mod import;
mod peer;
mod reference;
mod spool;
mod uplink;
mod windows;
