//! The broker and `elevate` as they are installed: the agent runs as root under a policy file of the test, real users of
//! this device ask, and what ran is compared with what was recorded. It needs root; without it a test says so.

mod agreement;
mod approvals;
mod authentication;
mod behaviour;
mod certificates;
mod children;
mod decisions;
mod documents;
mod kills;
pub(crate) mod people;
mod pty;
mod threats;
pub(crate) mod world;
