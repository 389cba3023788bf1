//! Roles that administrators make. The built-in ones are data and have no events. Pure: no IO, no clock.
//!
//! A role's id follows from its name, so that no two roles have one name however many administrators make them at once.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{CustomRole, InvalidRole, Rights};
use crate::aggregate::Aggregate;
use crate::event::TimeUs;
use crate::listing::Listed;
use crate::names::Name;

/// Namespace of the ids of roles, chosen once at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x9f2c_1b6e_54d3_4c0a_8e61_7a35_d40b_92c7);

/// A role as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    known: Option<CustomRole>,
}

/// What can be wanted of a role.
#[derive(Clone, Debug)]
pub enum RoleCommand {
    /// It is made.
    Define(CustomRole),
    /// It allows these from now on.
    Change(Rights),
    /// It goes; whoever has it has one role less.
    Delete,
}

/// What happened to a role. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum RoleEvent {
    /// It was made.
    Defined {
        /// What it is called and allows.
        role: CustomRole,
    },
    /// It allows something else.
    RightsChanged {
        /// What.
        rights: Rights,
    },
    /// It is gone.
    Deleted {},
}

/// Why a role cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRefusal {
    /// Nobody made it.
    #[error("there is no such role")]
    Unknown,
    /// The name is taken.
    #[error("a role of this name exists")]
    Exists,
    /// It would allow nothing, or what is of no use.
    #[error(transparent)]
    Invalid(#[from] InvalidRole),
}

impl Role {
    /// The id of the role of this name, whether there is one or not.
    #[must_use]
    pub fn id_of(name: &Name) -> Uuid {
        Uuid::new_v5(&NAMESPACE, name.folded().as_bytes())
    }

    /// What it is; nothing while nobody made it, and after it was deleted.
    #[must_use]
    pub fn known(&self) -> Option<&CustomRole> {
        self.known.as_ref()
    }
}

impl Aggregate for Role {
    const KIND: &'static str = "role";
    type Command = RoleCommand;
    type Event = RoleEvent;
    type Refusal = RoleRefusal;

    fn decide(&self, command: &RoleCommand, _at: TimeUs) -> Result<Vec<RoleEvent>, RoleRefusal> {
        match (command, &self.known) {
            (RoleCommand::Define(_), Some(_)) => Err(RoleRefusal::Exists),
            (RoleCommand::Define(role), None) => {
                Ok(vec![RoleEvent::Defined { role: role.clone() }])
            }
            (_, None) => Err(RoleRefusal::Unknown),
            (RoleCommand::Change(rights), Some(known)) => {
                let changed = CustomRole::new(known.name().as_str(), rights.clone())?;
                if changed == *known {
                    return Ok(Vec::new());
                }
                Ok(vec![RoleEvent::RightsChanged {
                    rights: rights.clone(),
                }])
            }
            (RoleCommand::Delete, Some(_)) => Ok(vec![RoleEvent::Deleted {}]),
        }
    }

    fn apply(&mut self, event: &RoleEvent) {
        self.known = Self::listed(self.known.take(), event);
    }
}

impl Listed for Role {
    type Row = CustomRole;

    fn listed(before: Option<CustomRole>, event: &RoleEvent) -> Option<CustomRole> {
        match event {
            RoleEvent::Defined { role } => Some(role.clone()),
            RoleEvent::RightsChanged { rights } => before.map(|role| role.allowing(rights.clone())),
            RoleEvent::Deleted {} => None,
        }
    }

    fn label(row: &CustomRole) -> String {
        row.name().folded()
    }
}
