//! Installs the agent as a service of systemd below some root folder, and takes away again exactly what it put there. It
//! must not start or stop anything, and must not touch what others made.

mod pam;
mod unit;

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use unit::unit;

/// The service.
pub const UNIT_NAME: &str = "epm-agent.service";
const PROGRAM: &str = "usr/local/sbin/epm-agent";
const ELEVATE: &str = "usr/local/bin/elevate";
const UNIT: &str = "etc/systemd/system/epm-agent.service";
const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/epm-agent.service";
const OPTIONS: &str = "etc/epm-agent/agent.env";
/// How people prove to the broker who they are.
const PAM_SERVICE: &str = "etc/pam.d/epm-elevate";
/// Identity and spool.
const STATE: &str = "var/lib/epm-agent";
/// What was put where.
const MANIFEST: &str = "var/lib/epm-agent/installed.json";

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// A file is written, or replaced where install wrote it before.
    Write {
        /// Where.
        path: PathBuf,
        /// Permissions.
        mode: u32,
        /// Its size.
        bytes: usize,
    },
    /// A link is made.
    Link {
        /// Where.
        path: PathBuf,
        /// To what.
        to: PathBuf,
    },
    /// A folder is made where it is not there.
    Folder {
        /// Where.
        path: PathBuf,
        /// Permissions.
        mode: u32,
    },
    /// Something that install made goes.
    Remove {
        /// What.
        path: PathBuf,
    },
    /// Something stays.
    Keep {
        /// What.
        path: PathBuf,
        /// Why, and what takes it away.
        why: String,
    },
}

/// Why it was not installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The disk's.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that others made would be replaced.
    #[error("{path} is there and install did not write it; move it away first", path = .0.display())]
    NotOurs(PathBuf),
    /// Nothing was installed there.
    #[error("nothing was installed below {path}", path = .0.display())]
    Nothing(PathBuf),
}

/// What install made, to be taken away again.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    /// Files with their SHA-256, links with what they point to.
    made: Vec<(PathBuf, String)>,
}

/// A file to be installed.
struct Wanted {
    path: &'static str,
    mode: u32,
    bytes: Vec<u8>,
    /// An administrator may change it, and then it stays.
    is_theirs: bool,
}

/// What is installed.
#[derive(Debug)]
pub struct Installation {
    /// The root folder; / is this device.
    pub root: PathBuf,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Installation {
    /// Puts `program`, and `elevate` where it is there, in their places with a unit that runs it with `options`
    /// (environment variables). With a broker, the unit leaves alone what elevated programs inherit, and PAM learns of it.
    ///
    /// # Errors
    ///
    /// [`InstallError`]. Doing it again goes on where it failed.
    pub fn install(
        &self,
        program: &Path,
        elevate: Option<&Path>,
        options: &str,
        has_broker: bool,
    ) -> Result<Vec<Step>, InstallError> {
        let read = |path: &Path| fs::read(path).map_err(failed(path));
        let mut wanted = vec![
            Wanted {
                path: PROGRAM,
                mode: 0o755,
                bytes: read(program)?,
                is_theirs: false,
            },
            Wanted {
                path: OPTIONS,
                mode: 0o600,
                bytes: options.into(),
                is_theirs: true,
            },
            Wanted {
                path: UNIT,
                mode: 0o644,
                bytes: unit(has_broker).into(),
                is_theirs: false,
            },
        ];
        if let Some(elevate) = elevate {
            let bytes = read(elevate)?;
            wanted.push(Wanted {
                path: ELEVATE,
                mode: 0o755,
                bytes,
                is_theirs: false,
            });
        }
        if has_broker {
            wanted.push(Wanted {
                path: PAM_SERVICE,
                mode: 0o644,
                bytes: pam::service(&self.root).into(),
                is_theirs: true,
            });
        }
        let mut manifest = self.manifest()?.unwrap_or_default();
        for of in &wanted {
            let path = self.root.join(of.path);
            if path.exists() && !of.is_theirs && manifest.digest_of(of.path).is_none() {
                return Err(InstallError::NotOurs(path));
            }
        }
        let mut steps = vec![self.folder(STATE, 0o700)?];
        for of in wanted {
            steps.push(self.write(&of, &mut manifest)?);
        }
        steps.push(self.enable(&mut manifest)?);
        Ok(steps)
    }

    fn write(&self, of: &Wanted, manifest: &mut Manifest) -> Result<Step, InstallError> {
        let path = self.root.join(of.path);
        if of.is_theirs && path.exists() {
            let why = "it was there, and holds as it is".to_owned();
            return Ok(Step::Keep { path, why });
        }
        if !self.dry_run {
            // Noted before it is there: a file that was noted and is not there is no harm.
            manifest.note(of.path, hex(&of.bytes));
            self.save(manifest)?;
            self.make_parent(&path)?;
            // A program that runs cannot be written, and can be replaced.
            let new = path.with_extension("new");
            fs::write(&new, &of.bytes).map_err(failed(&new))?;
            let mode = fs::Permissions::from_mode(of.mode);
            fs::set_permissions(&new, mode).map_err(failed(&new))?;
            fs::rename(&new, &path).map_err(failed(&path))?;
        }
        Ok(Step::Write {
            path,
            mode: of.mode,
            bytes: of.bytes.len(),
        })
    }

    fn enable(&self, manifest: &mut Manifest) -> Result<Step, InstallError> {
        let (path, to) = (self.root.join(ENABLED), PathBuf::from(format!("/{UNIT}")));
        if !self.dry_run && path.symlink_metadata().is_err() {
            manifest.note(ENABLED, to.display().to_string());
            self.save(manifest)?;
            self.make_parent(&path)?;
            symlink(&to, &path).map_err(failed(&path))?;
        }
        Ok(Step::Link { path, to })
    }

    fn folder(&self, path: &str, mode: u32) -> Result<Step, InstallError> {
        let path = self.root.join(path);
        if !self.dry_run {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&path);
            made.map_err(failed(&path))?;
        }
        Ok(Step::Folder { path, mode })
    }

    fn make_parent(&self, path: &Path) -> Result<(), InstallError> {
        path.parent().map_or(Ok(()), |parent| {
            fs::create_dir_all(parent).map_err(failed(parent))
        })
    }

    /// Takes away what install made and nobody changed. State stays: it may hold records that no collector has; `purge`
    /// takes it, and changed options, too.
    ///
    /// # Errors
    ///
    /// [`InstallError`]. Doing it again goes on where it failed.
    pub fn uninstall(&self, purge: bool) -> Result<Vec<Step>, InstallError> {
        let manifest = self.manifest()?;
        let manifest = manifest.ok_or_else(|| InstallError::Nothing(self.root.clone()))?;
        let mut steps = Vec::new();
        for (name, digest) in manifest.made.iter().rev() {
            let path = self.root.join(name);
            let Ok(status) = path.symlink_metadata() else {
                continue;
            };
            let is_ours = match status.is_symlink() {
                true => fs::read_link(&path).is_ok_and(|to| to == Path::new(digest)),
                false => fs::read(&path).is_ok_and(|bytes| hex(&bytes) == *digest),
            };
            if !is_ours && !purge {
                let why = "it was changed since; --purge removes it".to_owned();
                steps.push(Step::Keep { path, why });
                continue;
            }
            if !self.dry_run {
                fs::remove_file(&path).map_err(failed(&path))?;
                self.remove_empty_parent(&path, name);
            }
            steps.push(Step::Remove { path });
        }
        let state = self.root.join(STATE);
        match purge {
            true => {
                if !self.dry_run {
                    fs::remove_dir_all(&state).map_err(failed(&state))?;
                }
                steps.push(Step::Remove { path: state });
            }
            false => {
                let manifest = self.root.join(MANIFEST);
                if !self.dry_run && !steps.iter().any(|step| matches!(step, Step::Keep { .. })) {
                    fs::remove_file(&manifest).map_err(failed(&manifest))?;
                }
                let why =
                    "identity and records that no collector has; --purge removes it".to_owned();
                steps.push(Step::Keep { path: state, why });
            }
        }
        Ok(steps)
    }

    /// The folder of options is ours alone.
    fn remove_empty_parent(&self, path: &Path, name: &Path) {
        if name == Path::new(OPTIONS)
            && let Some(parent) = path.parent()
        {
            // Others may have put something there.
            let _ = fs::remove_dir(parent);
        }
    }

    fn manifest(&self) -> Result<Option<Manifest>, InstallError> {
        let path = self.root.join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| failed(&path)(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    fn save(&self, manifest: &Manifest) -> Result<(), InstallError> {
        let path = self.root.join(MANIFEST);
        let bytes = serde_json::to_vec(manifest).map_err(|error| failed(&path)(error.into()))?;
        crate::disk::replace(&crate::disk::RealDisk, &path, &bytes).map_err(failed(&path))
    }
}

impl Manifest {
    fn digest_of(&self, name: &str) -> Option<&str> {
        let mut made = self.made.iter();
        made.find(|(path, _)| path == Path::new(name))
            .map(|(_, digest)| &**digest)
    }

    fn note(&mut self, name: &str, digest: String) {
        self.made.retain(|(path, _)| path != Path::new(name));
        self.made.push((PathBuf::from(name), digest));
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::Io { path, source }
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
