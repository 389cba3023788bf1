//! Names of things, each with its own type, so that a user is never taken for a group. They carry no meaning beyond
//! being equal or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

id! {
    /// Names a settings or rules policy.
    PolicyId,
    /// Names a rule, for ever and in the whole set: the last word of precedence is its order.
    RuleId,
    /// Names a group: of users, of devices, or of certificates.
    GroupId,
    /// Names a user as the device knows it: SID, numeric uid or directory id.
    UserId,
    /// Names a device as the management system knows it.
    DeviceId,
}
