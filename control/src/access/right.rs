//! What can be allowed, one right at a time.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is no right's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no right {0:?}")]
pub struct UnknownRight(pub String);

macro_rules! rights {
    ($($(#[$doc:meta])+ $right:ident = $name:literal),+ $(,)?) => {
        /// Something that can be allowed. Its name is stored and shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Right {$($(#[$doc])+ $right),+}

        impl Right {
            /// Every right.
            pub const ALL: &'static [Self] = &[$(Self::$right),+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {$(Self::$right => $name),+}
            }
        }
    };
}

rights! {
    /// Seeing reports and the records behind them.
    ReportsView = "reports.view",
    /// Reading policies and their assignments.
    PolicyRead = "policy.read",
    /// Making policies.
    PolicyCreate = "policy.create",
    /// Changing policies.
    PolicyUpdate = "policy.update",
    /// Deleting policies.
    PolicyDelete = "policy.delete",
    /// Assigning policies to groups.
    PolicyAssign = "policy.assign",
    /// Seeing requests for approval.
    RequestsView = "requests.view",
    /// Approving, denying and revoking; only together with seeing.
    RequestsModify = "requests.modify",
    /// Taking records out, by exports and queries of one's own.
    TelemetryExport = "telemetry.export",
    /// Seeing who a person is: names of users and what they typed.
    PiiView = "pii.view",
    /// Enrolling and expelling devices.
    AgentEnrol = "agent.enrol",
    /// Saying how long records are kept.
    RetentionManage = "retention.manage",
    /// Reading who did what here.
    AuditView = "audit.view",
    /// Saying who may do what: roles, principals and their tokens, groups of devices.
    AccessManage = "access.manage",
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        Self::ALL
            .iter()
            .copied()
            .find(|right| right.name() == text)
            .ok_or_else(|| UnknownRight(text.to_owned()))
    }
}

impl TryFrom<String> for Right {
    type Error = UnknownRight;

    fn try_from(text: String) -> Result<Self, UnknownRight> {
        text.parse()
    }
}

impl From<Right> for &'static str {
    fn from(right: Right) -> Self {
        right.name()
    }
}

/// A set of rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// Whether the right is among them.
    #[must_use]
    pub fn contains(&self, right: Right) -> bool {
        self.0.contains(&right)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rights, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Right> {
        self.0.iter().copied()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Self {
        Self(rights.into_iter().collect())
    }
}
