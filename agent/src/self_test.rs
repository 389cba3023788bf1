//! The capture self-test: a harmless run of sudo by the agent itself must be seen by the sensors and reach the collector.
//! A sensor can be up and hear nothing, because sudoers does not name it or a log goes elsewhere; only this tells. It must
//! not run anything that changes the device.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use epm_proto::v1::{self, SensorKind, SensorState};
use tokio::process::Command;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Agent;
use crate::words::word;

/// How often it is tested unless told otherwise: a silent sensor is known within a working day, for four records a day.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(6 * 60 * 60);
/// The first test leaves sensors time to start.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// A test that failed is made again earlier: whoever repairs something waits for it.
const AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);
/// sudo ends at once, unless it waits for a network that is not there.
const SUDO_PATIENCE: Duration = Duration::from_secs(30);
/// A followed log is read within seconds.
const SENSOR_PATIENCE: Duration = Duration::from_secs(15);
/// A connected collector answers within seconds; a busy one may take longer.
const COLLECTOR_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is seen to whether a sensor saw the canary.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What the canary does: nothing, with the token as its argument.
const CANARY: &str = "/usr/bin/true";
const TOKEN_PREFIX: &str = "epm-self-test-";

/// What is tested, and how often.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// Time between two tests.
    pub interval: Duration,
    /// Our log server, which must see the canary where there is one; any sensor will do where there is none.
    pub log_server: Option<LogServer>,
}

/// The log server that sudo is to tell.
#[derive(Clone, Copy, Debug)]
pub struct LogServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// It speaks TLS.
    pub tls: bool,
}

impl std::fmt::Display for LogServer {
    /// As sudoers names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let tls = if self.tls { "(tls)" } else { "" };
        write!(f, "{address}{tls}")
    }
}

/// Why a test did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestFailure {
    /// There is nothing to test.
    #[error("sudo is not installed, so nothing can be tested")]
    NoSudo,
    /// sudo could not be run.
    #[error(
        "sudo cannot be run: {0}; see that {path} may be executed",
        path = "/usr/bin/sudo"
    )]
    Run(io::Error),
    /// It did not end.
    #[error("sudo did not end within {} seconds; see whether it waits for a log server", SUDO_PATIENCE.as_secs())]
    SudoHangs,
    /// It refused root.
    #[error("sudo refused a run by root: {0}; let sudoers say `root ALL=(ALL:ALL) ALL`")]
    Refused(String),
    /// Nobody saw it.
    #[error(
        "no sensor saw a run of sudo; add `Defaults log_servers = {0}` to sudoers, or follow its log with --follow-log"
    )]
    Unseen(LogServer),
    /// Nobody saw it, and only logs are followed.
    #[error(
        "no sensor saw a run of sudo; see that a log that is followed is the one that sudo writes"
    )]
    Unread,
    /// Another sensor saw it than that which should have.
    #[error(
        "{missing} did not see a run of sudo that {seen} saw; add `Defaults log_servers = {server}` to sudoers"
    )]
    Degraded {
        /// Which did not.
        missing: String,
        /// Which did.
        seen: String,
        /// Where it listens.
        server: LogServer,
    },
    /// The collector does not have it.
    #[error("a run of sudo was recorded, and no collector acknowledged it within {} seconds; `epm-agent doctor` says why", COLLECTOR_PATIENCE.as_secs())]
    Undelivered,
    /// The collector does not want it.
    #[error("a run of sudo was recorded, and the collector refused a record; see its dead letters")]
    Rejected,
}

/// Tests again and again until `stop`, and tells the outcome as the health of a sensor.
pub async fn run(agent: Arc<Agent>, test: SelfTest, stop: CancellationToken) {
    let mut wait = FIRST_AFTER.min(test.interval);
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        let tested = tokio::select! {
            tested = once(&agent, &test) => tested,
            () = stop.cancelled() => return,
        };
        let (state, detail) = match &tested {
            Ok(detail) => (SensorState::Running, detail.clone()),
            Err(error @ SelfTestFailure::NoSudo) => (SensorState::Stopped, error.to_string()),
            Err(error) => (SensorState::Failing, error.to_string()),
        };
        if state == SensorState::Failing {
            tracing::warn!(reason = detail, "the capture self-test failed");
        }
        agent.set_sensor(v1::SensorHealth {
            sensor: SensorKind::SelfTest.into(),
            state: state.into(),
            detail,
        });
        wait = match tested {
            Ok(_) => test.interval,
            Err(_) => AGAIN_AFTER.min(test.interval),
        };
    }
}

/// Sends one canary out.
async fn once(agent: &Agent, test: &SelfTest) -> Result<String, SelfTestFailure> {
    let token = format!("{TOKEN_PREFIX}{}", Uuid::new_v4().simple());
    let refused_before = agent.status().await.rejected;
    agent.expect_canary(token.clone());
    let began = Instant::now();
    elevate(&token).await?;
    let seen = seen(agent, test.log_server).await?;
    let seen_after = began.elapsed();
    timeout(COLLECTOR_PATIENCE, agent.wait_delivered())
        .await
        .map_err(|_| SelfTestFailure::Undelivered)?;
    if agent.status().await.rejected != refused_before {
        return Err(SelfTestFailure::Rejected);
    }
    Ok(format!(
        "a run of sudo was seen by {seen} after {} ms and acknowledged after {} ms, at {}",
        seen_after.as_millis(),
        began.elapsed().as_millis(),
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    ))
}

async fn elevate(token: &str) -> Result<(), SelfTestFailure> {
    let running = Command::new("sudo")
        .args(["-n", "--", CANARY, token])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = timeout(SUDO_PATIENCE, running)
        .await
        .map_err(|_| SelfTestFailure::SudoHangs)?;
    match ended {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SelfTestFailure::NoSudo),
        Err(error) => Err(SelfTestFailure::Run(error)),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(SelfTestFailure::Refused(first_line(&output))),
    }
}

fn first_line(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().next().unwrap_or("it said nothing").to_owned()
}

/// Which sensors saw the canary, once the log server did.
async fn seen(agent: &Agent, log_server: Option<LogServer>) -> Result<String, SelfTestFailure> {
    let until = Instant::now() + SENSOR_PATIENCE;
    loop {
        let seen_by = agent.canary_seen_by();
        let is_enough = match log_server {
            Some(_) => seen_by.contains(&SensorKind::SudoLogServer),
            None => !seen_by.is_empty(),
        };
        let names: Vec<String> = seen_by.iter().map(|sensor| name(*sensor)).collect();
        if is_enough {
            return Ok(names.join(", "));
        }
        if Instant::now() >= until {
            return Err(match log_server {
                Some(server) if names.is_empty() => SelfTestFailure::Unseen(server),
                Some(server) => SelfTestFailure::Degraded {
                    missing: name(SensorKind::SudoLogServer),
                    seen: names.join(", "),
                    server,
                },
                None => SelfTestFailure::Unread,
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn name(sensor: SensorKind) -> String {
    word(sensor.as_str_name(), "SENSOR_KIND")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_server_is_named_as_sudoers_writes_it_and_by_an_address_that_sudo_can_reach() {
        let named = |address: &str, tls| {
            let address = address.parse().expect("an address");
            LogServer { address, tls }.to_string()
        };
        assert_eq!(named("127.0.0.1:30343", false), "127.0.0.1:30343");
        assert_eq!(named("0.0.0.0:4711", true), "127.0.0.1:4711(tls)");
        assert_eq!(named("[::]:4711", true), "[::1]:4711(tls)");
        assert_eq!(named("192.0.2.7:30344", true), "192.0.2.7:30344(tls)");
    }
}
