//! Approvals of support that the device holds: signed files in a folder that root alone can write, and beside it how often
//! each was used. A use is on the disk before the program starts, so that none is had twice, also after a crash or a power
//! cut.
//!
//! It must not decide whether an approval covers a launch: the policy engine does.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use epm_policy::bundle::{ApprovalError, SignedApproval, TrustedKeys};

use super::limits::{MAX_APPROVAL_BYTES, MAX_APPROVALS};
use crate::launch::Launch;

/// Below the state folder: what was approved, and what was used.
const FOLDER: &str = "approvals";
const USED: &str = "approvals-used";

/// The approvals of a device.
#[derive(Debug)]
pub struct Approvals {
    folder: PathBuf,
    used: PathBuf,
    /// Whose signatures count; none where nobody approves.
    keys: Option<TrustedKeys>,
    /// One use at a time, so that a count is what it was when it is raised.
    using: Mutex<()>,
}

impl Approvals {
    /// The approvals in a state folder.
    ///
    /// # Errors
    ///
    /// Where the folders cannot be made.
    pub fn open(state: &Path, keys: Option<TrustedKeys>) -> io::Result<Self> {
        let (folder, used) = (state.join(FOLDER), state.join(USED));
        for path in [&folder, &used] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
        }
        File::open(state)?.sync_all()?;
        Ok(Self {
            folder,
            used,
            keys,
            using: Mutex::default(),
        })
    }

    /// All that are signed by a trusted key and have uses left. What cannot be read is told in the log and is none.
    #[must_use]
    pub fn usable(&self) -> Vec<SignedApproval> {
        let (Some(keys), Ok(files)) = (&self.keys, fs::read_dir(&self.folder)) else {
            return Vec::new();
        };
        let mut usable = Vec::new();
        for file in files.flatten().take(MAX_APPROVALS) {
            match read(&file.path(), keys) {
                Ok(approval) if self.uses(&approval.id) < u64::from(approval.uses) => {
                    usable.push(approval);
                }
                Ok(_) => {}
                Err(error) => {
                    let file = file.file_name().to_string_lossy().into_owned();
                    let error = crate::cli::failure::with_causes(&error);
                    tracing::warn!(file, error, "an approval is not used");
                }
            }
        }
        usable
    }

    /// Takes one use of an approval that covers this launch. False where there is none (any more).
    ///
    /// # Errors
    ///
    /// Where it could not be written down: then nothing may start.
    pub fn take_use(&self, launch: &Launch) -> io::Result<bool> {
        let _one = self.using.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = self.usable();
        let covers =
            |signed: &&SignedApproval| launch.with(|request| signed.approval().covers(request));
        // The one that ends first: others are then still there.
        let first = usable
            .iter()
            .filter(covers)
            .min_by_key(|signed| signed.ends_s);
        let Some(approval) = first else {
            return Ok(false);
        };
        let mut file = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.used.join(&approval.id))?;
        file.write_all(b".")?;
        file.sync_all()?;
        File::open(&self.used)?.sync_all()?;
        Ok(true)
    }

    /// How often an approval was used: the bytes of its file.
    fn uses(&self, id: &str) -> u64 {
        match fs::metadata(self.used.join(id)) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            // What is not known is taken for used up.
            Err(_) => u64::MAX,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum UnusableError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    #[error("it has more than {MAX_APPROVAL_BYTES} bytes")]
    TooLarge,
}

fn read(path: &Path, keys: &TrustedKeys) -> Result<SignedApproval, UnusableError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_APPROVAL_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_APPROVAL_BYTES {
        return Err(UnusableError::TooLarge);
    }
    Ok(SignedApproval::open(&bytes, keys)?)
}
