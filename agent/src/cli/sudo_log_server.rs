//! sudo's log server as `epm-agent run` keeps it: bound, told of in heartbeats, and bound again where that failed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use epm_proto::v1;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::failure::{ExitCode, Failure, with_causes};
use super::{ListenAddress, RunArgs};
use crate::Agent;
use crate::self_test::LogServer;
use crate::sudo_log_server::{self, Counts, Tls, Transport};

/// Time between two tries to listen where another program does.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// How often what came in is written into the sensor's health.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A log server that is to be kept.
#[derive(Debug)]
pub(super) struct SudoLogServer {
    address: SocketAddr,
    transport: Transport,
}

/// What was asked for; nothing where it is off.
pub(super) fn configured(args: &RunArgs) -> Result<Option<SudoLogServer>, Failure> {
    let ListenAddress::At(address) = args.sudo_log_server else {
        return Ok(None);
    };
    let files = (
        &args.sudo_log_server_cert,
        &args.sudo_log_server_key,
        &args.sudo_log_server_clients,
    );
    let transport = match files {
        (Some(certificate), Some(key), Some(clients)) => Transport::Tls(
            Tls::read(certificate, key, clients)
                .map_err(|error| Failure::because("sudo's log server cannot use TLS", &error))?,
        ),
        _ if address.ip().is_loopback() => Transport::Plain,
        _ => {
            return Err(Failure::new(
                ExitCode::Usage,
                format!(
                    "--sudo-log-server {address} would take sudo's records in plain text from other devices"
                ),
                "Add --sudo-log-server-cert, --sudo-log-server-key and --sudo-log-server-clients, or listen on 127.0.0.1.",
            ));
        }
    };
    Ok(Some(SudoLogServer { address, transport }))
}

impl SudoLogServer {
    /// As sudo is told of it.
    pub(super) fn told(&self) -> LogServer {
        LogServer {
            address: self.address,
            tls: matches!(self.transport, Transport::Tls(_)),
        }
    }

    /// Serves until `stop`. That another program has the address is a state of health and no reason to end.
    pub(super) async fn run(self, agent: Arc<Agent>, stop: CancellationToken) {
        let counts = Arc::new(Counts::default());
        loop {
            let failed = match TcpListener::bind(self.address).await {
                Ok(listener) => {
                    let serving = sudo_log_server::run(
                        listener,
                        self.transport.clone(),
                        Arc::clone(&agent),
                        Arc::clone(&counts),
                        stop.clone(),
                    );
                    tokio::select! {
                        served = serving => served.err().map(|error| with_causes(&error)),
                        () = tell(&agent, &counts) => None,
                    }
                }
                Err(error) => Some(format!("cannot listen at {}: {error}", self.address)),
            };
            let Some(failed) = failed else {
                return;
            };
            tracing::warn!(reason = failed, "sudo's log server does not run");
            say(&agent, v1::SensorState::Failing, failed);
            tokio::select! {
                () = tokio::time::sleep(TRY_AGAIN) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Says again and again what came in; never ends.
async fn tell(agent: &Agent, counts: &Counts) {
    loop {
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        let detail = format!(
            "{} runs, {} refusals, {} exits, {} alerts; {} connections refused",
            count(&counts.accepted),
            count(&counts.rejected),
            count(&counts.exited),
            count(&counts.alerts),
            count(&counts.refused),
        );
        say(agent, v1::SensorState::Running, detail);
        tokio::time::sleep(TELL_EVERY).await;
    }
}

fn say(agent: &Agent, state: v1::SensorState, detail: String) {
    agent.set_sensor(v1::SensorHealth {
        sensor: v1::SensorKind::SudoLogServer.into(),
        state: state.into(),
        detail,
    });
}
