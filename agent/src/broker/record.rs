//! What becomes a record: an elevation that was asked for, and how it ended. It must not decide or wait.

use std::os::fd::AsFd;
use std::time::Duration;

use epm_policy::{ChildBehaviour, Grant, RunAs, SignatureStatus};
use epm_proto::ids::SourceKey;
use epm_proto::v1::{self, record::Body};

use super::caller::Caller;
use super::ending::Ending;
use super::limits::MAX_RECORDED_ARGUMENTS;
use super::protocol::Ask;
use super::verdict::Verdict;
use super::visible::{visible, visible_arguments};
use crate::file_facts::Facts;
use crate::launch::Launch;
use crate::source::Observation;

/// What a shell answers for a program that it found and could not start.
const NOT_STARTED: i64 = 126;

/// Everything that is known when an elevation is settled.
#[derive(Debug)]
pub struct Settled<'a> {
    /// What was asked.
    pub ask: &'a Ask,
    /// By whom.
    pub caller: &'a Caller,
    /// What is to run.
    pub launch: &'a Launch,
    /// What was decided.
    pub verdict: &'a Verdict,
    /// The reason that the person gave.
    pub justification: Option<&'a str>,
    /// The person proved who it is.
    pub authenticated: bool,
    /// Working folder.
    pub folder: &'a str,
    /// Name of the terminal, or empty.
    pub terminal: &'a str,
    /// Name of the device.
    pub device_name: &'a str,
}

/// The record of a settled elevation.
#[must_use]
pub fn elevation(
    settled: &Settled<'_>,
    outcome: v1::Outcome,
    reason: &str,
    grant: Option<Grant>,
) -> v1::Elevation {
    let Settled {
        verdict, caller, ..
    } = settled;
    let managed = match verdict.elevation_type {
        v1::ElevationType::Unmanaged => v1::Management::Unmanaged,
        _ => v1::Management::Managed,
    };
    let reason = match &verdict.monitored {
        Some(monitored) if reason.is_empty() => monitored.clone(),
        Some(monitored) => format!("{reason}; {monitored}"),
        None => reason.to_owned(),
    };
    let run_as = match grant.map(|grant| grant.run_as) {
        Some(RunAs::VirtualAccount) => v1::RunAs::Root,
        Some(RunAs::CurrentUser) => v1::RunAs::CurrentUser,
        None => v1::RunAs::Unspecified,
    };
    v1::Elevation {
        outcome: outcome.into(),
        management: managed.into(),
        decision_source: verdict.source.into(),
        elevation_type: verdict.elevation_type.into(),
        trigger: v1::Trigger::RunWithElevatedAccess.into(),
        run_as: run_as.into(),
        sensor: v1::SensorKind::Broker.into(),
        account_class: match caller.is_person() {
            true => v1::AccountClass::Person,
            false => v1::AccountClass::Service,
        }
        .into(),
        result_code: None,
        duration_ms: None,
        reason,
        validated_justification: settled.justification.is_some(),
        validated_authentication: settled.authenticated,
        user: Some(user(settled, grant)),
        device: Some(v1::Device {
            device_name: settled.device_name.to_owned(),
            ..v1::Device::default()
        }),
        file: Some(file(settled)),
        process: Some(process(settled, grant)),
        policy: Some(verdict.policy.clone()),
        justification: settled.justification.map(visible).unwrap_or_default(),
        repeat_count: 1,
    }
}

fn user(settled: &Settled<'_>, grant: Option<Grant>) -> v1::User {
    let person = &settled.launch.person;
    let (name, id) = match grant.map(|grant| grant.run_as) {
        Some(RunAs::VirtualAccount) => ("root".to_owned(), "0".to_owned()),
        Some(RunAs::CurrentUser) => (person.name.clone(), person.id.to_string()),
        None => Default::default(),
    };
    v1::User {
        user_id: person.id.to_string(),
        user_name_raw: person.name.clone(),
        user_type: v1::UserType::Local.into(),
        is_local_admin: Some(person.local_administrator),
        target_user_name: name,
        target_user_id: id,
        ..v1::User::default()
    }
}

fn file(settled: &Settled<'_>) -> v1::File {
    let facts = &settled.launch.file;
    let policy = facts.as_policy();
    v1::File {
        path: visible(&facts.path.to_string_lossy()),
        file_name: visible(facts.file_name().unwrap_or_default()),
        sha256: policy
            .sha256
            .map(|hash| hash.0.to_vec())
            .unwrap_or_default(),
        size_bytes: facts.contents.size,
        product_name: policy.product_name.unwrap_or_default().to_owned(),
        internal_name: policy.internal_name.unwrap_or_default().to_owned(),
        file_description: policy.description.unwrap_or_default().to_owned(),
        arguments: visible_arguments(&settled.ask.arguments[1..], MAX_RECORDED_ARGUMENTS),
        path_writable_by_user: Some(settled.launch.changeable_by_user().is_some()),
        is_network_path: Some(policy.on_network),
        ..signed(facts)
    }
}

/// What only Windows programs say of themselves: of others nothing is claimed, because nobody signs them inside.
fn signed(facts: &Facts) -> v1::File {
    let Some(program) = facts.program() else {
        return v1::File::default();
    };
    let version = program.version.as_ref();
    let text = |name| version.and_then(|version| version.text(name));
    let text = |name| text(name).unwrap_or_default().to_owned();
    let mut file = v1::File {
        signature_status: signature_status(facts.signature_status()).into(),
        file_version: facts
            .version()
            .map(|version| version.to_string())
            .unwrap_or_default(),
        company_name: text("CompanyName"),
        original_file_name: text("OriginalFilename"),
        ..v1::File::default()
    };
    let signature = facts.signature();
    if let Some(signer) = signature.and_then(|signature| signature.signer.as_ref()) {
        file.publisher_subject = signer.subject.as_str().to_owned();
        file.certificate_issuer = signer.issuer.as_str().to_owned();
        file.certificate_thumbprint = signer
            .sha1
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        file.certificate_not_after_us = signer.not_after_s.saturating_mul(1_000_000);
    }
    file
}

fn signature_status(status: SignatureStatus) -> v1::SignatureStatus {
    match status {
        SignatureStatus::Valid => v1::SignatureStatus::Valid,
        SignatureStatus::Unsigned => v1::SignatureStatus::Unsigned,
        SignatureStatus::Invalid => v1::SignatureStatus::Invalid,
        SignatureStatus::Expired => v1::SignatureStatus::Expired,
        SignatureStatus::Revoked => v1::SignatureStatus::Revoked,
        SignatureStatus::Untrusted => v1::SignatureStatus::Untrusted,
        SignatureStatus::Unknown => v1::SignatureStatus::Unspecified,
    }
}

fn process(settled: &Settled<'_>, grant: Option<Grant>) -> v1::Process {
    let children = grant.map(|grant| match grant.children {
        ChildBehaviour::RequireRule => "require_rule",
        ChildBehaviour::DenyAll => "deny_all",
        ChildBehaviour::AllowAll => "allow_all",
    });
    let parent = settled.launch.parent_path.as_deref();
    v1::Process {
        process_type: v1::ProcessType::Parent.into(),
        parent_path: parent.map(visible).unwrap_or_default(),
        parent_pid: settled.caller.peer.pid as u64,
        child_policy: children.unwrap_or_default().to_owned(),
        working_directory: visible(settled.folder),
        terminal: settled.terminal.to_owned(),
        ..v1::Process::default()
    }
}

/// Which records make room first: what was refused or asked of support last, what runs by itself first.
#[must_use]
pub fn class(elevation: &v1::Elevation) -> v1::RecordClass {
    match (elevation.outcome(), elevation.elevation_type()) {
        (_, v1::ElevationType::Unmanaged) => v1::RecordClass::Unmanaged,
        (v1::Outcome::Elevated, v1::ElevationType::Automatic) => v1::RecordClass::ManagedAutomatic,
        (v1::Outcome::Elevated, v1::ElevationType::SupportApproved) => v1::RecordClass::Decision,
        (v1::Outcome::Elevated, _) => v1::RecordClass::ManagedConfirmed,
        _ => v1::RecordClass::Decision,
    }
}

/// The end of an elevation; without an ending, nobody saw it.
#[must_use]
pub fn exit(
    start: &Observation,
    key: SourceKey,
    ending: Option<(Ending, Duration)>,
    now_us: i64,
) -> Observation {
    let (result_code, signal) = match ending.map(|(ending, _)| ending) {
        Some(Ending::Exited(code)) => (Some(i64::from(code)), String::new()),
        Some(Ending::Killed { signal, .. }) => (None, signal_name(signal)),
        Some(Ending::NotStarted(_)) => (Some(NOT_STARTED), String::new()),
        None => (None, String::new()),
    };
    Observation {
        observed_at_us: now_us,
        source_key: Some(SourceKey::derive(&[key.as_bytes(), b"exit"])),
        class: start.class,
        body: Body::ElevationExit(v1::ElevationExit {
            start_key: key.as_bytes().to_vec(),
            start_observed_at_us: start.observed_at_us,
            result_code,
            duration_ms: ending.map(|(_, ran)| ran.as_millis() as u64),
            signal,
        }),
    }
}

/// As sudo writes it: without `SIG`, and a number where it has no name.
fn signal_name(signal: i32) -> String {
    let named = SIGNAL_NAMES.iter().find(|(number, _)| *number == signal);
    named.map_or_else(|| signal.to_string(), |(_, name)| (*name).to_owned())
}

/// Signals that end a process by default.
const SIGNAL_NAMES: [(i32, &str); 22] = [
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
];

/// Name of a terminal, or empty.
#[must_use]
pub fn terminal_name(terminal: Option<impl AsFd>) -> String {
    let name = terminal.and_then(|terminal| rustix::termios::ttyname(terminal, Vec::new()).ok());
    let name = name.map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    name.trim_start_matches("/dev/").to_owned()
}
