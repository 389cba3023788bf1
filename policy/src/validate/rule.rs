//! Mandatory combinations and limits of a rule. It must not look at another rule.

use std::collections::HashSet;

use super::problem::{Field, Problem as P};
use super::{At, text};
use crate::limits::{
    MAX_ARGUMENT_CHARS, MAX_ARGUMENTS, MAX_AUDIENCES, MAX_ID_CHARS, MAX_METADATA_CHARS,
};
use crate::model::{
    Certificate, CertificateType, Conditions, ElevationType, GroupId, Platform, Rule,
    SignatureSource, TimeWindow, Validation,
};

pub(super) fn check(at: &mut At<'_>, platform: Platform, rule: &Rule, groups: &HashSet<&GroupId>) {
    text::id(at, Field::Id, rule.id.as_str());
    text::name(at, &rule.name);
    text::description(at, &rule.description);
    if rule.validation != Validation::NONE && rule.elevation_type != ElevationType::UserConfirmed {
        at.found(Field::Validation, P::ValidationForType(rule.elevation_type));
    }
    let detection = &rule.detection;
    text::file_name(at, platform, &detection.file_name);
    if let Some(path) = &detection.file_path {
        text::path(at, Field::FilePath, platform, path);
    }
    signature(at, platform, &detection.signature, groups);
    text::metadata(
        at,
        Field::FileDescription,
        detection.file_description.as_ref(),
    );
    text::metadata(at, Field::ProductName, detection.product_name.as_ref());
    text::metadata(at, Field::InternalName, detection.internal_name.as_ref());
    identity(at, rule);
    if let Some(arguments) = &rule.allowed_arguments {
        allowed_arguments(at, arguments);
    }
    conditions(at, platform, &rule.conditions);
}

/// Hash and certificate by elevation type. Automatic: hash, and no wildcards. All others: one of the two.
fn identity(at: &mut At<'_>, rule: &Rule) {
    let detection = &rule.detection;
    let hashed = detection.file_hash.is_some();
    if rule.elevation_type == ElevationType::Automatic {
        if !hashed {
            at.found(Field::FileHash, P::AutomaticWithoutHash);
        }
        let path = detection.file_path.as_deref().unwrap_or_default();
        let patterns = [
            (Field::FileName, detection.file_name.as_str()),
            (Field::FilePath, path),
        ];
        for (field, pattern) in patterns {
            if text::wildcards(pattern) > 0 {
                at.found(field, P::WildcardInAutomatic);
            }
        }
    } else if !hashed && detection.signature == SignatureSource::NotConfigured {
        at.found(
            Field::FileHash,
            P::NeitherHashNorCertificate(rule.elevation_type),
        );
    }
}

fn signature(
    at: &mut At<'_>,
    platform: Platform,
    source: &SignatureSource,
    groups: &HashSet<&GroupId>,
) {
    match source {
        SignatureSource::Reusable {
            certificate_type,
            group,
        } => {
            match group {
                None => at.found(Field::Signature, P::NoGroup),
                Some(id) if !groups.contains(id) => {
                    at.found(Field::Signature, P::UnknownGroup(id.to_string()));
                }
                Some(_) => {}
            }
            chosen(at, certificate_type.as_ref());
        }
        SignatureSource::Uploaded {
            certificate_type,
            certificate: uploaded,
        } => {
            match uploaded {
                None => at.found(Field::Signature, P::NoCertificate),
                Some(uploaded) => certificate(at, uploaded),
            }
            chosen(at, certificate_type.as_ref());
        }
        SignatureSource::Package { name, .. } => {
            if platform == Platform::Windows {
                at.found(Field::Signature, P::PackageOnWindows);
            } else if name.is_empty() {
                at.found(Field::Signature, P::NoPackage);
            }
            text::at_most(at, Field::Signature, name, MAX_METADATA_CHARS);
        }
        SignatureSource::NotConfigured => {}
    }
}

fn chosen(at: &mut At<'_>, certificate_type: Option<&CertificateType>) {
    if certificate_type.is_none() {
        at.found(Field::Signature, P::NoCertificateType);
    }
}

pub(super) fn certificate(at: &mut At<'_>, certificate: &Certificate) {
    match (&certificate.thumbprint, &certificate.subject) {
        (None, None) => at.found(Field::Certificate, P::EmptyCertificate),
        (_, Some(subject)) => text::present(at, Field::Certificate, subject, MAX_METADATA_CHARS),
        (Some(_), None) => {}
    }
}

fn allowed_arguments(at: &mut At<'_>, arguments: &[String]) {
    const FIELD: Field = Field::AllowedArguments;
    at.at_most(FIELD, arguments.len(), MAX_ARGUMENTS);
    let mut seen = HashSet::new();
    for argument in arguments {
        if argument.is_empty() {
            at.found(FIELD, P::Missing);
        } else if !seen.insert(argument) {
            at.found(FIELD, P::Duplicate(argument.clone()));
        }
        text::at_most(at, FIELD, argument, MAX_ARGUMENT_CHARS);
    }
}

fn conditions(at: &mut At<'_>, platform: Platform, conditions: &Conditions) {
    if let Some(parent) = &conditions.parent_path {
        text::path(at, Field::ParentPath, platform, parent);
    }
    if let Some(window) = &conditions.time {
        time_window(at, window);
    }
    at.at_most(
        Field::DeviceGroups,
        conditions.device_groups.len(),
        MAX_AUDIENCES,
    );
    for group in &conditions.device_groups {
        text::present(at, Field::DeviceGroups, group.as_str(), MAX_ID_CHARS);
    }
}

fn time_window(at: &mut At<'_>, window: &TimeWindow) {
    const FIELD: Field = Field::Time;
    let from = window.from_minute.unwrap_or(0);
    let until = window.until_minute.unwrap_or(TimeWindow::DAY_END);
    if from >= TimeWindow::DAY_END {
        at.found(FIELD, P::MinuteOutOfDay(from));
    }
    if until > TimeWindow::DAY_END {
        at.found(FIELD, P::MinuteOutOfDay(until));
    }
    if from == until {
        at.found(FIELD, P::EmptyWindow);
    }
    if let (Some(from), Some(until)) = (window.not_before_s, window.expires_s)
        && from >= until
    {
        at.found(FIELD, P::ExpiresBeforeBegin);
    }
}
