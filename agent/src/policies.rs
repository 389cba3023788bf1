//! The policies that are in force on this device, whoever asks: the broker, the life cycle, the tools.
//!
//! They come from a file of root's ([`file`]), or from the control plane as signed bundles ([`store`]). Where new ones cannot
//! be used, or are older than those in force, the last good ones stay. Where none are in force, nothing is elevated.

mod delivery;
mod file;
pub mod store;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use epm_policy::bundle::{HighestSeen, NotInForce, Terms, TrustedKeys};
use epm_policy::{DeviceFacts, DeviceId, PolicySet, PolicyVersion, UserFacts};
use epm_proto::ids::AgentId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::with_causes;
use crate::clock::now_us;
use file::PolicyFile;
use store::{Accepted, Finding, PolicyStore, PolicyStoreError};

pub use delivery::deliver;
pub use file::FileSourceError;

/// How often a file, or the life of a bundle, is looked at: an administrator who switches something off waits no longer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who manages a device whose policies come in bundles.
pub const CONTROL_PLANE: &str = "control_plane";

/// Why newer policies are not in force, or none are.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file's new content is not used. The last good one is.
    #[error(transparent)]
    File(#[from] FileSourceError),
    /// No bundle holds: nothing is elevated.
    #[error(transparent)]
    NotInForce(#[from] NotInForce),
}

/// Where policies come from, and what is in force of them.
#[derive(Debug)]
pub struct PolicySource {
    origin: Mutex<Origin>,
    current: RwLock<Arc<PolicySet>>,
    /// Why newer policies are not in force, or none are.
    trouble: watch::Sender<Option<String>>,
    /// Rises with every change of what is in force.
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
enum Origin {
    File(PolicyFile),
    Bundles(Box<Bundles>),
}

#[derive(Debug)]
struct Bundles {
    store: PolicyStore,
    keys: TrustedKeys,
    device: DeviceId,
    /// What was last said of why none hold.
    told: Option<NotInForce>,
}

impl Bundles {
    fn now_s() -> i64 {
        now_us() / 1_000_000
    }
}

impl PolicySource {
    /// Policies from a file.
    ///
    /// # Errors
    ///
    /// [`FileSourceError`]: without any policies nothing can be decided.
    pub fn of_file(path: PathBuf) -> Result<Self, FileSourceError> {
        let (file, set) = PolicyFile::open(path)?;
        Ok(Self::new(Origin::File(file), Arc::new(set), None))
    }

    /// Policies from bundles that one of `keys` signed, for the device of `agent`. What an agent before this one accepted is
    /// in `state`.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made.
    pub fn of_bundles(
        state: &Path,
        keys: TrustedKeys,
        agent: AgentId,
    ) -> std::io::Result<(Self, Vec<Finding>)> {
        let device = DeviceId::from(agent.to_string().as_str());
        let (store, findings) = PolicyStore::open(state, &terms(&keys, &device))?;
        let bundles = Bundles {
            store,
            keys,
            device,
            told: None,
        };
        let (set, trouble) = match bundles.store.last_good().in_force(Bundles::now_s()) {
            Ok(set) => (Arc::clone(set), None),
            Err(none) => (Arc::default(), Some(none.to_string())),
        };
        let source = Self::new(Origin::Bundles(Box::new(bundles)), set, trouble);
        Ok((source, findings))
    }

    fn new(origin: Origin, set: Arc<PolicySet>, trouble: Option<String>) -> Self {
        Self {
            origin: Mutex::new(origin),
            current: RwLock::new(set),
            trouble: watch::Sender::new(trouble),
            changes: watch::Sender::new(0),
        }
    }

    /// What is in force now. Where nothing is, a set without any policy.
    #[must_use]
    pub fn current(&self) -> Arc<PolicySet> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Who manages the device by them, as the device tells it.
    #[must_use]
    pub fn authority(&self) -> &'static str {
        match &*self.origin() {
            Origin::File(_) => "policy_file",
            Origin::Bundles(_) => CONTROL_PLANE,
        }
    }

    /// Why newer policies are not in force, or none are.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Told when other policies are in force.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The highest version that a bundle brought, where policies come in bundles.
    #[must_use]
    pub fn highest(&self) -> Option<HighestSeen> {
        match &*self.origin() {
            Origin::File(_) => None,
            Origin::Bundles(bundles) => bundles.store.last_good().highest(),
        }
    }

    /// Looks whether the file changed, or the bundle's life began or ended; the version in force from now on where it did.
    /// Reads from the disk.
    ///
    /// # Errors
    ///
    /// [`SourceError`], once for each change.
    pub fn refresh(&self) -> Result<Option<PolicyVersion>, SourceError> {
        let mut origin = self.origin();
        let looked = match &mut *origin {
            Origin::File(file) => file
                .changed(self.current().policies().version.0)
                .map(|set| set.map(Arc::new))
                .map_err(SourceError::from),
            Origin::Bundles(bundles) => self.turned(bundles),
        };
        match looked {
            Ok(None) => Ok(None),
            Ok(Some(set)) => Ok(Some(self.put_in_force(set))),
            Err(error) => {
                self.trouble.send_replace(Some(with_causes(&error)));
                Err(error)
            }
        }
    }

    /// Puts a bundle into force where it is good, durably. Writes to the disk.
    ///
    /// # Errors
    ///
    /// [`PolicyStoreError`]. What was in force stays. Nothing is taken where policies come from a file.
    pub fn offer(&self, envelope: &[u8]) -> Result<Accepted, PolicyStoreError> {
        let mut origin = self.origin();
        let Origin::Bundles(bundles) = &mut *origin else {
            return Err(PolicyStoreError::FromFile);
        };
        let Bundles {
            store,
            keys,
            device,
            ..
        } = &mut **bundles;
        let accepted = store.offer(envelope, &terms(keys, device));
        match &accepted {
            Ok(Accepted::New) => {
                if let Ok(set) = store.last_good().in_force(Bundles::now_s()) {
                    self.put_in_force(Arc::clone(set));
                }
            }
            Ok(Accepted::Held) => {}
            Err(error) => {
                self.trouble.send_replace(Some(with_causes(error)));
            }
        }
        accepted
    }

    /// What the clock changed.
    fn turned(&self, bundles: &mut Bundles) -> Result<Option<Arc<PolicySet>>, SourceError> {
        let in_force = bundles.store.last_good().in_force(Bundles::now_s());
        let (set, none) = match in_force {
            Ok(set) => (Arc::clone(set), None),
            Err(none) => (Arc::default(), Some(none)),
        };
        let (news, told) = (none != bundles.told, none);
        bundles.told = none;
        match told {
            Some(none) if news => {
                self.put_in_force(set);
                Err(none.into())
            }
            Some(_) => Ok(None),
            None if Arc::ptr_eq(&set, &self.current()) => Ok(None),
            None => Ok(Some(set)),
        }
    }

    fn put_in_force(&self, set: Arc<PolicySet>) -> PolicyVersion {
        let version = set.policies().version;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = set;
        self.trouble.send_replace(None);
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        version
    }

    fn origin(&self) -> std::sync::MutexGuard<'_, Origin> {
        // A look that panicked has put nothing into force.
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again and again until `stop`.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut timer = tokio::time::interval(LOOK_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(timer.tick()).await.is_some() {
            let source = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || source.refresh()).await {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(version))) => {
                    tracing::info!(version = version.0, "new policies are in force");
                }
                Ok(Err(error)) => {
                    let error = with_causes(&error);
                    tracing::error!(error, "the policies stay as they are");
                }
                Err(_) => return,
            }
        }
    }
}

/// What the device knows of itself when a bundle arrives.
fn terms<'a>(keys: &'a TrustedKeys, device: &'a DeviceId) -> Terms<'a> {
    Terms {
        keys,
        device: DeviceFacts {
            id: Some(device),
            ..DeviceFacts::default()
        },
        user: UserFacts::default(),
        now_s: Bundles::now_s(),
    }
}
