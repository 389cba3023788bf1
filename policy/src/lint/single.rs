//! What can be said of a rule or a settings policy by itself.

use super::interpreters::powerful;
use super::places::{Writable, writable_by_users};
use super::{Check, Finding, Severity};
use crate::limits::EXPIRING_DAYS;
use crate::matching::{Certificates, Signer};
use crate::model::{
    Certificate, CertificateType, ChildBehaviour, DefaultResponse, ElevationType, Policies, Rule,
    RulesPolicy, SignatureSource, Validation,
};
use crate::strength::{Strength, anything};
use crate::validate::Place;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

pub(super) fn settings(policies: &Policies, findings: &mut Vec<Finding>) {
    for (number, policy) in policies.settings.iter().enumerate() {
        let mut found = |check, reason: &str| {
            findings.push(Finding {
                place: Place::Settings {
                    number,
                    id: policy.id.to_string(),
                },
                check,
                severity: Severity::Warning,
                reason: reason.to_owned(),
                other: None,
            });
        };
        let confirms = policy.default_response == Some(DefaultResponse::UserConfirmation);
        if confirms && policy.default_validation.unwrap_or_default() == Validation::NONE {
            found(
                Check::OneClickDefault,
                "without a rule, one click elevates any file",
            );
        }
        if policy.assignment.include.is_empty() {
            found(Check::Unassigned, UNASSIGNED);
        }
    }
}

const UNASSIGNED: &str = "the policy is assigned to nobody, so it applies nowhere";

pub(super) fn rules(policies: &Policies, now_s: i64, findings: &mut Vec<Finding>) {
    let certificates = Certificates::of(policies);
    for (policy_number, policy) in policies.rules.iter().enumerate() {
        if policy.assignment.include.is_empty() {
            findings.push(Finding {
                place: Place::RulesPolicy {
                    number: policy_number,
                    id: policy.id.to_string(),
                },
                check: Check::Unassigned,
                severity: Severity::Warning,
                reason: UNASSIGNED.to_owned(),
                other: None,
            });
        }
        for (number, rule) in policy.rules.iter().enumerate() {
            let mut subject = Subject {
                policy_number,
                policy,
                rule,
                number,
                findings,
            };
            subject.wildcards();
            subject.certificate(&certificates, now_s);
            subject.without_effect();
            // A deny rule that is broad denies more; that is not a weakness.
            if rule.elevation_type != ElevationType::Deny {
                subject.identity();
                subject.place();
                subject.power();
            }
        }
    }
}

pub(super) fn place(policy_number: usize, policy: &RulesPolicy, number: usize) -> Place {
    Place::Rule {
        policy_number,
        policy: policy.id.to_string(),
        number,
        id: policy.rules[number].id.to_string(),
    }
}

struct Subject<'p, 'f> {
    policy_number: usize,
    policy: &'p RulesPolicy,
    rule: &'p Rule,
    number: usize,
    findings: &'f mut Vec<Finding>,
}

impl Subject<'_, '_> {
    fn found(&mut self, check: Check, severity: Severity, reason: impl Into<String>) {
        self.findings.push(Finding {
            place: place(self.policy_number, self.policy, self.number),
            check,
            severity,
            reason: reason.into(),
            other: None,
        });
    }

    /// Name only, and broad publisher: a rule has one of them at most.
    fn identity(&mut self) {
        let detection = &self.rule.detection;
        let platform = self.policy.platform;
        let strength = Strength::of(platform, self.rule);
        let authority = matches!(
            detection.signature,
            SignatureSource::Reusable {
                certificate_type: Some(CertificateType::IssuingAuthority),
                ..
            } | SignatureSource::Uploaded {
                certificate_type: Some(CertificateType::IssuingAuthority),
                ..
            }
        );
        let any_name = anything(platform, &detection.file_name);
        match strength {
            Strength::NameOnly => self.found(
                Check::NameOnly,
                Severity::Error,
                "the file is known by its name alone, which anybody can give to any file",
            ),
            Strength::SignatureAndName if authority => self.found(
                Check::BroadPublisher,
                Severity::Error,
                "every file of every publisher that this authority certifies passes under this name",
            ),
            Strength::SignatureAndName if any_name => self.found(
                Check::BroadPublisher,
                Severity::Error,
                "every file with this signature passes",
            ),
            Strength::SignatureAndName => self.found(
                Check::NameOnly,
                Severity::Warning,
                "the signature does not cover the file's name: any file of the publisher passes once it is renamed",
            ),
            Strength::SignatureAndMetadata | Strength::SignatureMetadataAndProtectedPath
                if authority && any_name =>
            {
                self.found(
                    Check::BroadPublisher,
                    Severity::Warning,
                    "other publishers that this authority certifies may use the same texts",
                );
            }
            _ => {}
        }
    }

    /// A path matters most where nobody is asked and where other files may stand beside the one that is meant.
    fn place(&mut self) {
        let detection = &self.rule.detection;
        let automatic = self.rule.elevation_type == ElevationType::Automatic;
        let loose = detection.file_hash.is_none();
        let packaged = matches!(detection.signature, SignatureSource::Package { .. });
        match detection.file_path.as_deref() {
            // A package's files lie where the package says.
            None if packaged => {}
            None if automatic || loose => self.found(
                Check::UserWritablePath,
                Severity::Warning,
                "no folder is named, so the file may lie, with files that it loads, where users can write",
            ),
            None => self.found(
                Check::UserWritablePath,
                Severity::Note,
                "no folder is named, so files that the program loads may lie where users can write",
            ),
            Some(path) => match writable_by_users(self.policy.platform, path) {
                Writable::No => {}
                Writable::Unknown => self.found(
                    Check::UserWritablePath,
                    Severity::Note,
                    format!("whether users can write to {path:?} depends on how it was made"),
                ),
                Writable::Yes => {
                    let severity = match automatic || loose {
                        true => Severity::Error,
                        false => Severity::Warning,
                    };
                    self.found(
                        Check::UserWritablePath,
                        severity,
                        format!("users can write to {path:?} or to a part of it"),
                    );
                }
            },
        }
    }

    /// Interpreters, and children.
    fn power(&mut self) {
        let all_children = self.rule.child_behaviour == ChildBehaviour::AllowAll;
        let automatic = self.rule.elevation_type == ElevationType::Automatic;
        if let Some((name, power)) = powerful(self.policy.platform, &self.rule.detection.file_name)
        {
            let severity = match all_children || automatic {
                true => Severity::Error,
                false => Severity::Warning,
            };
            self.found(
                Check::Interpreter,
                severity,
                format!("{name} {}", power.sentence()),
            );
        }
        if all_children {
            self.found(
                Check::AllowAllChildren,
                Severity::Warning,
                "whatever the program starts is elevated, and deny rules are not looked at",
            );
        }
    }

    fn wildcards(&mut self) {
        let detection = &self.rule.detection;
        if detection.file_hash.is_some() && detection.file_name.contains(['?', '*']) {
            self.found(
                Check::RedundantWildcard,
                Severity::Note,
                "the hash names one file, so the wildcard in its name only hides which",
            );
        }
        let path = detection.file_path.as_deref().unwrap_or_default();
        for text in [&detection.file_name, path] {
            if text.contains("**") {
                self.found(
                    Check::RedundantWildcard,
                    Severity::Note,
                    format!("{text:?} has two runs of anything in a row, which are one"),
                );
            }
        }
        if path.trim_end_matches(['\\', '/']) == "*" {
            self.found(
                Check::RedundantWildcard,
                Severity::Note,
                "the folder is any folder, as it is without one",
            );
        }
    }

    fn certificate(&mut self, certificates: &Certificates, now_s: i64) {
        let signer = Signer::of(&self.rule.detection.signature, certificates);
        let Some(Signer::Certificate(_, certificate)) = signer else {
            return;
        };
        let Certificate {
            not_after_s: Some(end_s),
            ..
        } = *certificate
        else {
            return;
        };
        let days = end_s.saturating_sub(now_s).div_euclid(SECONDS_PER_DAY);
        if end_s <= now_s {
            self.found(
                Check::ExpiredCertificate,
                Severity::Error,
                "the certificate has expired, so files that are signed with it are no longer known",
            );
        } else if days < EXPIRING_DAYS {
            self.found(
                Check::ExpiringCertificate,
                Severity::Warning,
                format!("the certificate expires in {days} days, and the rule then stops working"),
            );
        }
    }

    fn without_effect(&mut self) {
        let rule = self.rule;
        if rule.elevation_type != ElevationType::Deny {
            return;
        }
        if rule.child_behaviour != ChildBehaviour::default() {
            self.found(
                Check::WithoutEffect,
                Severity::Note,
                "a deny rule starts nothing, so what children may do is ignored",
            );
        }
        if rule.allowed_arguments.is_some() {
            self.found(
                Check::WithoutEffect,
                Severity::Note,
                "a deny rule denies whatever the arguments are",
            );
        }
    }
}
