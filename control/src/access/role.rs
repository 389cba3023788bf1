//! Roles: names for sets of rights. The built-in ones are fixed; all others are made by administrators.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::right::{Right, Rights};
use crate::names::{InvalidName, Name};

/// A role that is always there. The four that Intune has, with the same rights of Intune's; the rights that Intune does not
/// know are in none of them, so that somebody who moves here gets no more than there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltInRole {
    /// Everything; who starts the server first has it.
    Administrator,
    /// Policies, reports and requests.
    EndpointPrivilegeManager,
    /// Seeing policies, reports and requests.
    EndpointPrivilegeReader,
    /// As the privilege manager; in Intune it has rights outside of this product too.
    EndpointSecurityManager,
    /// As the reader; in Intune it reads much more.
    ReadOnlyOperator,
}

impl BuiltInRole {
    /// Every built-in role.
    pub const ALL: [Self; 5] = [
        Self::Administrator,
        Self::EndpointPrivilegeManager,
        Self::EndpointPrivilegeReader,
        Self::EndpointSecurityManager,
        Self::ReadOnlyOperator,
    ];

    /// Its name, as people see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::EndpointPrivilegeManager => "Endpoint Privilege Manager",
            Self::EndpointPrivilegeReader => "Endpoint Privilege Reader",
            Self::EndpointSecurityManager => "Endpoint Security Manager",
            Self::ReadOnlyOperator => "Read Only Operator",
        }
    }

    /// Its name in addresses and events.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::EndpointPrivilegeManager => "endpoint-privilege-manager",
            Self::EndpointPrivilegeReader => "endpoint-privilege-reader",
            Self::EndpointSecurityManager => "endpoint-security-manager",
            Self::ReadOnlyOperator => "read-only-operator",
        }
    }

    /// What it allows.
    #[must_use]
    pub fn rights(self) -> Rights {
        let reading = [Right::ReportsView, Right::PolicyRead, Right::RequestsView];
        let changing = [
            Right::PolicyCreate,
            Right::PolicyUpdate,
            Right::PolicyDelete,
            Right::PolicyAssign,
            Right::RequestsModify,
        ];
        match self {
            Self::Administrator => Right::ALL.iter().copied().collect(),
            Self::EndpointPrivilegeManager | Self::EndpointSecurityManager => {
                reading.into_iter().chain(changing).collect()
            }
            Self::EndpointPrivilegeReader | Self::ReadOnlyOperator => reading.into_iter().collect(),
        }
    }
}

/// Names a role: a built-in one by its id, another one by that of its stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RoleRef {
    /// One that is always there.
    BuiltIn(BuiltInRole),
    /// One that an administrator made.
    Custom(Uuid),
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no role: write the id of one")]
pub struct NotARole(pub String);

impl FromStr for RoleRef {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let built_in = BuiltInRole::ALL.into_iter().find(|role| role.id() == text);
        match built_in {
            Some(role) => Ok(Self::BuiltIn(role)),
            None => match Uuid::try_parse(text) {
                Ok(id) => Ok(Self::Custom(id)),
                Err(_) => Err(NotARole(text.to_owned())),
            },
        }
    }
}

impl TryFrom<String> for RoleRef {
    type Error = NotARole;

    fn try_from(text: String) -> Result<Self, NotARole> {
        text.parse()
    }
}

impl fmt::Display for RoleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(role) => f.write_str(role.id()),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

impl From<RoleRef> for String {
    fn from(role: RoleRef) -> Self {
        role.to_string()
    }
}

/// A role that an administrator made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    name: Name,
    rights: Rights,
}

/// Why a role cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRole {
    /// It has no name, or one that fits no menu.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// People would take it for the built-in one.
    #[error("{0} is a built-in role: choose another name")]
    BuiltIn(&'static str),
    /// It allows nothing.
    #[error("a role needs a right")]
    Empty,
    /// Deciding on what cannot be seen.
    #[error("{needs} is of no use without {without}: add it")]
    Useless {
        /// The right that needs another one.
        needs: Right,
        /// The one that is missing.
        without: Right,
    },
}

impl CustomRole {
    /// A role of this name with these rights.
    ///
    /// # Errors
    ///
    /// [`InvalidRole`] says what to change.
    pub fn new(name: &str, rights: Rights) -> Result<Self, InvalidRole> {
        let name = Name::parse(name)?;
        let alike = |role: &BuiltInRole| role.name().to_lowercase() == name.folded();
        if let Some(role) = BuiltInRole::ALL.into_iter().find(alike) {
            return Err(InvalidRole::BuiltIn(role.name()));
        }
        if rights.is_empty() {
            return Err(InvalidRole::Empty);
        }
        for (needs, without) in [
            (Right::RequestsModify, Right::RequestsView),
            (Right::PolicyUpdate, Right::PolicyRead),
            (Right::PolicyDelete, Right::PolicyRead),
            (Right::PolicyAssign, Right::PolicyRead),
        ] {
            if rights.contains(needs) && !rights.contains(without) {
                return Err(InvalidRole::Useless { needs, without });
            }
        }
        Ok(Self { name, rights })
    }

    /// The same role with other rights, as an event that was decided says.
    pub(crate) fn allowing(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it allows.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }
}
