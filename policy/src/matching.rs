//! Whether a rule knows a launch, attribute by attribute. Every attribute that is present must match, and an unknown fact
//! matches nothing. It must not weigh one rule against another.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::decision::{MissReason, RuleAttribute};
use crate::model::{
    Assignment, Audience, Certificate, CertificateType, ChildBehaviour, Conditions, ElevationType,
    FileVersion, GroupId, Platform, Policies, Rule, RulesPolicy, Sha256, SignatureSource,
    Validation,
};
use crate::paths::{SplitPath, fold, split};
use crate::pattern::Pattern;
use crate::precedence::{Standing, Target, attribute_count};
use crate::request::{CertificateFacts, DeviceFacts, Request, SignatureStatus, UserFacts};

/// A launch as rules are compared with it: names folded, the path taken apart.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) path: SplitPath<'a>,
    /// The parent's path, folded; `None` where it is unknown or not in the plainest form.
    pub(crate) parent: Option<Cow<'a, str>>,
}

impl<'a> Subject<'a> {
    /// `path` is the request's, taken apart.
    pub(crate) fn new(request: &'a Request<'a>, path: SplitPath<'a>) -> Self {
        let plain = |path: &&str| split(request.platform, path).is_ok();
        let parent = request.parent_path.filter(plain);
        let parent = parent.map(|path| fold(request.platform, path));
        Self {
            request,
            path,
            parent,
        }
    }
}

/// What a rule says once it has won.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Action {
    pub(crate) elevation_type: ElevationType,
    pub(crate) validation: Validation,
    pub(crate) children: ChildBehaviour,
    /// The rule lists arguments.
    pub(crate) lists_arguments: bool,
}

/// A rule as it is compared. What precedence and most comparisons need lies here, close together: of many rules, the
/// parts that lie elsewhere are seldom in the processor's caches.
#[derive(Debug)]
pub(crate) struct Matcher {
    /// A bit for each place of [`CHECKED`] whose attribute the rule defines.
    defined: u16,
    platform: Platform,
    attributes: u8,
    pub(crate) action: Action,
    /// The rule or its policy only reports.
    pub(crate) report_only: bool,
    hash: Option<Sha256>,
    minimum_version: Option<FileVersion>,
    pub(crate) name: Pattern,
    pub(crate) folder: Option<Pattern>,
    pub(crate) signature: Option<Signer>,
    pub(crate) parent: Option<Pattern>,
}

/// The order in which attributes are compared: what lies nearest and fails most first. The verdict does not depend on it.
const CHECKED: [RuleAttribute; 12] = [
    RuleAttribute::FileHash,
    RuleAttribute::MinimumVersion,
    RuleAttribute::FileName,
    RuleAttribute::FilePath,
    RuleAttribute::Signature,
    RuleAttribute::Assignment,
    RuleAttribute::ProductName,
    RuleAttribute::InternalName,
    RuleAttribute::FileDescription,
    RuleAttribute::ParentPath,
    RuleAttribute::Time,
    RuleAttribute::DeviceGroups,
];

/// Whether a rule says anything about an attribute.
fn defines(rule: &Rule, attribute: RuleAttribute) -> bool {
    let (detection, conditions) = (&rule.detection, &rule.conditions);
    match attribute {
        RuleAttribute::FileName | RuleAttribute::Assignment => true,
        RuleAttribute::FilePath => detection.file_path.is_some(),
        RuleAttribute::FileHash => detection.file_hash.is_some(),
        RuleAttribute::Signature => detection.signature != SignatureSource::NotConfigured,
        RuleAttribute::MinimumVersion => detection.minimum_version.is_some(),
        RuleAttribute::FileDescription => detection.file_description.is_some(),
        RuleAttribute::ProductName => detection.product_name.is_some(),
        RuleAttribute::InternalName => detection.internal_name.is_some(),
        RuleAttribute::ParentPath => conditions.parent_path.is_some(),
        RuleAttribute::Time => conditions.time.is_some(),
        RuleAttribute::DeviceGroups => !conditions.device_groups.is_empty(),
    }
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

/// The certificates of a set, each once: many rules know their files by the same few publishers.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// Reusable ones by the group that rules refer to.
    groups: FxHashMap<GroupId, Arc<Certificate>>,
    every: FxHashSet<Arc<Certificate>>,
}

impl Certificates {
    pub(crate) fn of(policies: &Policies) -> Self {
        let mut every = FxHashSet::default();
        let mut once = |certificate: &Certificate| {
            if let Some(known) = every.get(certificate) {
                return Arc::clone(known);
            }
            let shared = Arc::new(certificate.clone());
            every.insert(Arc::clone(&shared));
            shared
        };
        let groups = policies.certificate_groups.iter();
        let groups = groups.map(|group| (group.id.clone(), once(&group.certificate)));
        let groups = groups.collect();
        for rule in policies.rules.iter().flat_map(|policy| &policy.rules) {
            if let SignatureSource::Uploaded {
                certificate: Some(certificate),
                ..
            } = &rule.detection.signature
            {
                once(certificate);
            }
        }
        Self { groups, every }
    }
}

impl Signer {
    /// What a valid rule's source stands for. `None`: the signature does not matter.
    pub(crate) fn of(source: &SignatureSource, certificates: &Certificates) -> Option<Self> {
        match source {
            SignatureSource::Reusable {
                certificate_type: Some(kind),
                group: Some(id),
            } => Some(Self::Certificate(
                *kind,
                Arc::clone(certificates.groups.get(id)?),
            )),
            SignatureSource::Uploaded {
                certificate_type: Some(kind),
                certificate: Some(certificate),
            } => Some(Self::Certificate(
                *kind,
                Arc::clone(certificates.every.get(certificate)?),
            )),
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
    pub(crate) fn new(policy: &RulesPolicy, rule: &Rule, certificates: &Certificates) -> Self {
        let platform = policy.platform;
        let detection = &rule.detection;
        let path = detection.file_path.as_deref();
        let parent = rule.conditions.parent_path.as_deref();
        let bit = |(place, attribute)| u16::from(defines(rule, attribute)) << place;
        Self {
            defined: CHECKED.into_iter().enumerate().map(bit).sum(),
            platform,
            attributes: attribute_count(rule),
            action: Action {
                elevation_type: rule.elevation_type,
                validation: rule.validation,
                children: rule.child_behaviour,
                lists_arguments: rule.allowed_arguments.is_some(),
            },
            report_only: policy.report_only || rule.report_only,
            hash: detection.file_hash,
            minimum_version: detection.minimum_version,
            name: Pattern::name(platform, &detection.file_name),
            folder: path.map(|path| Pattern::folder(platform, path)),
            signature: Signer::of(&detection.signature, certificates),
            parent: parent.map(|path| Pattern::full_path(platform, path)),
        }
    }

    /// What precedence looks at, of `rule`, which this was made of.
    pub(crate) fn standing<'r>(&self, rule: &'r Rule, target: Target) -> Standing<'r> {
        Standing {
            target,
            hash: self.hash.is_some(),
            attributes: self.attributes,
            elevation_type: self.action.elevation_type,
            id: &rule.id,
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
        if self.platform != subject.request.platform {
            return Verdict::Far;
        }
        let mut missed: Option<(RuleAttribute, MissReason)> = None;
        let mut left = self.defined;
        while left != 0 {
            let attribute = CHECKED[left.trailing_zeros() as usize];
            left &= left - 1;
            if let Err(reason) = self.check(attribute, policy, rule, subject) {
                if missed.is_some() {
                    return Verdict::Far;
                }
                missed = Some((attribute, reason));
            }
        }
        match missed {
            Some((RuleAttribute::FileName, _)) if self.hash.is_none() => Verdict::Far,
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
            RuleAttribute::FileHash => equal(self.hash.as_ref(), file.sha256.as_ref()),
            RuleAttribute::Signature => self
                .signature
                .as_ref()
                .map_or(Ok(()), |signer| signed_by(signer, request)),
            RuleAttribute::MinimumVersion => match (self.minimum_version, file.version) {
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
    let fits = |audience: &Audience| fits(audience, &request.user, &request.device);
    if assignment.exclude.iter().any(|a| fits(a).is_some()) {
        return None;
    }
    assignment.include.iter().filter_map(fits).min()
}

/// By what an audience holds this user or device; `None`: not at all.
pub(crate) fn fits(
    audience: &Audience,
    user: &UserFacts<'_>,
    device: &DeviceFacts<'_>,
) -> Option<Target> {
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
