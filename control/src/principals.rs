//! A person or service that may sign in, and the roles that it was given. Pure: no IO, no clock.
//!
//! How somebody proves to be the principal is not known here: by a token, or by an identity that a provider vouches for.

use std::collections::BTreeSet;

use epm_policy::UserId;
use serde::{Deserialize, Serialize};

use crate::access::{RoleRef, Scope};
use crate::aggregate::Aggregate;
use crate::listing::Listed;
use crate::names::Name;

/// Grants of one principal: more are a role that is missing.
const MAX_GRANTS: usize = 64;
/// Accounts on devices of one person.
const MAX_USERS: usize = 64;

/// Whether a principal is somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person, whose queries are audited.
    Person,
    /// A program.
    Service,
}

/// Who a provider of identities says that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// Its name for the principal.
    pub subject: String,
}

/// A role within a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleGrant {
    /// Which role.
    pub role: RoleRef,
    /// On which devices.
    pub scope: Scope,
}

/// What administrators decide about a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalSettings {
    /// Its name.
    pub name: Name,
    /// As devices know the same person: nobody decides on a request of one of these.
    pub users: BTreeSet<UserId>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Its roles.
    pub grants: Vec<RoleGrant>,
}

/// What is known of a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPrincipal {
    /// Whether it is somebody.
    pub kind: PrincipalKind,
    /// Who a provider says that it is, where one does.
    pub identity: Option<Identity>,
    /// What administrators decided.
    pub settings: PrincipalSettings,
}

/// A principal as its events made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    known: Option<KnownPrincipal>,
}

/// What can be wanted of a principal.
#[derive(Clone, Debug)]
pub enum PrincipalCommand {
    /// It is made known.
    Register(KnownPrincipal),
    /// From now on these hold.
    Set(PrincipalSettings),
}

/// What happened to a principal. Stored for ever: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "body", rename_all = "snake_case")]
pub enum PrincipalEvent {
    /// It was made known. It has no role yet.
    Registered {
        /// Whether it is somebody.
        kind: PrincipalKind,
        /// Who a provider says that it is.
        identity: Option<Identity>,
        /// Its name.
        name: Name,
        /// As devices know it.
        users: BTreeSet<UserId>,
    },
    /// Its name, or how devices know it, is another one.
    Changed {
        /// Its name.
        name: Name,
        /// As devices know it.
        users: BTreeSet<UserId>,
    },
    /// It was given a role.
    RoleGranted {
        /// Which, and where.
        grant: RoleGrant,
    },
    /// A role was taken from it.
    RoleWithdrawn {
        /// Which, and where.
        grant: RoleGrant,
    },
    /// It may not sign in any more; what it is signed in with ends.
    Disabled {},
    /// It may sign in again.
    Enabled {},
}

/// Why a principal cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalRefusal {
    /// Nobody has this id.
    #[error("there is no such principal")]
    Unknown,
    /// The id is taken.
    #[error("a principal with this id exists")]
    Exists,
    /// More of something than anybody needs.
    #[error("{found} {what} are more than the {limit} that a principal can have")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// The same role twice with the same scope.
    #[error("the role {0} is granted twice with the same scope")]
    Twice(RoleRef),
}

impl Principal {
    /// What is known of it; nothing before it was registered.
    #[must_use]
    pub fn known(&self) -> Option<&KnownPrincipal> {
        self.known.as_ref()
    }
}

impl Aggregate for Principal {
    const KIND: &'static str = "principal";
    type Command = PrincipalCommand;
    type Event = PrincipalEvent;
    type Refusal = PrincipalRefusal;

    fn decide(
        &self,
        command: &PrincipalCommand,
        _at: crate::event::TimeUs,
    ) -> Result<Vec<PrincipalEvent>, PrincipalRefusal> {
        match (command, &self.known) {
            (PrincipalCommand::Register(_), Some(_)) => Err(PrincipalRefusal::Exists),
            (PrincipalCommand::Register(wanted), None) => {
                fits(&wanted.settings)?;
                let settings = &wanted.settings;
                let mut events = vec![PrincipalEvent::Registered {
                    kind: wanted.kind,
                    identity: wanted.identity.clone(),
                    name: settings.name.clone(),
                    users: settings.users.clone(),
                }];
                events.extend(granted(&settings.grants, &[]));
                if !settings.enabled {
                    events.push(PrincipalEvent::Disabled {});
                }
                Ok(events)
            }
            (PrincipalCommand::Set(_), None) => Err(PrincipalRefusal::Unknown),
            (PrincipalCommand::Set(wanted), Some(known)) => {
                fits(wanted)?;
                Ok(differences(&known.settings, wanted))
            }
        }
    }

    fn apply(&mut self, event: &PrincipalEvent) {
        self.known = Self::listed(self.known.take(), event);
    }
}

impl Listed for Principal {
    type Row = KnownPrincipal;

    fn listed(before: Option<KnownPrincipal>, event: &PrincipalEvent) -> Option<KnownPrincipal> {
        if let PrincipalEvent::Registered {
            kind,
            identity,
            name,
            users,
        } = event
        {
            return Some(KnownPrincipal {
                kind: *kind,
                identity: identity.clone(),
                settings: PrincipalSettings {
                    name: name.clone(),
                    users: users.clone(),
                    enabled: true,
                    grants: Vec::new(),
                },
            });
        }
        let mut known = before?;
        let settings = &mut known.settings;
        match event {
            PrincipalEvent::Registered { .. } => {}
            PrincipalEvent::Changed { name, users } => {
                settings.name = name.clone();
                settings.users = users.clone();
            }
            PrincipalEvent::RoleGranted { grant } => settings.grants.push(grant.clone()),
            PrincipalEvent::RoleWithdrawn { grant } => settings.grants.retain(|of| of != grant),
            PrincipalEvent::Disabled {} => settings.enabled = false,
            PrincipalEvent::Enabled {} => settings.enabled = true,
        }
        Some(known)
    }

    fn label(row: &KnownPrincipal) -> String {
        row.settings.name.folded()
    }
}

/// What leads from the settings that are to those that are wanted. A role is given before another one is taken, so that
/// nobody is without any in between.
fn differences(are: &PrincipalSettings, wanted: &PrincipalSettings) -> Vec<PrincipalEvent> {
    let mut events = Vec::new();
    if (&are.name, &are.users) != (&wanted.name, &wanted.users) {
        events.push(PrincipalEvent::Changed {
            name: wanted.name.clone(),
            users: wanted.users.clone(),
        });
    }
    events.extend(granted(&wanted.grants, &are.grants));
    let gone = are.grants.iter().filter(|of| !wanted.grants.contains(of));
    events.extend(gone.map(|grant| PrincipalEvent::RoleWithdrawn {
        grant: grant.clone(),
    }));
    match (are.enabled, wanted.enabled) {
        (true, false) => events.push(PrincipalEvent::Disabled {}),
        (false, true) => events.push(PrincipalEvent::Enabled {}),
        _ => {}
    }
    events
}

fn granted(wanted: &[RoleGrant], are: &[RoleGrant]) -> Vec<PrincipalEvent> {
    let new = wanted.iter().filter(|of| !are.contains(of));
    new.map(|grant| PrincipalEvent::RoleGranted {
        grant: grant.clone(),
    })
    .collect()
}

fn fits(settings: &PrincipalSettings) -> Result<(), PrincipalRefusal> {
    let counts = [
        ("roles", settings.grants.len(), MAX_GRANTS),
        ("users", settings.users.len(), MAX_USERS),
    ];
    for (what, found, limit) in counts {
        if found > limit {
            return Err(PrincipalRefusal::TooMany { what, found, limit });
        }
    }
    for (place, grant) in settings.grants.iter().enumerate() {
        if settings.grants[..place].contains(grant) {
            return Err(PrincipalRefusal::Twice(grant.role.clone()));
        }
    }
    Ok(())
}
