//! The part of `epm-agent run` that answers `elevate`: reads the policies and splits off the process that starts programs,
//! while there is one thread.

use std::path::PathBuf;
use std::sync::Arc;

use epm_policy::bundle::{PublicKey, TrustedKeys};

use super::failure::{ExitCode, Failure};
use super::{Place, RunArgs, attributes, bounded_read, terminal};
use crate::broker::BrokerConfig;
use crate::broker::spawner::Spawner;
use crate::identity::StateFolder;
use crate::policies::PolicySource;

/// What was asked for: policies, and the broker that answers by them. None where the agent only watches. Before anything
/// makes a thread.
pub(super) fn configured(place: &Place, args: &RunArgs) -> Result<Option<BrokerConfig>, Failure> {
    let Some(policies) = policies(place, args)? else {
        return Ok(None);
    };
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
        policies: Arc::new(policies),
        spawner,
        pam_service: args.pam_service.clone(),
        approval_keys: keys("--approval-key", &args.approval_key)?,
        witnesses,
    }))
}

fn policies(place: &Place, args: &RunArgs) -> Result<Option<PolicySource>, Failure> {
    let signers = keys("--policy-key", &args.policy_key)?;
    let flag = match (&args.policy, &signers) {
        (None, None) => return Ok(None),
        (Some(_), _) => "--policy",
        (None, Some(_)) => "--policy-key",
    };
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            ExitCode::Usage,
            "only root can run programs as administrator for others",
            format!("Run the agent as root, or without {flag}."),
        ));
    }
    let unusable = |error: &dyn std::error::Error| Failure {
        code: ExitCode::Policy,
        ..Failure::because("there are no policies to decide by", error)
    };
    if let Some(file) = &args.policy {
        return PolicySource::of_file(file.clone())
            .map(Some)
            .map_err(|error| unusable(&error));
    }
    let Some(signers) = signers else {
        return Ok(None);
    };
    let state = place.state_dir()?;
    let failed = |error: &dyn std::error::Error| Failure {
        code: ExitCode::File,
        ..Failure::because("the state folder cannot be used", error)
    };
    // Bundles may be for this device alone, so it has to know who it is.
    let agent = StateFolder::open(&state, None).map_err(|error| failed(&error))?;
    let (source, findings) = PolicySource::of_bundles(&state, signers, agent.agent_id())
        .map_err(|error| failed(&error))?;
    for finding in findings {
        terminal::say(finding.to_string());
    }
    Ok(Some(source))
}

/// A key in PEM has some hundred bytes.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// Whose signatures count; none where no key was named.
fn keys(flag: &str, files: &[PathBuf]) -> Result<Option<TrustedKeys>, Failure> {
    if files.is_empty() {
        return Ok(None);
    }
    let unusable = |file: &PathBuf, why: String| {
        Failure::new(
            ExitCode::File,
            format!("the key {} of {flag} cannot be used: {why}", file.display()),
            format!("Name a public Ed25519 key in PEM with {flag} FILE."),
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
