//! Roles: names for sets of rights. The built-in ones are fixed; all others are made by administrators.

use serde::{Deserialize, Serialize};

use super::right::{Right, Rights};

/// Characters of a role's name: it stands in a menu.
const MAX_NAME_CHARS: usize = 64;

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

/// A role that an administrator made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    name: String,
    rights: Rights,
}

/// Why a role cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRole {
    /// It has no name, or one that fits no menu.
    #[error("a role's name has from 1 to {limit} characters and none of them ends a line")]
    Name {
        /// The most.
        limit: usize,
    },
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
        let name = name.trim();
        let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) {
            return Err(InvalidRole::Name {
                limit: MAX_NAME_CHARS,
            });
        }
        let alike = |role: &BuiltInRole| role.name().to_lowercase() == name.to_lowercase();
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
        Ok(Self {
            name: name.to_owned(),
            rights,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it allows.
    #[must_use]
    pub fn rights(&self) -> &Rights {
        &self.rights
    }
}
