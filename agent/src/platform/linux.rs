//! Linux: who asks through a socket, acting with a user's rights, the system's authentication, and starting programs with
//! exactly what they shall have.
//!
//! Everything unsafe is here, each use with its reason. It must not know policies, records or messages to people.

#![allow(
    unsafe_code,
    reason = "these calls of the kernel and of libc have no safe form in a crate that we depend on"
)]

pub mod accounts;
pub mod as_user;
pub mod audit;
pub mod caller;
pub mod child;
pub mod fork;
pub mod pam;
pub mod peer;
pub mod pty;
pub mod seccomp;
pub mod signals;
