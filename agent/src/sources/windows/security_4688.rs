//! Security event 4688, "a new process has been created", in the three shapes that Windows writes.
//!
//! Its token type alone decides little: type 1 is what services and the built-in Administrator have, elevated or not.
//! It must not name a person whom the event does not name.

use epm_proto::v1;

use super::account::Account;
use super::fields::Fields;
use super::integrity::Integrity;
use super::process_start::{ProcessStart, file_at, logon_id_text};
use crate::source::{Reading, Verdict};

/// How a process got its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Type 1: the only token of its account.
    Default,
    /// Type 2: the full half of a split token.
    Full,
    /// Type 3: the limited half.
    Limited,
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains("1936") || text.contains("TokenElevationTypeDefault") {
            Some(Self::Default)
        } else if text.contains("1937") || text.contains("TokenElevationTypeFull") {
            Some(Self::Full)
        } else if text.contains("1938") || text.contains("TokenElevationTypeLimited") {
            Some(Self::Limited)
        } else {
            None
        }
    }

    /// The number that Windows' own interface has for it.
    fn number(self) -> u32 {
        match self {
            Self::Default => 1,
            Self::Full => 2,
            Self::Limited => 3,
        }
    }
}

pub(super) fn read(event: &Fields<'_>) -> Reading {
    let token = event.get("TokenElevationType").and_then(Token::parse);
    let integrity = event.get("MandatoryLabel").and_then(Integrity::parse);
    let subject = account(event, "Subject");
    let target = account(event, "Target");
    // A target that is only a SID is an echo of the subject; one with a name is whose rights the process has.
    let runs_as = if target.name.is_empty() {
        subject
    } else {
        target
    };
    let is_subject_person = subject.class() == v1::AccountClass::Person;
    let is_target_person = runs_as.class() == v1::AccountClass::Person;
    let is_full = token == Some(Token::Full);
    ProcessStart {
        sensor: v1::SensorKind::Security4688,
        verdict: verdict(integrity, token),
        observed_at_us: event.created_at_us().unwrap_or_default(),
        // Somebody who ran a program as another person asked for it; the machine's account never asks.
        user: if is_subject_person && is_target_person {
            subject
        } else {
            runs_as
        },
        runs_as,
        is_consent: is_full && !target.name.is_empty() && is_target_person,
        is_person_hidden: is_full && target.name.is_empty() && !is_subject_person,
        integrity,
        file: file_at(event.text("NewProcessName"), event.text("CommandLine")),
        process: v1::Process {
            pid: event.number("NewProcessId").unwrap_or_default(),
            // What the event calls its process is the one that started the new one.
            parent_pid: event.number("ProcessId").unwrap_or_default(),
            parent_path: event.text("ParentProcessName"),
            token_elevation_type: token.map(Token::number).unwrap_or_default(),
            logon_id: logon_id_text(runs_as.logon_id),
            ..v1::Process::default()
        },
    }
    .into_reading(event)
}

fn account<'a>(event: &'a Fields<'a>, role: &str) -> Account<'a> {
    let part = |name: &str| event.get(&format!("{role}{name}")).unwrap_or_default();
    let logon_id = event
        .number(&format!("{role}LogonId"))
        .filter(|id| *id != 0);
    Account::from_parts(
        part("UserSid"),
        part("DomainName"),
        part("UserName"),
        logon_id,
    )
}

/// A label decides where there is one. Without it only a split token says which half the process has.
fn verdict(integrity: Option<Integrity>, token: Option<Token>) -> Verdict {
    match (integrity, token) {
        (Some(level), _) if level.is_elevated() => Verdict::Elevated,
        (Some(_), _) | (None, Some(Token::Limited)) => Verdict::NotElevated,
        (None, Some(Token::Full)) => Verdict::Elevated,
        (None, Some(Token::Default) | None) => Verdict::Undecided,
    }
}
