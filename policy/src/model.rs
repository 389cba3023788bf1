//! What an administrator writes: settings, rules, certificate groups and whom they are for.
//!
//! Plain values with public fields, so that an editor can hold an unfinished rule. Whether they may be used is said by
//! [`crate::validate`], and only [`crate::PolicySet::new`] makes something that decides. Nothing here judges a launch.

mod assignment;
mod certificate;
mod detection;
mod digest;
mod ids;
mod rule;
mod settings;
mod time_window;
mod version;

pub use assignment::{Assignment, Audience};
pub use certificate::{Certificate, CertificateGroup, CertificateType, SignatureSource};
pub use detection::Detection;
pub use digest::{DigestError, Sha256, Thumbprint};
pub use ids::{DeviceId, GroupId, PolicyId, RuleId, UserId};
pub use rule::{
    ChildBehaviour, Conditions, ElevationType, Platform, Rule, RulesPolicy, Validation,
};
pub use settings::{DefaultResponse, ReportingScope, SettingsPolicy};
pub use time_window::{Moment, TimeWindow, Weekday};
pub use version::{FileVersion, VersionError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of a whole set of policies; a newer set has a higher one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct PolicyVersion(pub u64);

/// Everything that may apply on some device: what a bundle carries and a draft is replayed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Number of this set. Mandatory, so that an empty file is not taken for a set without rules.
    pub version: PolicyVersion,
    /// Elevation settings policies.
    #[serde(default)]
    pub settings: Vec<SettingsPolicy>,
    /// Elevation rules policies.
    #[serde(default)]
    pub rules: Vec<RulesPolicy>,
    /// Reusable certificate groups that rules refer to.
    #[serde(default)]
    pub certificate_groups: Vec<CertificateGroup>,
}
