//! A launch as the policy engine is asked about it, owned, so that it outlives the question. `explain` and whoever acts on
//! a decision ask through [`Launch::with`], so that both ask the same. It must not decide or act.

mod person;
mod program;

use epm_policy::{
    Approval, DeviceFacts, DeviceId, GroupId, Moment, Platform, Request, Trigger, UserFacts,
    Variables,
};

use crate::file_facts::Facts;
use crate::file_facts::place::{Account, Part};

pub use person::{Person, PersonError};
pub use program::{SEARCHED_FOLDERS, find};

/// The device on which something is launched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Id, as policies are assigned by.
    pub id: Option<DeviceId>,
    /// Groups that the device is in.
    pub groups: Vec<GroupId>,
    /// The agent's components are not there or are stopped.
    pub inactive: bool,
}

/// Somebody starts something.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The system whose rules for paths hold.
    pub platform: Platform,
    /// How it came about.
    pub trigger: Trigger,
    /// The file.
    pub file: Facts,
    /// Its arguments without the program's name; none where nobody recorded them.
    pub arguments: Option<Vec<String>>,
    /// Who.
    pub person: Person,
    /// Where.
    pub device: Device,
    /// Full path of the program that starts it.
    pub parent_path: Option<String>,
    /// When.
    pub moment: Moment,
    /// What variables in paths stand for.
    pub variables: Variables,
    /// Approvals that the device holds.
    pub approvals: Vec<Approval>,
}

impl Launch {
    /// Asks `question` about this launch.
    pub fn with<T>(&self, question: impl FnOnce(&Request<'_>) -> T) -> T {
        let arguments = self.arguments.as_deref();
        let arguments: Option<Vec<&str>> =
            arguments.map(|all| all.iter().map(String::as_str).collect());
        question(&Request {
            platform: self.platform,
            trigger: self.trigger,
            file: self.file.as_policy(),
            arguments: arguments.as_deref(),
            user: UserFacts {
                id: Some(&self.person.id),
                groups: &self.person.groups,
                local_administrator: self.person.local_administrator,
            },
            device: DeviceFacts {
                id: self.device.id.as_ref(),
                groups: &self.device.groups,
                inactive: self.device.inactive,
            },
            parent_path: self.parent_path.as_deref(),
            moment: Some(self.moment),
            variables: &self.variables,
            approvals: &self.approvals,
        })
    }

    /// Through what the user could put another file under this path; none for root, who can everywhere.
    #[must_use]
    pub fn changeable_by_user(&self) -> Option<&Part> {
        let account = Account {
            uid: self.person.uid,
            gids: &self.person.gids,
        };
        let place = self.file.place.as_ref().filter(|_| account.uid != 0)?;
        place.changeable_by(account)
    }
}
