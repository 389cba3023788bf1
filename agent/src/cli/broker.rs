//! The part of `epm-agent run` that answers `elevate`: reads the policies and splits off the process that starts programs,
//! while there is one thread.

use std::path::PathBuf;

use epm_policy::bundle::{PublicKey, TrustedKeys};

use super::failure::{ExitCode, Failure};
use super::{Place, RunArgs, attributes, bounded_read};
use crate::broker::BrokerConfig;
use crate::broker::policy_source::PolicySource;
use crate::broker::spawner::Spawner;

/// The broker that was asked for; none without a policy file. Before anything makes a thread.
pub(super) fn configured(place: &Place, args: &RunArgs) -> Result<Option<BrokerConfig>, Failure> {
    let Some(policy) = &args.policy else {
        return Ok(None);
    };
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            ExitCode::Usage,
            "only root can run programs as administrator for others",
            "Run the agent as root, or without --policy.",
        ));
    }
    let policies = PolicySource::open(policy.clone()).map_err(|error| Failure {
        code: ExitCode::Policy,
        ..Failure::because("there are no policies to decide by", &error)
    })?;
    let witnesses = attributes::witnesses(args.trusted_roots.as_deref())?;
    let spawner = Spawner::start().map_err(|error| {
        Failure::because("cannot make the process that starts programs", &error)
    })?;
    Ok(Some(BrokerConfig {
        socket: args.socket.clone(),
        state: place.state_dir()?,
        device_name: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        policies,
        spawner,
        pam_service: args.pam_service.clone(),
        approval_keys: approval_keys(&args.approval_key)?,
        witnesses,
    }))
}

/// A key in PEM has some hundred bytes.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// Whose approvals count; none where nobody approves.
fn approval_keys(files: &[PathBuf]) -> Result<Option<TrustedKeys>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let unusable = |file: &PathBuf, why: String| {
        Failure::new(
            ExitCode::File,
            format!(
                "the key of whoever approves, {}, cannot be used: {why}",
                file.display()
            ),
            "Name a public Ed25519 key in PEM with --approval-key FILE.",
        )
    };
    let mut keys = Vec::new();
    for file in files {
        let pem = bounded_read(file, MAX_KEY_BYTES).map_err(|e| unusable(file, e.to_string()))?;
        let key = PublicKey::from_pem(&String::from_utf8_lossy(&pem));
        keys.push(key.map_err(|error| unusable(file, error.to_string()))?);
    }
    let keys = TrustedKeys::new(keys);
    keys.map(Some)
        .map_err(|error| Failure::new(ExitCode::Usage, error.to_string(), ""))
}
