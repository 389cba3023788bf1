//! What the agent promises, proved from outside its code.

mod counted;
mod evtx;
mod import;
mod reference;
mod spool;
mod windows;
