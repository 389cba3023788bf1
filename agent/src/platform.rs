//! What only one operating system can do, and the only place where code may be unsafe. Nothing here decides: callers say
//! what to do, and get plain values back.

#[cfg(target_os = "linux")]
pub mod linux;
