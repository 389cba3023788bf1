//! Proving that a person is who the kernel says: the system's own authentication, in a process of its own that the agent
//! can lose. That process asks through the agent, which passes questions to `elevate` and answers back, and sees nothing
//! of the agent but that socket.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use super::limits::{ANSWER_TIMEOUT, AUTHENTICATION_TRIES, LONGEST_AUTHENTICATION};
use super::protocol::{FromElevate, PromptKind, ToElevate};
use super::wire::{self, Fields, Inbox, Reader, WireError};
use crate::platform::linux::pam::{self, PamError, Style};
use crate::platform::linux::signals::{end_after, reset_all};

/// Name of the file in `/etc/pam.d` that says how `elevate` authenticates.
pub const SERVICE: &str = "epm-elevate";
/// Where such files are; the second is for what comes with packages.
const SERVICE_FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Beyond the kinds of order.
pub(super) const VERIFICATION: u8 = 2;

/// Beyond the kinds of [`ToElevate`].
const PASSED: u8 = 128;
const FAILED: u8 = 129;
const UNAVAILABLE: u8 = 130;
const CANCELLED: u8 = 131;

/// Somebody is to be authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// By which file of `/etc/pam.d`.
    pub service: String,
    /// Who.
    pub user: String,
    /// At which terminal, or empty.
    pub terminal: String,
}

/// What came of it, or what has to be asked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// For the person.
    Ask(ToElevate),
    /// It is who it says.
    Passed,
    /// It is not, or may not.
    Failed(String),
    /// The system cannot tell.
    Unavailable(String),
    /// The person gave up.
    Cancelled,
}

impl Verification {
    /// Whether the system says how to authenticate for the service. Without a file of its own, PAM would fall back to
    /// whatever `other` is there; so too for a name with capitals, which it looks for in small letters.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        let mut folders = SERVICE_FOLDERS.iter();
        let is_plain = !self.service.is_empty() && self.service.bytes().all(plain);
        is_plain && folders.any(|folder| Path::new(folder).join(&self.service).is_file())
    }

    /// The message to the process that starts others. The socket goes with it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Fields::new(VERIFICATION)
            .bytes(self.service.as_bytes())
            .bytes(self.user.as_bytes())
            .bytes(self.terminal.as_bytes())
            .done()
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        if fields.byte()? != VERIFICATION {
            return Err(WireError::Value);
        }
        let mut text = || fields.text().map(str::to_owned);
        let verification = Self {
            service: text()?,
            user: text()?,
            terminal: text()?,
        };
        fields.end()?;
        Ok(verification)
    }
}

impl Verified {
    /// Reads what the process says.
    ///
    /// # Errors
    ///
    /// [`WireError`].
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Reader::new(message);
        let ended = match fields.byte()? {
            PASSED => Self::Passed,
            CANCELLED => Self::Cancelled,
            FAILED => Self::Failed(fields.text()?.to_owned()),
            UNAVAILABLE => Self::Unavailable(fields.text()?.to_owned()),
            _ => return ToElevate::decode(message).map(Self::Ask),
        };
        fields.end()?;
        Ok(ended)
    }
}

/// In the process of its own: authenticates, and says how that ended.
pub(super) fn verify(verification: &Verification, agent: &OwnedFd) {
    let _ = rustix::thread::set_name(c"epm-verifier");
    reset_all();
    end_after(LONGEST_AUTHENTICATION.as_secs() as u32);
    let mut inbox = Inbox::default();
    let mut answers = |style, words: &str| converse(agent, &mut inbox, style, words);
    let mut told = Fields::new(FAILED).bytes(b"too many tries").done();
    for tried in 1..=AUTHENTICATION_TRIES {
        let Verification {
            service,
            user,
            terminal,
        } = verification;
        told = match pam::authenticate(service, user, terminal, &mut answers) {
            Ok(()) => Fields::new(PASSED).done(),
            Err(PamError::Cancelled) => Fields::new(CANCELLED).done(),
            Err(PamError::Unavailable(why)) => {
                Fields::new(UNAVAILABLE).bytes(why.as_bytes()).done()
            }
            Err(PamError::Refused(why)) if tried < AUTHENTICATION_TRIES => {
                answers(Style::Error, &format!("{why}; try again"));
                continue;
            }
            Err(error) => Fields::new(FAILED)
                .bytes(error.to_string().as_bytes())
                .done(),
        };
        break;
    }
    let _ = wire::send(agent, &told, &[]);
}

fn converse(agent: &OwnedFd, inbox: &mut Inbox, style: Style, words: &str) -> Option<String> {
    let kind = match style {
        Style::Secret => PromptKind::Secret,
        Style::Visible => PromptKind::Visible,
        Style::Error | Style::Info => {
            let notice = ToElevate::Notice(words.to_owned());
            wire::send(agent, &notice.encode(), &[]).ok()?;
            return Some(String::new());
        }
    };
    let text = words.to_owned();
    let prompt = ToElevate::Prompt { kind, text };
    wire::send(agent, &prompt.encode(), &[]).ok()?;
    let answer = inbox
        .wait(agent, Some(Instant::now() + ANSWER_TIMEOUT))
        .ok()?;
    match FromElevate::decode(&answer) {
        Ok(FromElevate::Answer(answer)) => answer,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back() {
        let verification = Verification {
            service: "epm-elevate".to_owned(),
            user: "anna".to_owned(),
            terminal: "pts/3".to_owned(),
        };
        assert_eq!(
            Verification::decode(&verification.encode()),
            Ok(verification)
        );
        let failed = Fields::new(FAILED).bytes(b"why").done();
        assert_eq!(
            Verified::decode(&failed),
            Ok(Verified::Failed("why".to_owned()))
        );
        let notice = ToElevate::Notice("words".to_owned());
        assert_eq!(
            Verified::decode(&notice.encode()),
            Ok(Verified::Ask(notice))
        );
        assert!(Verified::decode(&[PASSED, 0]).is_err());
    }

    #[test]
    fn a_service_is_a_file_of_the_systems_folder_and_no_path() {
        let configured = |service: &str| {
            let verification = Verification {
                service: service.to_owned(),
                user: String::new(),
                terminal: String::new(),
            };
            verification.is_configured()
        };
        for service in [
            "",
            "no-such-service",
            "../passwd",
            "/etc/passwd",
            "a\0b",
            "LOGIN",
        ] {
            assert!(!configured(service), "{service:?}");
        }
    }
}
