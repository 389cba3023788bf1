//! How a command ends when it does not end well: a message, a remedy and an exit code.
//!
//! The one place where an error becomes what a user reads; it must not print a cause twice.

use std::fmt::Write as _;

/// Exit codes of `epm`, documented in its help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Something failed that no other code names.
    Failed = 1,
    /// The command line is wrong. clap ends with the same code.
    Usage = 2,
    /// Another server uses the data folder.
    InUse = 3,
    /// An address cannot be listened on.
    CannotListen = 4,
    /// The data folder cannot be read or written.
    DataFolder = 5,
    /// `verify` found a difference.
    Different = 6,
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
        Self::new(
            ExitCode::Failed,
            format!("{what}: {}", with_causes(error)),
            "",
        )
    }

    /// The same failure with another exit code and remedy.
    #[must_use]
    pub fn with(mut self, code: ExitCode, remedy: impl Into<String>) -> Self {
        self.code = code;
        self.remedy = remedy.into();
        self
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
