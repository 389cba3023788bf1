//! What a person has to give before a program starts: a yes, a reason, a password. What is not given is recorded too.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use epm_policy::Validation;
use epm_proto::v1;

use super::{Conversation, Refusal, now};
use crate::broker::authentication::{Verification, Verified};
use crate::broker::limits::{ANSWER_TIMEOUT, MAX_AUTHENTICATION_MESSAGES, MAX_JUSTIFICATION_CHARS};
use crate::broker::protocol::{FromElevate, PromptKind, ToElevate};
use crate::broker::record::Settled;
use crate::broker::verdict::judge;
use crate::broker::visible::visible;
use crate::broker::wire::{self, Inbox, ReceiveError};
use crate::launch::Launch;

/// What the person gave.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    /// The reason, where there is one.
    pub(super) justification: Option<String>,
    /// The person proved who it is.
    pub(super) authenticated: bool,
}

impl Conversation<'_> {
    /// Asks for all that is required.
    pub(super) fn confirm(
        &mut self,
        settled: &Settled<'_>,
        validation: Validation,
    ) -> Result<Confirmed, Refusal> {
        let shown = visible(&settled.launch.file.path.to_string_lossy());
        let cancelled = |this: &Self, reason: &str, words: String| {
            this.refuse(settled, v1::Outcome::Cancelled, reason, words)
        };
        let mut reason = settled.ask.reason.clone();
        if reason.is_none() && (validation.business_justification || !validation.authentication) {
            let (kind, text) = match validation.business_justification {
                true => (
                    PromptKind::Justification,
                    format!("Why do you need to run {shown} as administrator? "),
                ),
                false => (
                    PromptKind::Confirmation,
                    format!("Run {shown} as administrator? [y/N] "),
                ),
            };
            let answer = self.prompt(kind, text)?;
            if answer.is_none() {
                let words = "cancelled; nothing was run".to_owned();
                return Err(cancelled(self, "cancelled", words));
            }
            reason = answer.filter(|_| validation.business_justification);
        }
        let reason = reason.map(|reason| reason.trim().to_owned());
        let missing = reason.as_ref().is_none_or(String::is_empty);
        if validation.business_justification && missing {
            let words = format!(
                "a reason is needed to run {shown} as administrator: elevate --reason TEXT …"
            );
            return Err(cancelled(self, "no_justification", words));
        }
        let length = reason.as_ref().map_or(0, |reason| reason.chars().count());
        if length > MAX_JUSTIFICATION_CHARS {
            let words = format!(
                "the reason has {length} characters; at most {MAX_JUSTIFICATION_CHARS} are kept. Say it shorter."
            );
            return Err(cancelled(self, "justification_too_long", words));
        }
        if validation.authentication {
            self.authenticate(settled, &shown)?;
        }
        Ok(Confirmed {
            justification: reason.filter(|reason| !reason.is_empty()),
            authenticated: validation.authentication,
        })
    }

    fn authenticate(&mut self, settled: &Settled<'_>, shown: &str) -> Result<(), Refusal> {
        let service = &self.broker.pam_service;
        let verification = Verification {
            service: service.clone(),
            user: settled.caller.account.name.clone(),
            terminal: settled.terminal.to_owned(),
        };
        let unavailable = |this: &Self, why: String| {
            let words = format!(
                "{shown} needs you to authenticate, and this device cannot: {why}. Ask your support."
            );
            this.refuse(
                settled,
                v1::Outcome::Failed,
                "authentication_unavailable",
                words,
            )
        };
        if !verification.is_configured() {
            let why = format!("there is no /etc/pam.d/{service}");
            return Err(unavailable(self, why));
        }
        let asked = UnixStream::pair().and_then(|(ours, its)| {
            let asked = self.broker.spawner.verify(&verification, its.as_fd());
            asked.map(|()| ours)
        });
        let verifier = match asked {
            Ok(verifier) => verifier,
            Err(error) => return Err(unavailable(self, error.to_string())),
        };
        let user = visible(&verification.user);
        self.tell(&ToElevate::Notice(format!(
            "{shown} runs as administrator once you, {user}, authenticate"
        )))?;
        match self.pass_on(&verifier)? {
            Verified::Passed => Ok(()),
            Verified::Cancelled => {
                let words = "cancelled; nothing was run";
                Err(self.refuse(settled, v1::Outcome::Cancelled, "cancelled", words))
            }
            Verified::Failed(why) => {
                let words = format!("{}: nothing was run", visible(&why));
                Err(self.refuse(settled, v1::Outcome::Denied, "authentication_failed", words))
            }
            Verified::Unavailable(why) => Err(unavailable(self, why)),
            Verified::Ask(_) => Err(unavailable(self, "it asks without end".to_owned())),
        }
    }

    /// Carries questions to the person and answers back, until it is known who that is.
    fn pass_on(&mut self, verifier: &UnixStream) -> Result<Verified, Refusal> {
        let mut inbox = Inbox::default();
        let gone = || Verified::Unavailable("its process ended".to_owned());
        let mut last = gone();
        for _ in 0..MAX_AUTHENTICATION_MESSAGES {
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            let Ok(message) = inbox.wait(verifier, Some(deadline)) else {
                return Ok(gone());
            };
            last = Verified::decode(&message).map_err(ReceiveError::Wire)?;
            match &last {
                Verified::Ask(ToElevate::Prompt { kind, text }) => {
                    let answer = self.prompt(*kind, visible(text))?;
                    let answer = FromElevate::Answer(answer).encode();
                    if wire::send(verifier, &answer, &[]).is_err() {
                        return Ok(gone());
                    }
                }
                Verified::Ask(ToElevate::Notice(text)) => {
                    self.tell(&ToElevate::Notice(visible(text)))?;
                }
                _ => break,
            }
        }
        Ok(last)
    }

    fn tell(&self, message: &ToElevate) -> Result<(), Refusal> {
        let sent = wire::send(&self.socket, &message.encode(), &[]);
        sent.map_err(|error| ReceiveError::Socket(error).into())
    }

    /// `None` where the person gave up or took too long.
    pub(super) fn prompt(
        &mut self,
        kind: PromptKind,
        text: String,
    ) -> Result<Option<String>, Refusal> {
        self.tell(&ToElevate::Prompt { kind, text })?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let message = match self.inbox.wait(&self.socket, Some(deadline)) {
            Ok(message) => message,
            Err(ReceiveError::TimedOut | ReceiveError::Closed) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match FromElevate::decode(&message).map_err(ReceiveError::Wire)? {
            FromElevate::Answer(answer) => Ok(answer),
            _ => Err(ReceiveError::Wire(wire::WireError::Value).into()),
        }
    }

    /// A person may think for minutes: what was decided must still be so, by the clock and the policies of now.
    pub(super) fn still_holds(&self, settled: &Settled<'_>) -> Result<(), Refusal> {
        let launch = Launch {
            moment: now(),
            ..settled.launch.clone()
        };
        let verdict = judge(&self.broker.policies.current(), &launch);
        if verdict.outcome == settled.verdict.outcome {
            return Ok(());
        }
        let words = "the policy changed while you answered: try again";
        Err(self.refuse(settled, v1::Outcome::Failed, "policy_changed", words))
    }
}
