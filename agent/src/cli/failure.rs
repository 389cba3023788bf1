//! How a command ends when it does not end well: a message, a remedy and an exit code.
//!
//! The one place where an error becomes what a user reads; it must not print a cause twice.

use std::fmt::Write as _;
use std::path::Path;

use crate::AgentError;
use crate::identity::IdentityError;
use crate::spool::SpoolError;

/// Exit codes of `epm-agent`, documented in its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Something failed that no other code names.
    Failed = 1,
    /// The command line is wrong. clap ends with the same code.
    Usage = 2,
    /// Another agent uses the state folder.
    InUse = 3,
    /// A file cannot be read or is of no known format.
    File = 4,
    /// The disk is full.
    DiskFull = 5,
    /// Records wait in the spool.
    Waiting = 6,
    /// A policy file has mistakes or findings.
    Policy = 7,
    /// Something that the agent needs is not there.
    Unwell = 8,
    /// A second signal asked to stop at once.
    StoppedAtOnce = 130,
}

/// Why a command did not do what it was asked, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub code: ExitCode,
    /// What went wrong, naming the flag, folder or address.
    pub message: String,
    /// What the user can do.
    pub remedy: String,
}

impl Failure {
    /// A failure with its remedy; `remedy` may be empty.
    pub fn new(code: ExitCode, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A failure with every cause that `error` knows, each said once.
    pub fn because(what: &str, error: &dyn std::error::Error) -> Self {
        let message = format!("{what}: {}", with_causes(error));
        Self::new(ExitCode::Failed, message, "")
    }

    /// What an error of the agent in `state` means to a user.
    pub fn of_agent(state: &Path, error: &AgentError) -> Self {
        let (code, remedy) = match error {
            AgentError::State(IdentityError::InUse(_)) => (
                ExitCode::InUse,
                "Stop that agent, or name another folder with --state DIR.".to_owned(),
            ),
            AgentError::State(_) | AgentError::OpenSpool { .. } => (
                ExitCode::Failed,
                "Name a folder that this user may write with --state DIR.".to_owned(),
            ),
            AgentError::Collector(_) => (
                ExitCode::Usage,
                "Name the collector with --collector URL.".to_owned(),
            ),
            AgentError::Spool(error) if matches!(**error, SpoolError::DiskFull(_)) => (
                ExitCode::DiskFull,
                format!(
                    "Make room on the disk of {}, then run the same command again.",
                    state.display()
                ),
            ),
            AgentError::Spool(_) | AgentError::Stopped => (ExitCode::Failed, String::new()),
        };
        Self::new(code, with_causes(error), remedy)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  {}", self.remedy)?;
        }
        Ok(())
    }
}

/// An error and its causes in one line, leaving out a cause whose words the line already has.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !line.contains(&words) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {words}");
        }
        cause = error.source();
    }
    line
}
