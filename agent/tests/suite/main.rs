//! What the agent promises, proved from outside its code.

mod cli;
mod components;
mod counted;
mod disks;
mod doctor;
mod elevate;
mod evtx;
mod file_facts;
mod follow;
mod fuzz;
mod import;
mod install;
mod intune;
mod kernel_audit;
mod life_cycle;
mod peer;
mod policy_delivery;
mod policy_store;
mod reference;
mod running;
mod spool;
mod sudo_log_server;
mod tenant;
mod uplink;
mod windows;
mod windows_json;
