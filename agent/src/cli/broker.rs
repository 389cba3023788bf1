//! The part of `epm-agent run` that answers `elevate`: reads the policies and splits off the process that starts programs,
//! while there is one thread.

use super::failure::{ExitCode, Failure};
use super::{Place, RunArgs};
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
    }))
}
