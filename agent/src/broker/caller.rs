//! Who asks: everything that the kernel and the system's name service say about the process at the other end.

use std::io;
use std::path::{Path, PathBuf};

use crate::launch::Person;
use crate::platform::linux::accounts::{Account, account, group_name};
use crate::platform::linux::caller::{CallerError, Inherited, inherited, program_and_parent};
use crate::platform::linux::peer::Peer;

/// Whoever asks for an elevation.
#[derive(Debug)]
pub struct Caller {
    /// The connection's other end.
    pub peer: Peer,
    /// Home, shell and primary group.
    pub account: Account,
    /// As policies know the user.
    pub person: Person,
    /// What the program inherits.
    pub inherited: Inherited,
    /// The program from which `elevate` was started.
    pub parent_path: Option<PathBuf>,
}

/// Why somebody cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum UnknownCaller {
    /// The system has no such user.
    #[error("user {0} is not known on this device")]
    NoAccount(u32),
    /// The system could not be asked.
    #[error("cannot look up user {0}")]
    Accounts(u32, #[source] io::Error),
    /// The process hides or lives elsewhere.
    #[error(transparent)]
    Process(#[from] CallerError),
    /// It ended while it was looked at, so that what was found may be another process's.
    #[error("the process that asked is gone")]
    Gone,
}

impl Caller {
    /// Looks at the process at the other end.
    ///
    /// # Errors
    ///
    /// [`UnknownCaller`]: then nothing may be done for it.
    pub fn of(peer: Peer) -> Result<Self, UnknownCaller> {
        let failed = |error| UnknownCaller::Accounts(peer.uid, error);
        let account = account(peer.uid)
            .map_err(failed)?
            .ok_or(UnknownCaller::NoAccount(peer.uid))?;
        let mut gids = vec![peer.gid];
        gids.extend(peer.groups.iter().filter(|gid| **gid != peer.gid));
        let mut names = Vec::new();
        for gid in &gids {
            names.extend(group_name(*gid).map_err(failed)?);
        }
        let inherited = inherited(peer.pid)?;
        let (_, parent) = program_and_parent(peer.pid);
        let parent_path = parent.and_then(|pid| program_and_parent(pid).0);
        if !peer.is_alive() {
            return Err(UnknownCaller::Gone);
        }
        let person = Person::new(peer.uid, account.name.clone(), gids, names);
        Ok(Self {
            peer,
            account,
            person,
            inherited,
            parent_path,
        })
    }

    /// Whether this is a person's account rather than a service's, by the custom of every distribution.
    #[must_use]
    pub fn is_person(&self) -> bool {
        const FIRST_PERSON: u32 = 1000;
        const NOBODY: u32 = 65_534;
        self.peer.uid >= FIRST_PERSON && self.peer.uid != NOBODY
    }

    /// The folder that is the caller's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.account.home
    }
}
