//! Who this agent is, and that no other process is it: the state folder with its lock and the agent's id.
//!
//! The id is minted once and never changes; whoever copies a state folder copies the agent.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use epm_proto::ids::AgentId;
use uuid::Uuid;

use crate::disk::{RealDisk, replace};

const ID_NAME: &str = "agent-id";
const LOCK_NAME: &str = "lock";

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another process is this agent. Stop it, or use another folder.
    #[error("another agent uses {}", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be created, read or written.
    #[error("{} cannot be used", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file with the agent's id does not hold one. It is not replaced: the records in the spool carry the old id.
    #[error("{} does not hold an agent id", .0.display())]
    Damaged(PathBuf),
    /// The folder belongs to another agent than the one that was asked for.
    #[error("{} belongs to agent {found}", path.display())]
    Different {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: AgentId,
    },
}

/// A state folder that this process holds.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    agent_id: AgentId,
    // Held for as long as the file is open.
    _lock: File,
}

impl StateFolder {
    /// Locks the folder, creating it where it is absent, and reads the agent's id or mints it: `wanted`, or a new one.
    ///
    /// # Errors
    ///
    /// Where another process holds it, it cannot be used, or it is another agent's than `wanted`.
    pub fn open(path: &Path, wanted: Option<AgentId>) -> Result<Self, IdentityError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Folder { path, source }
        };
        create_private(path).map_err(failed(path))?;
        let lock_path = path.join(LOCK_NAME);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path)(error)),
        }
        let agent_id = match read_agent_id(path)? {
            Some(found) if wanted.is_some_and(|wanted| wanted != found) => {
                return Err(IdentityError::Different {
                    path: path.to_owned(),
                    found,
                });
            }
            Some(found) => found,
            None => {
                let minted = wanted.unwrap_or_else(|| Uuid::new_v4().into());
                let id_path = path.join(ID_NAME);
                replace(&RealDisk, &id_path, format!("{minted}\n").as_bytes())
                    .map_err(failed(&id_path))?;
                minted
            }
        };
        Ok(Self {
            path: path.to_owned(),
            agent_id,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who this agent is.
    #[must_use]
    pub fn agent_id(&self) -> AgentId {
        self.agent_id
    }
}

/// The id in a state folder, without locking it; `None` where there is no agent yet.
///
/// # Errors
///
/// Where the file cannot be read or holds no id.
pub fn read_agent_id(state: &Path) -> Result<Option<AgentId>, IdentityError> {
    let path = state.join(ID_NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => match Uuid::parse_str(text.trim()) {
            Ok(id) => Ok(Some(id.into())),
            Err(_) => Err(IdentityError::Damaged(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Folder { path, source }),
    }
}

/// The spool holds who ran what: nobody else on the device may read it.
fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}
