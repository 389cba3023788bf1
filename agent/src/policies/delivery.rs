//! Bundles from the uplink to the policies in force, and back what became of them. It must not judge a bundle.

use std::sync::Arc;

use epm_proto::v1;
use tokio_util::sync::CancellationToken;

use super::PolicySource;
use crate::Agent;
use crate::cli::failure::with_causes;
use crate::clock::now_us;

/// Offers `source` each bundle that comes for `agent`, and tells the collector what is in force, until `stop`. Of bundles that
/// come while another is looked at, the newest is taken.
pub async fn deliver(source: Arc<PolicySource>, agent: Arc<Agent>, stop: CancellationToken) {
    let mut offered = agent.offered_policies();
    let mut changes = source.changes();
    let mut refused = None;
    loop {
        agent.echo_policies(echo(&source, refused.take()));
        let bundle = tokio::select! {
            changed = offered.changed() => match changed {
                Ok(()) => offered.borrow_and_update().clone(),
                Err(_) => return,
            },
            // The end of a bundle's life is told too.
            _ = changes.changed() => continue,
            () = stop.cancelled() => return,
        };
        let Some(bundle) = bundle else { continue };
        let to = Arc::clone(&source);
        match tokio::task::spawn_blocking(move || to.offer(&bundle)).await {
            Ok(Ok(accepted)) => tracing::info!(?accepted, "a bundle of policies came"),
            Ok(Err(error)) => {
                let error = with_causes(&error);
                tracing::error!(error, "a bundle of policies is not used");
                refused = Some(error);
            }
            Err(_) => return,
        }
        changes.mark_unchanged();
    }
}

fn echo(source: &PolicySource, refused: Option<String>) -> v1::PolicyEcho {
    let (current, highest) = (source.current(), source.highest());
    let none = source
        .trouble()
        .filter(|_| current.policies().version.0 == 0);
    let (state, detail) = match (refused, none) {
        (Some(why), _) => (v1::PolicyState::Refused, why),
        (None, Some(why)) => (v1::PolicyState::None, why),
        (None, None) => (v1::PolicyState::InForce, String::new()),
    };
    v1::PolicyEcho {
        state: state.into(),
        version: highest.map_or(0, |seen| seen.version.0),
        sha256: highest.map(|seen| seen.hash.0.to_vec()).unwrap_or_default(),
        rules: u32::try_from(current.rule_count()).unwrap_or(u32::MAX),
        at_us: now_us(),
        detail,
    }
}
