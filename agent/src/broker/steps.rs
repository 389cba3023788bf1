//! The steps of an elevation, by name, so that a test can end the agent at each of them as a crash would. A release build
//! knows the names and does nothing with them.

use std::sync::OnceLock;

use rustix::process::{Signal, getpid, kill_process};

/// Names the step at which a test wants the agent to be killed.
const CRASH_AT: &str = "EPM_TEST_CRASH_AT";

/// How far an elevation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Somebody asked.
    Asked,
    /// It was decided.
    Judged,
    /// The person gave what was asked for.
    Answered,
    /// A use of an approval is taken.
    Approved,
    /// The journal knows that an elevation begins.
    Journaled,
    /// Its record is durable.
    Recorded,
    /// The program was ordered.
    Ordered,
    /// The program ended.
    Ended,
    /// Its end is durable.
    Concluded,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Judged => "judged",
            Self::Answered => "answered",
            Self::Approved => "approved",
            Self::Journaled => "journaled",
            Self::Recorded => "recorded",
            Self::Ordered => "ordered",
            Self::Ended => "ended",
            Self::Concluded => "concluded",
        }
    }
}

/// An elevation came so far.
pub(super) fn reached(step: Step) {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return;
    }
    let wanted = WANTED.get_or_init(|| std::env::var(CRASH_AT).ok());
    if wanted.as_deref() == Some(step.name()) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
