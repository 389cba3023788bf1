//! Who starts something: id, groups, and whether policies leave the person alone. The system's own `id` is asked, because
//! only it knows every directory that the system takes its users from.

use std::process::Command;

use epm_policy::{GroupId, UserId};

/// Groups whose members are administrators by the custom of Debian, Fedora and Ubuntu.
const ADMINISTRATORS: [&str; 3] = ["sudo", "wheel", "admin"];
/// Where the program lies on every Linux; never looked for along the caller's PATH.
const ID: &str = "/usr/bin/id";

/// A user of this device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The number, as policies name a user.
    pub id: UserId,
    /// The name that the user signs in with.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// Numbers of all groups.
    pub gids: Vec<u32>,
    /// All groups, each by name and by number, as policies may name either.
    pub groups: Vec<GroupId>,
    /// Root, or a member of a group of administrators.
    pub local_administrator: bool,
}

/// Why a user is not known.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The system has none.
    #[error("there is no user {0:?} on this device")]
    Unknown(String),
    /// The system could not be asked.
    #[error("cannot ask {ID}")]
    Ask(#[source] std::io::Error),
}

impl Person {
    /// The user with this name or number.
    ///
    /// # Errors
    ///
    /// [`PersonError`].
    pub fn named(user: &str) -> Result<Self, PersonError> {
        let ask = |what: &str| -> Result<Vec<String>, PersonError> {
            let output = Command::new(ID).args([what, "--", user]).output();
            let output = output.map_err(PersonError::Ask)?;
            if !output.status.success() {
                return Err(PersonError::Unknown(user.to_owned()));
            }
            let text = String::from_utf8_lossy(&output.stdout);
            // Names from a directory may have blanks.
            let parts = text.trim_end_matches(['\n', '\0']).split('\0');
            Ok(parts.map(str::to_owned).collect())
        };
        let uid = ask("-uz")?.first().and_then(|uid| uid.parse().ok());
        let name = ask("-nuz")?.into_iter().next().unwrap_or_default();
        let gids = ask("-Gz")?
            .iter()
            .filter_map(|gid| gid.parse().ok())
            .collect();
        let uid = uid.ok_or_else(|| PersonError::Unknown(user.to_owned()))?;
        Ok(Self::new(uid, name, gids, ask("-nGz")?))
    }

    /// The user with these ids and names.
    #[must_use]
    pub fn new(uid: u32, name: String, gids: Vec<u32>, group_names: Vec<String>) -> Self {
        let administers = |group: &String| ADMINISTRATORS.contains(&&**group);
        let local_administrator = uid == 0 || group_names.iter().any(administers);
        let numbers = gids.iter().map(|gid| GroupId(gid.to_string()));
        Self {
            id: UserId(uid.to_string()),
            groups: group_names
                .into_iter()
                .map(GroupId)
                .chain(numbers)
                .collect(),
            name,
            uid,
            gids,
            local_administrator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_on_every_system_and_is_an_administrator() {
        let root = Person::named("root").expect("root");
        assert_eq!((root.uid, root.id.as_str()), (0, "0"));
        assert!(root.local_administrator && root.gids.contains(&0));
        assert_eq!(Person::named("0").expect("root"), root);
    }

    #[test]
    fn nobody_is_no_administrator_and_a_stranger_is_unknown() {
        let nobody = Person::named("nobody").expect("nobody");
        assert!(!nobody.local_administrator);
        assert_eq!(nobody.name, "nobody");
        for stranger in ["no such user", "--help", ""] {
            let error = Person::named(stranger).expect_err("a stranger");
            assert!(matches!(error, PersonError::Unknown(_)), "{stranger:?}");
        }
    }

    #[test]
    fn members_of_wheel_are_administrators() {
        let of = |groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            Person::new(1000, "anna".to_owned(), vec![1000], groups)
        };
        assert!(of(&["anna", "wheel"]).local_administrator);
        assert!(!of(&["anna", "wheels"]).local_administrator);
        assert_eq!(
            of(&["anna"]).groups,
            [GroupId::from("anna"), GroupId::from("1000")]
        );
    }
}
