//! Whether a rule knows a launch, attribute by attribute. Every attribute that is present must match, and an unknown fact
//! matches nothing. It must not weigh one rule against another.

use crate::decision::{MissReason, RuleAttribute};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{
    Assignment, Audience, Certificate, CertificateGroup, CertificateType, Conditions, Detection,
    GroupId, Platform, Policies, Rule, RulesPolicy, SignatureSource,
};
use crate::paths::{SplitPath, split};
use crate::pattern::Pattern;
use crate::precedence::Target;
use crate::request::{CertificateFacts, Request, SignatureStatus};

/// A launch as rules are compared with it: names folded, the path taken apart.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) path: SplitPath<'a>,
    /// The parent's path, folded; `None` where it is unknown or not in the plainest form.
    pub(crate) parent: Option<String>,
}

impl<'a> Subject<'a> {
    /// `path` is the request's, taken apart.
    pub(crate) fn new(request: &'a Request<'a>, path: SplitPath<'a>) -> Self {
        let parent = request.parent_path.and_then(|path| {
            let SplitPath { folder, name } = split(request.platform, path).ok()?;
            Some(folder.into_owned() + &name)
        });
        Self {
            request,
            path,
            parent,
        }
    }
}

/// What is compared beside plain texts: patterns read, the reusable group looked up.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) name: Pattern,
    pub(crate) folder: Option<Pattern>,
    pub(crate) signature: Option<Signer>,
    pub(crate) parent: Option<Pattern>,
}

/// Whose signature a file must have.
#[derive(Debug)]
pub(crate) enum Signer {
    Certificate(CertificateType, Arc<Certificate>),
    Package {
        name: String,
        origin: Option<String>,
    },
}

/// Reusable certificates by the group that rules refer to.
pub(crate) type Certificates = FxHashMap<GroupId, Arc<Certificate>>;

/// The reusable certificates of a set.
pub(crate) fn certificates(policies: &Policies) -> Certificates {
    let groups = policies.certificate_groups.iter();
    let entry = |group: &CertificateGroup| (group.id.clone(), Arc::new(group.certificate.clone()));
    groups.map(entry).collect()
}

impl Signer {
    /// What a valid rule's source stands for. `None`: the signature does not matter.
    pub(crate) fn of(source: &SignatureSource, groups: &Certificates) -> Option<Self> {
        match source {
            SignatureSource::Reusable {
                certificate_type: Some(kind),
                group: Some(id),
            } => Some(Self::Certificate(*kind, Arc::clone(groups.get(id)?))),
            SignatureSource::Uploaded {
                certificate_type: Some(kind),
                certificate: Some(certificate),
            } => Some(Self::Certificate(*kind, Arc::new(certificate.clone()))),
            SignatureSource::Package { name, origin } => Some(Self::Package {
                name: name.clone(),
                origin: origin.clone(),
            }),
            _ => None,
        }
    }
}

/// How near a rule came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every attribute matched.
    Match(Target),
    /// Exactly this one failed.
    Near(RuleAttribute, MissReason),
    /// More failed, or the rule is about another file.
    Far,
}

impl Matcher {
    pub(crate) fn new(platform: Platform, rule: &Rule, groups: &Certificates) -> Self {
        let Detection {
            file_name,
            file_path,
            signature,
            ..
        } = &rule.detection;
        let parent = rule.conditions.parent_path.as_deref();
        Self {
            name: Pattern::name(platform, file_name),
            folder: file_path
                .as_deref()
                .map(|path| Pattern::folder(platform, path)),
            signature: Signer::of(signature, groups),
            parent: parent.map(|path| Pattern::full_path(platform, path)),
        }
    }

    /// Compares until a second attribute fails. A rule that is not about this file, because neither its name nor its
    /// hash matches, is far: otherwise each rule for a publisher were near each of the publisher's files.
    pub(crate) fn judge(
        &self,
        policy: &RulesPolicy,
        rule: &Rule,
        subject: &Subject<'_>,
    ) -> Verdict {
        if policy.platform != subject.request.platform {
            return Verdict::Far;
        }
        let mut missed: Option<(RuleAttribute, MissReason)> = None;
        for attribute in RuleAttribute::ALL {
            if let Err(reason) = self.check(*attribute, policy, rule, subject) {
                if missed.is_some() {
                    return Verdict::Far;
                }
                missed = Some((*attribute, reason));
            }
        }
        match missed {
            Some((RuleAttribute::FileName, _)) if rule.detection.file_hash.is_none() => {
                Verdict::Far
            }
            Some((attribute, reason)) => Verdict::Near(attribute, reason),
            None => reach(&policy.assignment, subject.request).map_or(Verdict::Far, Verdict::Match),
        }
    }

    /// Whether one attribute matches; one that the rule does not define does.
    fn check(
        &self,
        attribute: RuleAttribute,
        policy: &RulesPolicy,
        rule: &Rule,
        subject: &Subject<'_>,
    ) -> Result<(), MissReason> {
        let request = subject.request;
        let file = &request.file;
        let detection = &rule.detection;
        match attribute {
            RuleAttribute::Assignment => same(reach(&policy.assignment, request).is_some()),
            RuleAttribute::FileName => same(self.name.fits(&subject.path.name, request.variables)),
            RuleAttribute::FilePath => self.folder.as_ref().map_or(Ok(()), |folder| {
                same(folder.fits(&subject.path.folder, request.variables))
            }),
            RuleAttribute::FileHash => equal(detection.file_hash.as_ref(), file.sha256.as_ref()),
            RuleAttribute::Signature => self
                .signature
                .as_ref()
                .map_or(Ok(()), |signer| signed_by(signer, request)),
            RuleAttribute::MinimumVersion => match (detection.minimum_version, file.version) {
                (None, _) => Ok(()),
                (Some(_), None) => Err(MissReason::Unknown),
                (Some(least), Some(version)) => same(version >= least),
            },
            RuleAttribute::FileDescription => {
                equal(detection.file_description.as_deref(), file.description)
            }
            RuleAttribute::ProductName => {
                equal(detection.product_name.as_deref(), file.product_name)
            }
            RuleAttribute::InternalName => {
                equal(detection.internal_name.as_deref(), file.internal_name)
            }
            RuleAttribute::ParentPath => match (&self.parent, &subject.parent) {
                (None, _) => Ok(()),
                (Some(_), None) => Err(MissReason::Unknown),
                (Some(pattern), Some(path)) => same(pattern.fits(path, request.variables)),
            },
            RuleAttribute::Time => match (&rule.conditions.time, &request.moment) {
                (None, _) => Ok(()),
                (Some(_), None) => Err(MissReason::Unknown),
                (Some(window), Some(moment)) => same(window.holds(moment)),
            },
            RuleAttribute::DeviceGroups => in_device_groups(&rule.conditions, request),
        }
    }
}

/// By what a policy reaches a launch; `None`: not at all.
pub(crate) fn reach(assignment: &Assignment, request: &Request<'_>) -> Option<Target> {
    let fits = |audience: &Audience| fits(audience, request);
    if assignment.exclude.iter().any(|a| fits(a).is_some()) {
        return None;
    }
    assignment.include.iter().filter_map(fits).min()
}

fn fits(audience: &Audience, request: &Request<'_>) -> Option<Target> {
    let (user, device) = (&request.user, &request.device);
    let (target, fits) = match audience {
        Audience::AllUsers => (Target::User, true),
        Audience::User(id) => (Target::User, user.id == Some(id)),
        Audience::UserGroup(id) => (Target::User, user.groups.contains(id)),
        Audience::AllDevices => (Target::Device, true),
        Audience::Device(id) => (Target::Device, device.id == Some(id)),
        Audience::DeviceGroup(id) => (Target::Device, device.groups.contains(id)),
    };
    fits.then_some(target)
}

fn signed_by(signer: &Signer, request: &Request<'_>) -> Result<(), MissReason> {
    let file = &request.file;
    match signer {
        Signer::Certificate(kind, certificate) => {
            match file.signature.status {
                SignatureStatus::Valid => {}
                SignatureStatus::Unknown => return Err(MissReason::Unknown),
                _ => return Err(MissReason::Different),
            }
            let facts = match kind {
                CertificateType::Publisher => &file.signature.publisher,
                CertificateType::IssuingAuthority => &file.signature.issuing_authority,
            };
            is_certificate(certificate, facts)
        }
        Signer::Package { name, origin } => {
            let Some(package) = &file.package else {
                return Err(MissReason::Unknown);
            };
            equal(Some(name.as_str()), Some(package.name))?;
            equal(origin.as_deref(), package.origin)
        }
    }
}

fn is_certificate(
    certificate: &Certificate,
    facts: &CertificateFacts<'_>,
) -> Result<(), MissReason> {
    equal(certificate.subject.as_deref(), facts.subject)?;
    match &certificate.thumbprint {
        Some(_) if facts.sha1.is_none() && facts.sha256.is_none() => Err(MissReason::Unknown),
        Some(thumbprint) => same(facts.has(thumbprint)),
        None => Ok(()),
    }
}

fn in_device_groups(conditions: &Conditions, request: &Request<'_>) -> Result<(), MissReason> {
    let groups = &conditions.device_groups;
    let member = |group| request.device.groups.contains(group);
    same(groups.is_empty() || groups.iter().any(member))
}

fn same(same: bool) -> Result<(), MissReason> {
    if same {
        Ok(())
    } else {
        Err(MissReason::Different)
    }
}

/// What the rule asks for against what is known.
fn equal<T: PartialEq>(asked: Option<T>, known: Option<T>) -> Result<(), MissReason> {
    match (asked, known) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(MissReason::Unknown),
        (Some(asked), Some(known)) => same(asked == known),
    }
}
