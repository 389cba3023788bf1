//! What is known about a launch. Every fact is passed in as a value, and what is not known is said to be unknown: an
//! unknown fact satisfies no rule. It must not find anything out by itself.

use crate::approval::Approval;
use crate::decision::Grant;
use crate::model::{DeviceId, FileVersion, GroupId, Moment, Platform, Sha256, Thumbprint, UserId};
use crate::paths::fold;

/// How a launch came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The user asked for it with *Run with elevated access* or `elevate`.
    RunWithElevatedAccess,
    /// The user started the program as any other.
    OrdinaryLaunch,
    /// A program that the agent elevated started it; with what that program was granted.
    Child(Grant),
}

/// State of a file's signature, as the device found it now: chain, expiry and revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureStatus {
    /// Trusted. No other state satisfies a certificate rule.
    Valid,
    /// There is none.
    Unsigned,
    /// It does not belong to these bytes.
    Invalid,
    /// A certificate's time is over.
    Expired,
    /// A certificate was revoked.
    Revoked,
    /// The chain does not end at a trusted root.
    Untrusted,
    /// Nobody looked.
    #[default]
    Unknown,
}

/// One certificate of a file's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateFacts<'a> {
    /// Distinguished name.
    pub subject: Option<&'a str>,
    /// SHA-1 of its encoding.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256 of its encoding.
    pub sha256: Option<[u8; 32]>,
}

impl CertificateFacts<'_> {
    /// Whether this certificate has that thumbprint; not, where it is unknown.
    #[must_use]
    pub fn has(&self, thumbprint: &Thumbprint) -> bool {
        match thumbprint {
            Thumbprint::Sha1(bytes) => self.sha1.as_ref() == Some(bytes),
            Thumbprint::Sha256(bytes) => self.sha256.as_ref() == Some(bytes),
        }
    }
}

/// A file's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignatureFacts<'a> {
    /// Whether it is to be trusted.
    pub status: SignatureStatus,
    /// Who signed.
    pub publisher: CertificateFacts<'a>,
    /// Who issued the signer's certificate.
    pub issuing_authority: CertificateFacts<'a>,
}

/// The package that a file belongs to, unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageFacts<'a> {
    /// Name.
    pub name: &'a str,
    /// Who distributes it.
    pub origin: Option<&'a str>,
}

/// The file that is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFacts<'a> {
    /// Full path, in the plainest form, as the open file has it.
    pub path: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: Option<Sha256>,
    /// Its signature.
    pub signature: SignatureFacts<'a>,
    /// The package that it came with.
    pub package: Option<PackageFacts<'a>>,
    /// File version.
    pub version: Option<FileVersion>,
    /// Description.
    pub description: Option<&'a str>,
    /// Product name.
    pub product_name: Option<&'a str>,
    /// Internal name.
    pub internal_name: Option<&'a str>,
    /// It lies on a share or a mapped drive.
    pub on_network: bool,
    /// It was downloaded and nobody vouched for it (mark of the web, reputation not validated).
    pub blocked: bool,
}

/// Who starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserFacts<'a> {
    /// Id.
    pub id: Option<&'a UserId>,
    /// Groups that the user is in.
    pub groups: &'a [GroupId],
    /// The user is a local administrator.
    pub local_administrator: bool,
}

/// Where it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFacts<'a> {
    /// Id.
    pub id: Option<&'a DeviceId>,
    /// Groups that the device is in.
    pub groups: &'a [GroupId],
    /// The agent's components are not there or are stopped.
    pub inactive: bool,
}

/// What a path's `%VARIABLE%` stands for on this device and for this user. The agent takes the values from the system,
/// never from the environment of the process: the user could change that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    entries: Vec<(Box<str>, Box<str>)>,
}

impl Variables {
    /// No variable is known.
    pub const NONE: &'static Self = &Self {
        entries: Vec::new(),
    };

    /// Names in any case, with folders as values. A value that is empty is as good as unknown: `%X%\a` must not become
    /// `\a`.
    pub fn new<'t>(
        platform: Platform,
        entries: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Self {
        let entry = |(name, value): (&str, &str)| {
            let value = fold(platform, value.trim_end_matches(['\\', '/']));
            (!value.is_empty()).then(|| (name.to_uppercase().into(), Box::from(&*value)))
        };
        Self {
            entries: entries.into_iter().filter_map(entry).collect(),
        }
    }

    /// The value of `name`, which is in upper case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let same = |(known, _): &&(Box<str>, Box<str>)| **known == *name;
        self.entries.iter().find(same).map(|(_, value)| &**value)
    }

    /// Every name with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// A launch, with all that may be known about it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The device's operating system.
    pub platform: Platform,
    /// How it came about.
    pub trigger: Trigger,
    /// The file.
    pub file: FileFacts<'a>,
    /// Its arguments without the program's name; `None` where nobody recorded them.
    pub arguments: Option<&'a [&'a str]>,
    /// Who.
    pub user: UserFacts<'a>,
    /// Where.
    pub device: DeviceFacts<'a>,
    /// Full path of the program that started it.
    pub parent_path: Option<&'a str>,
    /// When.
    pub moment: Option<Moment>,
    /// What variables in paths stand for.
    pub variables: &'a Variables,
    /// Approvals that the device holds.
    pub approvals: &'a [Approval],
}

impl<'a> Request<'a> {
    /// A launch by a standard user without arguments, of which nothing but the path is known.
    #[must_use]
    pub fn new(platform: Platform, trigger: Trigger, path: &'a str) -> Self {
        Self {
            platform,
            trigger,
            file: FileFacts {
                path,
                ..FileFacts::default()
            },
            arguments: Some(&[]),
            user: UserFacts::default(),
            device: DeviceFacts::default(),
            parent_path: None,
            moment: None,
            variables: Variables::NONE,
            approvals: &[],
        }
    }
}
