//! Whether one rule knows a launch: a list of what failed, found by looking at everything. It must not stop early or
//! prepare anything.

use crate::decision::{MissReason, RuleAttribute};
use crate::model::{
    Assignment, Audience, Certificate, CertificateType, Platform, Policies, Rule, RulesPolicy,
    SignatureSource,
};
use crate::paths::{BadPath, fold, split};
use crate::precedence::Target;
use crate::request::{CertificateFacts, Request, SignatureStatus};

/// A launch with its path taken apart.
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request<'a>,
    name: String,
    folder: String,
    parent: Option<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Result<Self, BadPath> {
        let path = split(request.platform, request.file.path)?;
        let parent = request.parent_path;
        let parent = parent.filter(|path| split(request.platform, path).is_ok());
        Ok(Self {
            request,
            name: path.name.into_owned(),
            folder: path.folder.into_owned(),
            parent: parent.map(|path| fold(request.platform, path).into_owned()),
        })
    }
}

/// By what a policy reaches a launch.
pub(super) fn reached_by(assignment: &Assignment, request: &Request<'_>) -> Option<Target> {
    let user = |audience: &Audience| match audience {
        Audience::AllUsers => true,
        Audience::User(id) => request.user.id.is_some_and(|user| user == id),
        Audience::UserGroup(id) => request.user.groups.iter().any(|group| group == id),
        _ => false,
    };
    let device = |audience: &Audience| match audience {
        Audience::AllDevices => true,
        Audience::Device(id) => request.device.id.is_some_and(|device| device == id),
        Audience::DeviceGroup(id) => request.device.groups.iter().any(|group| group == id),
        _ => false,
    };
    let excluded = assignment.exclude.iter();
    if excluded.clone().any(user) || excluded.clone().any(device) {
        None
    } else if assignment.include.iter().any(user) {
        Some(Target::User)
    } else if assignment.include.iter().any(device) {
        Some(Target::Device)
    } else {
        None
    }
}

/// Every attribute that failed, with how.
pub(super) fn failures(
    policies: &Policies,
    policy: &RulesPolicy,
    rule: &Rule,
    facts: &Facts<'_>,
) -> Vec<(RuleAttribute, MissReason)> {
    let request = facts.request;
    let file = &request.file;
    let detection = &rule.detection;
    let mut failures = Vec::new();
    let mut note = |attribute, holds: Option<bool>| match holds {
        Some(true) => {}
        Some(false) => failures.push((attribute, MissReason::Different)),
        None => failures.push((attribute, MissReason::Unknown)),
    };
    note(
        RuleAttribute::Assignment,
        Some(reached_by(&policy.assignment, request).is_some()),
    );
    note(
        RuleAttribute::FileName,
        Some(glob(
            &tokens(facts, &detection.file_name, false),
            &facts.name,
        )),
    );
    if let Some(path) = &detection.file_path {
        let separator = if policy.platform == Platform::Windows {
            "\\"
        } else {
            "/"
        };
        let open = path.ends_with('*') || path.ends_with(separator);
        let whole = if open {
            path.clone()
        } else {
            format!("{path}{separator}")
        };
        note(
            RuleAttribute::FilePath,
            Some(glob(&tokens(facts, &whole, true), &facts.folder)),
        );
    }
    if let Some(hash) = detection.file_hash {
        note(
            RuleAttribute::FileHash,
            file.sha256.map(|known| known == hash),
        );
    }
    note(
        RuleAttribute::Signature,
        signature(policies, &detection.signature, request),
    );
    failures.extend(failed_metadata(rule, facts));
    failures.extend(failed_conditions(rule, facts));
    failures
}

fn failed_metadata(rule: &Rule, facts: &Facts<'_>) -> Vec<(RuleAttribute, MissReason)> {
    let detection = &rule.detection;
    let file = &facts.request.file;
    let mut failures = Vec::new();
    let mut note = |attribute, holds: Option<bool>| match holds {
        Some(true) => {}
        Some(false) => failures.push((attribute, MissReason::Different)),
        None => failures.push((attribute, MissReason::Unknown)),
    };
    if let Some(least) = detection.minimum_version {
        note(
            RuleAttribute::MinimumVersion,
            file.version.map(|version| version >= least),
        );
    }
    let texts = [
        (
            RuleAttribute::FileDescription,
            &detection.file_description,
            file.description,
        ),
        (
            RuleAttribute::ProductName,
            &detection.product_name,
            file.product_name,
        ),
        (
            RuleAttribute::InternalName,
            &detection.internal_name,
            file.internal_name,
        ),
    ];
    for (attribute, asked, known) in texts {
        if let Some(asked) = asked {
            note(attribute, known.map(|known| known == asked));
        }
    }
    failures
}

fn failed_conditions(rule: &Rule, facts: &Facts<'_>) -> Vec<(RuleAttribute, MissReason)> {
    let request = facts.request;
    let mut failures = Vec::new();
    let mut note = |attribute, holds: Option<bool>| match holds {
        Some(true) => {}
        Some(false) => failures.push((attribute, MissReason::Different)),
        None => failures.push((attribute, MissReason::Unknown)),
    };
    if let Some(parent) = &rule.conditions.parent_path {
        let pattern = tokens(facts, parent, true);
        note(
            RuleAttribute::ParentPath,
            facts.parent.as_ref().map(|path| glob(&pattern, path)),
        );
    }
    if let Some(window) = &rule.conditions.time {
        note(
            RuleAttribute::Time,
            request.moment.map(|moment| window.holds(&moment)),
        );
    }
    if !rule.conditions.device_groups.is_empty() {
        let mut groups = rule.conditions.device_groups.iter();
        let member = groups.any(|group| request.device.groups.contains(group));
        note(RuleAttribute::DeviceGroups, Some(member));
    }
    failures
}

fn signature(policies: &Policies, source: &SignatureSource, request: &Request<'_>) -> Option<bool> {
    let file = &request.file;
    let (kind, certificate) = match source {
        SignatureSource::NotConfigured => return Some(true),
        SignatureSource::Package { name, origin } => {
            let package = file.package?;
            if package.name != name {
                return Some(false);
            }
            let Some(origin) = origin else {
                return Some(true);
            };
            return package.origin.map(|known| known == origin);
        }
        SignatureSource::Uploaded {
            certificate_type,
            certificate,
        } => (certificate_type.as_ref()?, certificate.as_ref()?),
        SignatureSource::Reusable {
            certificate_type,
            group,
        } => {
            let mut groups = policies.certificate_groups.iter();
            let group = groups.find(|known| Some(&known.id) == group.as_ref())?;
            (certificate_type.as_ref()?, &group.certificate)
        }
    };
    match file.signature.status {
        SignatureStatus::Unknown => return None,
        SignatureStatus::Valid => {}
        _ => return Some(false),
    }
    match kind {
        CertificateType::Publisher => same_certificate(certificate, &file.signature.publisher),
        CertificateType::IssuingAuthority => {
            same_certificate(certificate, &file.signature.issuing_authority)
        }
    }
}

fn same_certificate(asked: &Certificate, known: &CertificateFacts<'_>) -> Option<bool> {
    if let Some(subject) = &asked.subject
        && known.subject? != subject
    {
        return Some(false);
    }
    if let Some(thumbprint) = &asked.thumbprint {
        if known.sha1.is_none() && known.sha256.is_none() {
            return None;
        }
        return Some(known.has(thumbprint));
    }
    Some(true)
}

#[derive(Clone, PartialEq)]
enum Token {
    Char(char),
    One,
    Run,
    /// Stands for a variable that is not known.
    Never,
}

/// A pattern as single tokens, variables replaced.
fn tokens(facts: &Facts<'_>, text: &str, variables: bool) -> Vec<Token> {
    let folded = fold(facts.request.platform, text).into_owned();
    let mut tokens = Vec::new();
    let mut rest = folded.as_str();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => tokens.push(Token::Run),
            '?' => tokens.push(Token::One),
            '%' if variables => {
                let (name, after) = rest.split_once('%').unwrap_or((rest, ""));
                rest = after;
                match facts.request.variables.get(&name.to_uppercase()) {
                    Some(value) => tokens.extend(value.chars().map(Token::Char)),
                    None => tokens.push(Token::Never),
                }
            }
            other => tokens.push(Token::Char(other)),
        }
    }
    tokens
}

fn glob(pattern: &[Token], text: &str) -> bool {
    let first = text.chars().next();
    match (pattern, first) {
        ([], None) => true,
        ([Token::Run, rest @ ..], None) => glob(rest, text),
        ([Token::Run, rest @ ..], Some(c)) => {
            glob(rest, text) || glob(pattern, &text[c.len_utf8()..])
        }
        ([Token::One, rest @ ..], Some(c)) => glob(rest, &text[c.len_utf8()..]),
        ([Token::Char(asked), rest @ ..], Some(c)) => {
            c == *asked && glob(rest, &text[c.len_utf8()..])
        }
        _ => false,
    }
}
