//! `install` and `uninstall`: the agent as a service of systemd.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::Place;
use super::failure::{ExitCode, Failure};
use super::terminal;
use crate::install::{InstallError, Installation, Step, UNIT_NAME};

/// Options of `install`.
#[derive(Clone, Debug, Args)]
pub struct InstallArgs {
    /// Where to, and whether.
    #[command(flatten)]
    pub target: InstallTarget,
    /// Policies that the service is to be governed by; with them it also answers `elevate`.
    #[arg(long, value_name = "FILE", env = "EPM_POLICY")]
    pub policy: Option<PathBuf>,
    /// A log that the service is to follow.
    #[arg(long, value_name = "PATH", env = "EPM_FOLLOW_LOG")]
    pub follow_log: Option<PathBuf>,
}

/// Options of `uninstall`.
#[derive(Clone, Debug, Args)]
pub struct UninstallArgs {
    /// From where, and whether.
    #[command(flatten)]
    pub target: InstallTarget,
    /// Remove identity, records that no collector has, and changed options too.
    #[arg(long, env = "EPM_PURGE")]
    pub purge: bool,
}

/// Where something is installed.
#[derive(Clone, Debug, Args)]
pub struct InstallTarget {
    /// Folder that stands for /; nothing is started or stopped below another one.
    #[arg(long, value_name = "DIR", env = "EPM_ROOT", default_value = "/")]
    pub root: PathBuf,
    /// Only say what would be done.
    #[arg(long, env = "EPM_DRY_RUN")]
    pub dry_run: bool,
}

pub(super) fn install(place: &Place, args: &InstallArgs) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::because("this program does not know where it lies", &error))?;
    let elevate = program.with_file_name("elevate");
    let elevate = Some(elevate.as_path()).filter(|path| args.policy.is_some() && path.exists());
    let installation = args.target.installation();
    let options = options(place, args);
    let steps = installation.install(&program, elevate, &options, args.policy.is_some());
    tell(
        &steps.map_err(|error| failure(&error))?,
        args.target.dry_run,
    );
    if args.target.has_service_manager() {
        systemctl(&["daemon-reload"])?;
        systemctl(&["restart", UNIT_NAME])?;
        terminal::say("started; `epm-agent doctor` says whether all is well");
    }
    Ok(())
}

pub(super) fn uninstall(args: &UninstallArgs) -> Result<(), Failure> {
    let installation = args.target.installation();
    if args.target.has_service_manager() {
        systemctl(&["stop", UNIT_NAME])?;
    }
    let steps = installation.uninstall(args.purge);
    tell(
        &steps.map_err(|error| failure(&error))?,
        args.target.dry_run,
    );
    if args.target.has_service_manager() {
        systemctl(&["daemon-reload"])?;
    }
    Ok(())
}

impl InstallTarget {
    fn installation(&self) -> Installation {
        Installation {
            root: self.root.clone(),
            dry_run: self.dry_run,
        }
    }

    /// Whether a service can be started and stopped here: sd_booted(3).
    fn has_service_manager(&self) -> bool {
        !self.dry_run && self.root == Path::new("/") && Path::new("/run/systemd/system").is_dir()
    }
}

/// The file of options, for an administrator to change.
fn options(place: &Place, args: &InstallArgs) -> String {
    let mut text = format!(
        "# Options of the agent's service; `epm-agent run --help` names them all.\nEPM_COLLECTOR={}\n",
        place.collector
    );
    let mut line = |name: &str, path: &Option<PathBuf>| {
        if let Some(path) = path {
            text.push_str(&format!("{name}={}\n", path.display()));
        }
    };
    line("EPM_POLICY", &args.policy);
    line("EPM_FOLLOW_LOG", &args.follow_log);
    text
}

fn tell(steps: &[Step], dry_run: bool) {
    let would = if dry_run { "would " } else { "" };
    for step in steps {
        terminal::say(match step {
            Step::Write { path, mode, bytes } => {
                format!(
                    "{would}write   {} ({bytes} bytes, mode {mode:04o})",
                    path.display()
                )
            }
            Step::Link { path, to } => {
                format!("{would}link    {} to {}", path.display(), to.display())
            }
            Step::Folder { path, mode } => {
                format!("{would}make    {} (mode {mode:04o})", path.display())
            }
            Step::Remove { path } => format!("{would}remove  {}", path.display()),
            Step::Keep { path, why } => format!("{would}keep    {}: {why}", path.display()),
        });
    }
}

fn failure(error: &InstallError) -> Failure {
    let (code, remedy) = match error {
        InstallError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            (
                ExitCode::Failed,
                "Run it as root, or name another folder with --root DIR.",
            )
        }
        InstallError::Nothing(_) => (ExitCode::Usage, "Name the folder with --root DIR."),
        _ => (ExitCode::Failed, ""),
    };
    Failure::new(code, error.to_string(), remedy)
}

fn systemctl(arguments: &[&str]) -> Result<(), Failure> {
    let said = format!("systemctl {}", arguments.join(" "));
    match Command::new("systemctl").args(arguments).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(
            ExitCode::Failed,
            format!("`{said}` ended with {status}"),
            "`journalctl -u epm-agent` says why.",
        )),
        Err(error) => Err(Failure::because(&format!("cannot run `{said}`"), &error)),
    }
}
