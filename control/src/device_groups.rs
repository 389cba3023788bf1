//! Groups of devices: those that carry a tag, or those that are named. Policies are assigned to them, and roles reach no
//! further than to them. Pure: no IO, no clock.

use std::collections::BTreeSet;

use epm_policy::GroupId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{DeviceFacts, Reach, Tag, Target};
use crate::aggregate::Aggregate;
use crate::error::StoreError;
use crate::event::TimeUs;
use crate::listing::{Listed, MAX_LISTED};
use crate::names::Name;
use crate::store::ControlStore;

/// Devices that one group may name: they are in one event, and a larger group is better told by a tag.
const MAX_NAMED: usize = 10_000;
/// Tags of one group.
const MAX_TAGS: usize = 64;

/// Which devices are in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// Those that carry one of these tags, now or later.
    Tagged(BTreeSet<Tag>),
    /// These, by the ids of their agents.
    Named(BTreeSet<Uuid>),
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDeviceGroup {
    /// What it is called.
    pub name: Name,
    /// Which devices are in it.
    pub members: Members,
}

impl KnownDeviceGroup {
    /// Whether a device is in it.
    #[must_use]
    pub fn contains(&self, agent: Uuid, tags: &BTreeSet<Tag>) -> bool {
        match &self.members {
            Members::Tagged(wanted) => !wanted.is_disjoint(tags),
            Members::Named(agents) => agents.contains(&agent),
        }
    }
}

/// A group as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceGroup {
    known: Option<KnownDeviceGroup>,
}

/// What can be wanted of a group.
#[derive(Clone, Debug)]
pub enum DeviceGroupCommand {
    /// It is made.
    Define(KnownDeviceGroup),
    /// It is so from now on.
    Change(KnownDeviceGroup),
    /// It goes. What was assigned to it, or limited to it, reaches nothing by it any more.
    Delete,
}

/// What happened to a group. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum DeviceGroupEvent {
    /// It was made.
    Defined {
        /// As it was made.
        group: KnownDeviceGroup,
    },
    /// It became another one.
    Changed {
        /// As it is now.
        group: KnownDeviceGroup,
    },
    /// It is gone.
    Deleted {},
}

/// Why a group cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceGroupRefusal {
    /// Nobody made it, or somebody deleted it.
    #[error("there is no such group")]
    Unknown,
    /// The id is taken.
    #[error("a group with this id exists")]
    Exists,
    /// More than one group can have.
    #[error(
        "{found} {what} are more than the {limit} of one group: give the devices a tag instead"
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most.
        limit: usize,
    },
}

impl DeviceGroup {
    /// How scopes and policies name the group.
    #[must_use]
    pub fn name_of(id: Uuid) -> GroupId {
        GroupId(id.to_string())
    }

    /// What it is; nothing while nobody made it, and after it was deleted.
    #[must_use]
    pub fn known(&self) -> Option<&KnownDeviceGroup> {
        self.known.as_ref()
    }
}

impl Aggregate for DeviceGroup {
    const KIND: &'static str = "device_group";
    type Command = DeviceGroupCommand;
    type Event = DeviceGroupEvent;
    type Refusal = DeviceGroupRefusal;

    fn decide(
        &self,
        command: &DeviceGroupCommand,
        _at: TimeUs,
    ) -> Result<Vec<DeviceGroupEvent>, DeviceGroupRefusal> {
        match (command, &self.known) {
            (DeviceGroupCommand::Define(_), Some(_)) => Err(DeviceGroupRefusal::Exists),
            (DeviceGroupCommand::Define(wanted), None) => {
                fits(wanted)?;
                Ok(vec![DeviceGroupEvent::Defined {
                    group: wanted.clone(),
                }])
            }
            (_, None) => Err(DeviceGroupRefusal::Unknown),
            (DeviceGroupCommand::Change(wanted), Some(known)) if wanted == known => Ok(Vec::new()),
            (DeviceGroupCommand::Change(wanted), Some(_)) => {
                fits(wanted)?;
                Ok(vec![DeviceGroupEvent::Changed {
                    group: wanted.clone(),
                }])
            }
            (DeviceGroupCommand::Delete, Some(_)) => Ok(vec![DeviceGroupEvent::Deleted {}]),
        }
    }

    fn apply(&mut self, event: &DeviceGroupEvent) {
        self.known = Self::listed(self.known.take(), event);
    }
}

impl Listed for DeviceGroup {
    type Row = KnownDeviceGroup;

    fn listed(
        _before: Option<KnownDeviceGroup>,
        event: &DeviceGroupEvent,
    ) -> Option<KnownDeviceGroup> {
        match event {
            DeviceGroupEvent::Defined { group } | DeviceGroupEvent::Changed { group } => {
                Some(group.clone())
            }
            DeviceGroupEvent::Deleted {} => None,
        }
    }

    fn label(row: &KnownDeviceGroup) -> String {
        row.name.folded()
    }
}

impl ControlStore {
    /// The agents of the devices within `reach`; nothing where that is every device, those to come included.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn agents_within(&self, reach: &Reach) -> Result<Option<BTreeSet<Uuid>>, StoreError> {
        if reach.reaches(Target::Everything) {
            return Ok(None);
        }
        let mut within = BTreeSet::new();
        if reach.is_nowhere() {
            return Ok(Some(within));
        }
        let groups = self.list::<DeviceGroup>(None, MAX_LISTED).await?;
        let facts = |agent: Uuid, tags: &BTreeSet<Tag>| DeviceFacts {
            groups: groups
                .iter()
                .filter(|group| group.row.contains(agent, tags))
                .map(|group| DeviceGroup::name_of(group.id))
                .collect(),
            tags: tags.clone(),
        };
        // Named before they enrolled, or without a certificate of ours: they carry no tag.
        for group in &groups {
            if let Members::Named(agents) = &group.row.members {
                let untagged = |agent: &&Uuid| {
                    reach.reaches(Target::Device(&facts(**agent, &BTreeSet::new())))
                };
                within.extend(agents.iter().filter(untagged));
            }
        }
        let mut after = Uuid::nil();
        loop {
            let devices = self.devices_after(after).await?;
            let Some(last) = devices.last() else {
                return Ok(Some(within));
            };
            after = last.id;
            for device in &devices {
                let facts = facts(device.id, &device.device.tags);
                if reach.reaches(Target::Device(&facts)) {
                    within.insert(device.id);
                } else {
                    within.remove(&device.id);
                }
            }
        }
    }
}

fn fits(group: &KnownDeviceGroup) -> Result<(), DeviceGroupRefusal> {
    let (what, found, limit) = match &group.members {
        Members::Tagged(tags) => ("tags", tags.len(), MAX_TAGS),
        Members::Named(agents) => ("devices", agents.len(), MAX_NAMED),
    };
    if found > limit {
        return Err(DeviceGroupRefusal::TooMany { what, found, limit });
    }
    Ok(())
}
