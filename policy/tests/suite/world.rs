//! Rules and launches that tests begin with, and what they change of them. Only facts: nothing is judged here.

use epm_policy::{
    Approval, Assignment, CertificateFacts, Detection, DeviceFacts, DeviceId, ElevationType,
    FileFacts, FileVersion, GroupId, Moment, PackageFacts, Platform, Policies, PolicySet, Request,
    Rule, RulesPolicy, SettingsPolicy, Sha256, SignatureFacts, SignatureSource, SignatureStatus,
    Trigger, UserFacts, UserId, Variables,
};

/// A launch that owns its facts.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) platform: Platform,
    pub(crate) trigger: Trigger,
    pub(crate) path: String,
    pub(crate) hash: Option<u8>,
    pub(crate) status: SignatureStatus,
    pub(crate) publisher: Signer,
    pub(crate) issuer: Signer,
    pub(crate) package: Option<(String, Option<String>)>,
    pub(crate) version: Option<FileVersion>,
    pub(crate) description: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) internal: Option<String>,
    pub(crate) on_network: bool,
    pub(crate) blocked: bool,
    pub(crate) arguments: Option<Vec<&'static str>>,
    pub(crate) user: Option<UserId>,
    pub(crate) user_groups: Vec<GroupId>,
    pub(crate) administrator: bool,
    pub(crate) device: Option<DeviceId>,
    pub(crate) device_groups: Vec<GroupId>,
    pub(crate) inactive: bool,
    pub(crate) parent: Option<String>,
    pub(crate) moment: Option<Moment>,
    pub(crate) variables: Variables,
    pub(crate) approvals: Vec<Approval>,
}

/// A certificate's facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signer {
    pub(crate) subject: Option<String>,
    pub(crate) sha1: Option<u8>,
    pub(crate) sha256: Option<u8>,
}

impl Signer {
    fn facts(&self) -> CertificateFacts<'_> {
        CertificateFacts {
            subject: self.subject.as_deref(),
            sha1: self.sha1.map(|byte| [byte; 20]),
            sha256: self.sha256.map(|byte| [byte; 32]),
        }
    }
}

impl Launch {
    /// Ann asks for elevated access to a signed tool on a Windows device.
    pub(crate) fn new() -> Self {
        Self {
            platform: Platform::Windows,
            trigger: Trigger::RunWithElevatedAccess,
            path: "C:\\Tools\\tool.exe".to_owned(),
            hash: Some(1),
            status: SignatureStatus::Valid,
            publisher: Signer {
                subject: Some("CN=Contoso".to_owned()),
                sha1: Some(1),
                sha256: Some(1),
            },
            issuer: Signer {
                subject: Some("CN=Contoso CA".to_owned()),
                sha1: Some(2),
                sha256: Some(2),
            },
            package: None,
            version: Some(FileVersion([2, 0, 0, 0])),
            description: Some("A tool".to_owned()),
            product: Some("Tools".to_owned()),
            internal: Some("tool".to_owned()),
            on_network: false,
            blocked: false,
            arguments: Some(Vec::new()),
            user: Some("ann".into()),
            user_groups: vec!["staff".into()],
            administrator: false,
            device: Some("laptop".into()),
            device_groups: vec!["laptops".into()],
            inactive: false,
            parent: Some("C:\\Windows\\explorer.exe".to_owned()),
            // Wednesday, 2026-01-07 12:00 UTC.
            moment: Some(Moment {
                unix_s: 1_767_787_200,
                utc_offset_min: 0,
            }),
            variables: Variables::new(
                Platform::Windows,
                [
                    ("ProgramFiles", "C:\\Program Files"),
                    ("TOOLS", "C:\\Tools\\"),
                ],
            ),
            approvals: Vec::new(),
        }
    }

    /// Lends the facts to `judge`.
    pub(crate) fn with<T>(&self, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        judge(&Request {
            platform: self.platform,
            trigger: self.trigger,
            file: FileFacts {
                path: &self.path,
                sha256: self.hash.map(hash),
                signature: SignatureFacts {
                    status: self.status,
                    publisher: self.publisher.facts(),
                    issuing_authority: self.issuer.facts(),
                },
                package: self.package.as_ref().map(|(name, origin)| PackageFacts {
                    name,
                    origin: origin.as_deref(),
                }),
                version: self.version,
                description: self.description.as_deref(),
                product_name: self.product.as_deref(),
                internal_name: self.internal.as_deref(),
                on_network: self.on_network,
                blocked: self.blocked,
            },
            arguments: self.arguments.as_deref(),
            user: UserFacts {
                id: self.user.as_ref(),
                groups: &self.user_groups,
                local_administrator: self.administrator,
            },
            device: DeviceFacts {
                id: self.device.as_ref(),
                groups: &self.device_groups,
                inactive: self.inactive,
            },
            parent_path: self.parent.as_deref(),
            moment: self.moment,
            variables: &self.variables,
            approvals: &self.approvals,
        })
    }
}

/// The digest of the file that a small number stands for.
pub(crate) fn hash(byte: u8) -> Sha256 {
    Sha256([byte; 32])
}

/// A rule of this type that knows the tool of [`Launch::new`] by its hash.
pub(crate) fn rule(id: &str, elevation_type: ElevationType) -> Rule {
    Rule {
        id: id.into(),
        name: id.to_owned(),
        elevation_type,
        detection: Detection {
            file_name: "tool.exe".to_owned(),
            file_hash: Some(hash(1)),
            signature: SignatureSource::NotConfigured,
            ..Detection::default()
        },
        ..Rule::default()
    }
}

/// A policy for every device.
pub(crate) fn policy(id: &str, rules: Vec<Rule>) -> RulesPolicy {
    RulesPolicy {
        id: id.into(),
        name: id.to_owned(),
        assignment: Assignment::all_devices(),
        rules,
        ..RulesPolicy::default()
    }
}

/// A settings policy for every device in which nothing is configured.
pub(crate) fn settings(id: &str) -> SettingsPolicy {
    SettingsPolicy {
        id: id.into(),
        name: id.to_owned(),
        assignment: Assignment::all_devices(),
        ..SettingsPolicy::default()
    }
}

/// These rules policies on devices where elevation is managed.
pub(crate) fn policies(rules: Vec<RulesPolicy>) -> Policies {
    Policies {
        settings: vec![settings("settings")],
        rules,
        ..Policies::default()
    }
}

/// The set of [`policies`].
pub(crate) fn set(rules: Vec<RulesPolicy>) -> PolicySet {
    PolicySet::new(policies(rules)).unwrap()
}

/// The set of one policy for every device with these rules.
pub(crate) fn set_of(rules: Vec<Rule>) -> PolicySet {
    set(vec![policy("policy", rules)])
}
