//! What a record of an elevation, as Intune reports it, means: managed or not, by which decision, and whose it is. It
//! must not guess: a type that Intune does not explain stays undetermined.

use epm_proto::ids::SourceKey;
use epm_proto::v1;

use crate::source::{Observation, Reading, Verdict};

use super::super::digest;
use super::super::windows::account::Account;
use super::super::windows::{image, time};
use super::columns::{Column, Record};

/// Most characters of a justification; the product's own limit.
const JUSTIFICATION_CHARS: usize = 256;

/// What Intune calls the way in which a process was elevated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unmanaged,
    Automatic,
    UserConfirmed,
    CurrentUser,
    SupportApproved,
    Denied,
    Undetermined,
}

impl Kind {
    /// Reads the words of the exports (`UnmanagedElevation`) and of Graph (`unmanagedElevation`); any other is undetermined.
    pub(super) fn parse(text: &str) -> Self {
        let mut word: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        word.make_ascii_lowercase();
        match word.strip_suffix("elevation").unwrap_or(&word) {
            "unmanaged" => Kind::Unmanaged,
            "zerotouch" | "automatic" => Kind::Automatic,
            "userconfirmed" => Kind::UserConfirmed,
            "currentuser" | "elevateascurrentuser" => Kind::CurrentUser,
            "supportapproved" => Kind::SupportApproved,
            "denied" | "deny" => Kind::Denied,
            _ => Kind::Undetermined,
        }
    }

    fn elevation_type(self) -> v1::ElevationType {
        match self {
            Kind::Unmanaged => v1::ElevationType::Unmanaged,
            Kind::Automatic => v1::ElevationType::Automatic,
            Kind::UserConfirmed => v1::ElevationType::UserConfirmed,
            Kind::CurrentUser => v1::ElevationType::CurrentUser,
            Kind::SupportApproved => v1::ElevationType::SupportApproved,
            Kind::Denied => v1::ElevationType::Deny,
            Kind::Undetermined => v1::ElevationType::Undetermined,
        }
    }

    fn run_as(self) -> v1::RunAs {
        match self {
            Kind::Automatic | Kind::UserConfirmed | Kind::SupportApproved => {
                v1::RunAs::VirtualAccount
            }
            Kind::CurrentUser => v1::RunAs::CurrentUser,
            Kind::Unmanaged | Kind::Denied | Kind::Undetermined => v1::RunAs::Unspecified,
        }
    }
}

/// The reading of an elevation; why there is none otherwise. `principal` is the principal name that the user's other
/// name stands for, where that is known.
pub(super) fn read(record: &Record<'_>, principal: Option<&str>) -> Result<Reading, &'static str> {
    let id = record.text(Column::Id);
    if id.is_empty() {
        return Err("an Intune elevation without an Id");
    }
    let moment = moment(record).ok_or("an Intune elevation without a time")?;
    let kind = Kind::parse(record.text(Column::ElevationType));
    let verdict = match kind {
        Kind::Denied => Verdict::Denied,
        _ => Verdict::Elevated,
    };
    let id = id.to_ascii_lowercase();
    let key = SourceKey::derive(&[b"intune", b"elevation", id.as_bytes()]);
    let elevation = elevation(record, principal, kind);
    Ok(reading(verdict, moment, key, elevation))
}

/// When a record says that it happened: microseconds since 1970. The exports name no zone and mean UTC.
pub(super) fn moment(record: &Record<'_>) -> Option<i64> {
    let text = record.text(Column::EventDateTime);
    time::utc_us(text).or_else(|| time::zoneless_utc_us(text))
}

/// The reading that stores `elevation`.
pub(super) fn reading(
    verdict: Verdict,
    observed_at_us: i64,
    source_key: SourceKey,
    elevation: v1::Elevation,
) -> Reading {
    Reading {
        sensor: v1::SensorKind::Intune,
        verdict,
        account: elevation.account_class(),
        process: None,
        observation: Some(Observation {
            observed_at_us,
            source_key: Some(source_key),
            class: class(&elevation),
            body: v1::record::Body::Elevation(elevation),
        }),
    }
}

fn class(elevation: &v1::Elevation) -> v1::RecordClass {
    match (elevation.outcome(), elevation.elevation_type()) {
        (v1::Outcome::Denied, _) | (_, v1::ElevationType::SupportApproved) => {
            v1::RecordClass::Decision
        }
        (_, v1::ElevationType::Automatic) => v1::RecordClass::ManagedAutomatic,
        (_, v1::ElevationType::UserConfirmed | v1::ElevationType::CurrentUser) => {
            v1::RecordClass::ManagedConfirmed
        }
        _ => v1::RecordClass::Unmanaged,
    }
}

/// What every export says of an elevation, as far as it has the columns.
pub(super) fn elevation(record: &Record<'_>, principal: Option<&str>, kind: Kind) -> v1::Elevation {
    let outcome = match kind {
        Kind::Denied => v1::Outcome::Denied,
        _ => v1::Outcome::Elevated,
    };
    let system_initiated = flag(record.text(Column::IsSystemInitiated));
    let process_type = match record.text(Column::ProcessType) {
        text if text.eq_ignore_ascii_case("parent") => v1::ProcessType::Parent,
        text if text.eq_ignore_ascii_case("child") => v1::ProcessType::Child,
        _ => v1::ProcessType::Unspecified,
    };
    let justification = record.text(Column::Justification);
    v1::Elevation {
        outcome: outcome.into(),
        management: management(record, kind).into(),
        decision_source: decision_source(record, kind).into(),
        elevation_type: kind.elevation_type().into(),
        trigger: trigger(kind, process_type, system_initiated).into(),
        run_as: kind.run_as().into(),
        sensor: v1::SensorKind::Intune.into(),
        account_class: account_class(record).into(),
        result_code: record.text(Column::Result).parse().ok(),
        validated_justification: !justification.is_empty(),
        user: Some(user(record, principal)),
        device: Some(v1::Device {
            device_name: record.owned(Column::DeviceName),
            ..v1::Device::default()
        }),
        file: Some(file(record)),
        process: Some(v1::Process {
            process_type: process_type.into(),
            parent_path: record.owned(Column::ParentProcessName),
            system_initiated,
            ..v1::Process::default()
        }),
        policy: Some(v1::Policy {
            policy_id: record.owned(Column::PolicyId),
            policy_name: record.owned(Column::PolicyName),
            rule_id: record.owned(Column::RuleId),
            ..v1::Policy::default()
        }),
        justification: justification.chars().take(JUSTIFICATION_CHARS).collect(),
        repeat_count: 1,
        ..v1::Elevation::default()
    }
}

/// A type that is not explained is managed where a rule or policy decided, and unsaid otherwise.
fn management(record: &Record<'_>, kind: Kind) -> v1::Management {
    match kind {
        Kind::Unmanaged => v1::Management::Unmanaged,
        Kind::Undetermined if !has_rule(record) => v1::Management::Unspecified,
        _ => v1::Management::Managed,
    }
}

/// An elevation that a user confirmed without a rule came from the default response; nothing else has one that
/// elevates without an approval.
fn decision_source(record: &Record<'_>, kind: Kind) -> v1::DecisionSource {
    match kind {
        Kind::Unmanaged => v1::DecisionSource::None,
        Kind::SupportApproved => v1::DecisionSource::Approval,
        _ if has_rule(record) => v1::DecisionSource::Rule,
        Kind::UserConfirmed => v1::DecisionSource::DefaultResponse,
        _ => v1::DecisionSource::Unspecified,
    }
}

fn has_rule(record: &Record<'_>) -> bool {
    !record.text(Column::RuleId).is_empty() || !record.text(Column::PolicyId).is_empty()
}

/// An unmanaged elevation that the system did not start may be *Run as administrator* or a script: that is left unsaid.
fn trigger(
    kind: Kind,
    process_type: v1::ProcessType,
    system_initiated: Option<bool>,
) -> v1::Trigger {
    match kind {
        Kind::Unmanaged if system_initiated == Some(true) => v1::Trigger::System,
        Kind::Unmanaged | Kind::Denied | Kind::Undetermined => v1::Trigger::Unspecified,
        _ if process_type == v1::ProcessType::Child => v1::Trigger::Child,
        Kind::Automatic => v1::Trigger::Automatic,
        _ => v1::Trigger::RunWithElevatedAccess,
    }
}

fn account_class(record: &Record<'_>) -> v1::AccountClass {
    Account::from_qualified(record.text(Column::User), None).class()
}

fn user(record: &Record<'_>, principal: Option<&str>) -> v1::User {
    let raw = record.text(Column::User);
    let upn = principal.unwrap_or(if raw.contains('@') { raw } else { "" });
    let user_type = record.text(Column::UserType).to_ascii_lowercase();
    v1::User {
        upn: upn.to_owned(),
        user_name_raw: raw.to_owned(),
        user_type: match user_type.as_str() {
            "azuread" => v1::UserType::Directory,
            "hybrid" => v1::UserType::Hybrid,
            "local" => v1::UserType::Local,
            _ => v1::UserType::Unspecified,
        }
        .into(),
        ..v1::User::default()
    }
}

fn file(record: &Record<'_>) -> v1::File {
    let path = record.text(Column::FilePath);
    let name = match record.text(Column::FileName) {
        "" => image::file_name(path),
        name => image::file_name(name),
    };
    let hash = record.text(Column::Hash);
    let sha256 = digest::sha256(hash);
    v1::File {
        path: path.to_owned(),
        file_name: name.to_owned(),
        other_hashes: if sha256.is_none() { hash } else { "" }.to_owned(),
        sha256: sha256.unwrap_or_default(),
        product_name: record.owned(Column::ProductName),
        internal_name: record.owned(Column::InternalName),
        file_description: record.owned(Column::FileDescription),
        file_version: record.owned(Column::FileVersion),
        company_name: record.owned(Column::CompanyName),
        is_network_path: image::is_network_path(path),
        ..v1::File::default()
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        text if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        text if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        _ => None,
    }
}
