//! Elevation rules: how a file is known, and what happens when it is. It must not say which of two rules wins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assignment, Detection, GroupId, PolicyId, RuleId, TimeWindow};

/// The operating system that a policy is written for. It decides how paths and names are read.
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
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Drive letters, `\`, and no difference between upper and lower case.
    #[default]
    Windows,
    /// `/`, and names as they are written.
    Linux,
}

/// What happens to a file that a rule knows. In the order of precedence step 5, with deny beside it: deny wins before.
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
#[serde(rename_all = "snake_case")]
pub enum ElevationType {
    /// The user asks for it and confirms, runs as a separate account.
    #[default]
    UserConfirmed,
    /// The user asks for it and authenticates, runs as the user's own account.
    CurrentUser,
    /// The user asks for it, somebody else approves, runs as a separate account.
    SupportApproved,
    /// Elevated at every launch without a sign, runs as a separate account.
    Automatic,
    /// Never elevated.
    Deny,
}

/// What a user must give before a confirmed elevation. All that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// A reason in free text.
    #[serde(default)]
    pub business_justification: bool,
    /// The user's credentials once more.
    #[serde(default)]
    pub authentication: bool,
}

impl Validation {
    /// Nothing but a click.
    pub const NONE: Self = Self {
        business_justification: false,
        authentication: false,
    };
    /// Credentials only.
    pub const AUTHENTICATION: Self = Self {
        business_justification: false,
        authentication: true,
    };
}

/// What happens to processes that an elevated program starts.
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
#[serde(rename_all = "snake_case")]
pub enum ChildBehaviour {
    /// Each is judged by its own rules, deny included; without one it is not elevated.
    #[default]
    RequireRule,
    /// They run without elevation.
    DenyAll,
    /// They are elevated without looking at any rule, deny included.
    AllowAll,
}

/// Conditions that the file has no part in. Every one that is present must hold. They do not count as attributes of
/// precedence step 4, so that a score compares with the product's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Full path of the program that starts the file; wildcards and variables as in a file path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_path: Option<String>,
    /// When the rule holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeWindow>,
    /// The device is in one of these groups. Empty: whatever the device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_groups: Vec<GroupId>,
}

/// One elevation rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in the whole set.
    pub id: RuleId,
    /// Unique in its policy.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What happens.
    #[serde(default)]
    pub elevation_type: ElevationType,
    /// What the user must give. Only for [`ElevationType::UserConfirmed`].
    #[serde(default, skip_serializing_if = "is_none")]
    pub validation: Validation,
    /// What happens to children. Without effect where the type is [`ElevationType::Deny`].
    #[serde(default)]
    pub child_behaviour: ChildBehaviour,
    /// How the file is known.
    pub detection: Detection,
    /// Arguments that may be given, compared as they are written. Absent: all. Without arguments the launch is always
    /// permitted; with one that is not listed it is denied, and no other rule is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_arguments: Option<Vec<String>>,
    /// Conditions beyond the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub conditions: Conditions,
    /// The rule never acts; a decision tells what it would have done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub report_only: bool,
}

/// Rules that are assigned together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesPolicy {
    /// Unique in the whole set.
    pub id: PolicyId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The operating system that its paths are written for.
    #[serde(default)]
    pub platform: Platform,
    /// Whom it is for.
    #[serde(default)]
    pub assignment: Assignment,
    /// None of its rules acts; decisions tell what they would have done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub report_only: bool,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl RulesPolicy {
    /// What an editor opens for a new policy: one blank rule of type user confirmed.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            rules: vec![Rule::default()],
            ..Self::default()
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_none(validation: &Validation) -> bool {
    *validation == Validation::NONE
}

fn is_default(conditions: &Conditions) -> bool {
    *conditions == Conditions::default()
}
