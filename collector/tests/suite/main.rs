//! The collector between a real gRPC client and a real log on a disk.

mod delivery;
mod disk;
mod durability;
mod harness;
mod identity;
mod refusals;
mod rejects;
mod secured;
