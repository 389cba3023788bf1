//! The last good policies on disk: they outlive restarts, power cuts and damage, and never get older.
//!
//! `STATE/policy/` holds the bundle as it was received, and the highest version that was ever accepted, each in two
//! copies that are replaced one after the other. What a copy says is verified anew at each start, so whoever can write
//! here cannot make policies. A version that was accepted stays known where the bundle is deleted. What decides whether
//! a bundle is good is [`epm_policy::bundle`]; this must not.

mod copies;
mod highest;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epm_policy::bundle::{BundleError, LastGood, Offer, Terms};
use epm_policy::limits::MAX_BUNDLE_BYTES;
use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, RealDisk};
use copies::Copies;

const FOLDER_NAME: &str = "policy";
const BUNDLE_NAME: &str = "bundle";
const HIGHEST_NAME: &str = "highest";
/// Far more than a version and a hash take.
const MAX_HIGHEST_BYTES: usize = 4 * 1024;

/// Why a bundle did not come into force. What was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum PolicyStoreError {
    /// The bundle is not good. Another one may be.
    #[error(transparent)]
    Refused(#[from] BundleError),
    /// The agent takes its policies from a file.
    #[error(
        "this agent takes its policies from a file: start it without --policy for those of the control plane"
    )]
    FromFile,
    /// The bundle is good and could not be written down. Offer it again.
    #[error("the policies could not be written to {}", path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a start came upon that should not be there. The agent goes on; each is for its log and its health.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A copy is damaged. It was set aside, and written anew from the other where that one is good.
    #[error("{} is damaged and was set aside: {error}", path.display())]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What is wrong.
        error: BundleError,
    },
    /// A copy is whole and not to be used: older than what was accepted, or by a key that is not trusted. It stays.
    #[error("{} is not used: {error}", path.display())]
    NotUsed {
        /// The copy.
        path: PathBuf,
        /// Why.
        error: BundleError,
    },
    /// A note of the highest version is damaged. The other one is used, and it is written anew.
    #[error("{} is damaged", path.display())]
    HighestDamaged {
        /// The note.
        path: PathBuf,
    },
    /// A copy cannot be read, or not be written anew.
    #[error("{} cannot be read or written: {source}", path.display())]
    Disk {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was done with a bundle that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is in force and durable.
    New,
    /// Its policies were in force already.
    Held,
}

/// The policies of one audience.
pub struct PolicyStore {
    disk: Arc<dyn Disk>,
    bundle: Copies,
    highest: Copies,
    last_good: LastGood,
    /// SHA-256 of the envelope that is written down.
    written: Option<[u8; 32]>,
}

impl PolicyStore {
    /// Opens what `STATE/policy` holds.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be created. Whatever is in it, the store opens, and the findings tell.
    pub fn open(state: &Path, terms: &Terms<'_>) -> io::Result<(Self, Vec<Finding>)> {
        Self::open_on(Arc::new(RealDisk), state, terms)
    }

    /// [`PolicyStore::open`] on a disk that a test may make fail.
    ///
    /// # Errors
    ///
    /// As [`PolicyStore::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        state: &Path,
        terms: &Terms<'_>,
    ) -> io::Result<(Self, Vec<Finding>)> {
        let folder = state.join(FOLDER_NAME);
        if !folder.exists() {
            std::fs::create_dir_all(&folder)?;
            disk.sync_directory(state)?;
        }
        let mut findings = Vec::new();
        let highest = Copies::of(&folder, HIGHEST_NAME, MAX_HIGHEST_BYTES);
        let notes = highest.read(&mut findings);
        let seen = highest::greatest(&notes, &mut findings);
        let bundle = Copies::of(&folder, BUNDLE_NAME, MAX_BUNDLE_BYTES);
        let mut store = Self {
            disk,
            bundle,
            highest,
            last_good: LastGood::nothing(seen),
            written: None,
        };
        store.restore(terms, &mut findings);
        if let Some(seen) = store.last_good.highest() {
            let note = highest::encode(&seen);
            store.highest.heal(&*store.disk, &note, &mut findings);
        }
        Ok((store, findings))
    }

    /// Takes the first copy that is good, and makes the others like it.
    fn restore(&mut self, terms: &Terms<'_>, findings: &mut Vec<Finding>) {
        let highest = self.last_good.highest();
        for (path, bytes) in self.bundle.read(findings) {
            let error = match LastGood::restored(&bytes, terms, highest) {
                Ok(last_good) => {
                    self.last_good = last_good;
                    self.written = Some(digest(&bytes));
                    self.bundle.heal(&*self.disk, &bytes, findings);
                    return;
                }
                Err(error) => error,
            };
            if !is_damage(&error) {
                findings.push(Finding::NotUsed { path, error });
                continue;
            }
            if let Err(source) = copies::set_aside(&*self.disk, &path) {
                let path = path.clone();
                findings.push(Finding::Disk { path, source });
            }
            findings.push(Finding::Damaged { path, error });
        }
    }

    /// Puts a bundle into force where it is good: durable first, then in force.
    ///
    /// # Errors
    ///
    /// [`PolicyStoreError`]. What was in force stays.
    pub fn offer(
        &mut self,
        envelope: &[u8],
        terms: &Terms<'_>,
    ) -> Result<Accepted, PolicyStoreError> {
        match self.last_good.judge(envelope, terms)? {
            Offer::New(verified) => {
                // The bundle before the version: the other way round, a power cut between the two would leave a device
                // that refuses the policies that it has.
                self.write(envelope)?;
                let note = highest::encode(&verified.seen());
                self.highest
                    .write(&*self.disk, &note)
                    .map_err(|source| self.failed(source))?;
                self.last_good.keep(*verified);
                Ok(Accepted::New)
            }
            // Signed anew, perhaps because the old key goes.
            Offer::Held if self.written != Some(digest(envelope)) => {
                self.write(envelope)?;
                Ok(Accepted::Held)
            }
            Offer::Held => Ok(Accepted::Held),
        }
    }

    fn write(&mut self, envelope: &[u8]) -> Result<(), PolicyStoreError> {
        self.written = None;
        self.bundle
            .write(&*self.disk, envelope)
            .map_err(|source| self.failed(source))?;
        self.written = Some(digest(envelope));
        Ok(())
    }

    fn failed(&self, source: io::Error) -> PolicyStoreError {
        PolicyStoreError::Disk {
            path: self.bundle.folder().to_owned(),
            source,
        }
    }

    /// What is held and what is in force.
    #[must_use]
    pub fn last_good(&self) -> &LastGood {
        &self.last_good
    }
}

impl std::fmt::Debug for PolicyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyStore")
            .field("folder", &self.bundle.folder())
            .field("highest", &self.last_good.highest())
            .finish_non_exhaustive()
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether these bytes are not what was written. Otherwise they are, and the device changed: its keys, its id, its
/// program.
fn is_damage(error: &BundleError) -> bool {
    matches!(
        error,
        BundleError::TooLarge { .. }
            | BundleError::NotAnEnvelope(_)
            | BundleError::NotSigned
            | BundleError::BadSignature(_)
            | BundleError::NotCanonical { .. }
    )
}
