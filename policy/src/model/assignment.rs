//! Whom a policy is for. It must not know what the policy says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeviceId, GroupId, UserId};

/// One group, user or device that a policy is assigned to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every user, on whatever device.
    AllUsers,
    /// One user, on whatever device.
    User(UserId),
    /// The users of a group, on whatever device.
    UserGroup(GroupId),
    /// Every device, whoever uses it.
    AllDevices,
    /// One device, whoever uses it.
    Device(DeviceId),
    /// The devices of a group, whoever uses them.
    DeviceGroup(GroupId),
}

/// Whom a policy reaches. Assigned to nobody, it applies nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The policy reaches a launch where one of these fits. Fits a user, the policy counts as deployed to the user;
    /// fits only a device, to the device.
    #[serde(default)]
    pub include: Vec<Audience>,
    /// Where one of these fits, the policy does not apply, whatever `include` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Audience>,
}

impl Assignment {
    /// Assigned to every user.
    #[must_use]
    pub fn all_users() -> Self {
        Self::to(Audience::AllUsers)
    }

    /// Assigned to every device.
    #[must_use]
    pub fn all_devices() -> Self {
        Self::to(Audience::AllDevices)
    }

    /// Assigned to one audience.
    #[must_use]
    pub fn to(audience: Audience) -> Self {
        Self {
            include: vec![audience],
            exclude: Vec::new(),
        }
    }
}
