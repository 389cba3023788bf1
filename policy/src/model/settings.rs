//! Elevation settings policies: what switches enforcement on and holds for no single file. It must not merge them; that
//! is [`crate::EffectiveSettings`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Assignment, PolicyId, Validation};

/// What happens to a file that no rule knows, when the user asks for elevated access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultResponse {
    /// Refused, and the user is told why.
    DenyAll,
    /// Elevated after a prompt. Without validation, one click elevates any file.
    UserConfirmation,
    /// Elevated once somebody else approved.
    SupportApproval,
}

/// Which records may leave a device. Each scope sends what the one before sends, and more.
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
pub enum ReportingScope {
    /// The agent's own health.
    DiagnosticOnly,
    /// Also elevations that the agent carried out.
    Managed,
    /// Also every other elevation on the device.
    #[default]
    All,
}

/// One settings policy. What is absent was not configured and is left to other policies and to the built-in defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPolicy {
    /// Unique in the whole set.
    pub id: PolicyId,
    /// What people call it.
    pub name: String,
    /// Whom it is for.
    #[serde(default)]
    pub assignment: Assignment,
    /// Whether elevations are managed on the device at all. Built-in default: yes, once a settings policy arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What happens without a rule. Built-in default: not configured, which acts as deny.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_response: Option<DefaultResponse>,
    /// What the user must give; only with user confirmation. Built-in default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_validation: Option<Validation>,
    /// Whether anything leaves the device. Built-in default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_data: Option<bool>,
    /// What leaves it; only where data is sent. Built-in default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporting_scope: Option<ReportingScope>,
    /// Whether elevations are watched for at all. Built-in default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elevation_detection: Option<bool>,
}
